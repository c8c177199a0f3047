"""Layouts are exact inverses, and are recognised by evidence or by what a network says, or not at all."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from afanet import AFA, InputError, Layout, Point, weave
from afanet.networks.layout import windows_of
from afanet.networks.recognise import layouts_of
from afanet.networks.trace import Trace

sizes = st.integers(1, 4)


@given(order=st.sampled_from(["BCHW", "BHWC", "BNC"]), batch=sizes, channels=sizes, h=sizes, w=sizes, prefix=sizes)
def test_leave_undoes_enter(order: str, batch: int, channels: int, h: int, w: int, prefix: int) -> None:
    x = torch.rand(batch, channels, h, w)
    layout, features = {
        "BCHW": (Layout("BCHW"), x),
        "BHWC": (Layout("BHWC"), x.permute(0, 2, 3, 1)),
        "BNC": (
            Layout("BNC", prefix, (h, w)),
            torch.cat([torch.rand(batch, prefix, channels), x.flatten(2).transpose(1, 2)], 1),
        ),
    }[order]
    assert torch.equal(layout.enter(features), x)
    assert torch.equal(layout.leave(layout.enter(features), features), features)


def test_class_tokens_pass_beside_the_fusion() -> None:
    layout, features = Layout("BNC", 2, (2, 3)), torch.rand(1, 8, 4)
    fused = layout.leave(layout.enter(features) + 1, features)
    assert torch.equal(fused[:, :2], features[:, :2])
    assert torch.equal(layout.leave(layout.enter(features), features, layout.enter_prefix(features)), features)
    assert torch.equal(fused[:, 2:], features[:, 2:] + 1)


@given(
    axes=st.integers(1, 5).flatmap(lambda n: st.permutations(range(n))),
    sizes=st.lists(st.integers(1, 3), min_size=5, max_size=5),
    apart=st.booleans(),
)
def test_tokens_in_windows_are_told_apart_and_put_back(axes: list[int], sizes: list[int], apart: bool) -> None:
    sizes = sizes[: len(axes)]
    count = math.prod(sizes)
    of_pixels = torch.arange(count).view(sizes).permute(axes).flatten()  # the number of each pixel's token
    windows = windows_of(of_pixels)
    assert windows is not None
    layout = Layout("BNC", 0 if apart else 1, (1, count), windows=windows)
    shape = (2, sizes[0], count // sizes[0], 4) if apart else (2, 1 + count, 4)
    tokens = torch.rand(shape)
    patches = tokens.flatten(1, -2)[:, layout.prefix :]
    entered = layout.enter(tokens)
    assert torch.equal(entered, patches[:, of_pixels].transpose(1, 2).unsqueeze(2))
    assert torch.equal(layout.leave(entered, tokens), tokens)


def test_an_order_that_no_axes_make_has_no_windows() -> None:
    assert windows_of(torch.tensor([1, 0, 2, 3])) is None
    assert windows_of(torch.tensor([0, 2, 1])) is None
    assert windows_of(torch.tensor([0, 0, 1, 1])) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("CBHW",), "layout 'CBHW' is unknown: expected 'BCHW', 'BHWC' or 'BNC'"),
        (("BNC",), "layout 'BNC' got grid=None"),
        (("BCHW", 0, (2, 2)), r"layout 'BCHW' got grid=\(2, 2\)"),
        (("BNC", 0, (2, 2), None, ((2, 3), (1, 0))), r"got windows=\(\(2, 3\), \(1, 0\)\) and grid=\(2, 2\): expected"),
        (("BNC", 0, (2, 2), None, ((2, 2), (1, 1))), "the number of each axis once"),
    ],
)
def test_layouts_that_make_no_sense_are_refused(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Layout(*arguments)


class Net(nn.Module):
    """Puts out features in a given order, square and with as many channels as pixels a side, so no shape tells it."""

    def __init__(self, order: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, 2, 1)
        self.turn = Turn(order)

    def forward(self, image: Tensor) -> Tensor:
        return self.turn(self.conv(image)).flatten(1).mean(1)


class Turn(nn.Module):
    """(B, C, H, W) in another order."""

    def __init__(self, order: str) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return {"BCHW": x, "BHWC": x.permute(0, 2, 3, 1), "BNC": x.flatten(2).transpose(1, 2)}[self.order]


class Patches(nn.Module):
    """Tokens straight from the image: no map has their grid."""

    def forward(self, image: Tensor) -> Tensor:
        return nn.functional.unfold(image, 2, stride=2).transpose(1, 2)


@pytest.mark.parametrize("order", ["BCHW", "BHWC"])
def test_the_order_is_recognised_by_what_a_larger_image_changes(order: str) -> None:
    trace = Trace("a", Net(order), ["turn"], torch.empty(2, 3, 16, 16))
    assert trace.value(trace.calls["turn"]).shape == (2, 8, 8, 8)
    assert layouts_of(trace, "turn", None) == {None: Layout(order)}


def test_tokens_are_recognised_by_the_map_that_they_come_from() -> None:
    trace = Trace("a", Net("BNC"), ["turn"], torch.empty(2, 3, 16, 16))
    assert layouts_of(trace, "turn", None) == {None: Layout("BNC", grid=(8, 8), grid_of="conv")}
    woven = weave({"a": Net("BNC"), "b": Net("BNC")}, ["turn"], AFA, example=(1, 3, 16, 16))
    assert woven.fusion.turn.size == (8, 8)
    assert woven(torch.rand(2, 3, 24, 10))["a"].shape == (2,)  # the grid follows the image


def test_a_layer_that_makes_tokens_itself_is_recognised_by_the_map_inside_it() -> None:
    branches = {task: nn.Sequential(nn.Sequential(nn.Conv2d(3, 8, 2, 2), Turn("BNC")), nn.Flatten(1)) for task in "ab"}
    woven = weave(branches, ["0"], AFA, example=(1, 3, 16, 16))
    assert woven.get_submodule("fusion.0").size == (8, 8)
    assert woven(torch.rand(2, 3, 24, 10))["a"].shape == (2, 12 * 5 * 8)


def test_tokens_that_nothing_tells_the_grid_of_are_taken_as_declared_and_never_guessed() -> None:
    branches = {task: nn.Sequential(Patches(), nn.Flatten(1)) for task in ("a", "b")}
    with pytest.raises(InputError, match=r"layer '0' of branch 'a' outputs \(2, 64, 12\) and nothing says"):
        weave(branches, ["0"], AFA, example=(1, 3, 16, 16))
    woven = weave(branches, [Point("0", Layout("BNC", grid=(8, 8)))], AFA, example=(1, 3, 16, 16))
    assert woven.get_submodule("fusion.0").channels == 12
    assert woven.get_submodule("fusion.0").size == (8, 8)
    assert woven(torch.rand(2, 3, 16, 16))["a"].shape == (2, 768)
    with pytest.raises(InputError, match="16x24 has another grid of tokens than 8x8, which was declared for 16x16"):
        woven(torch.rand(2, 3, 16, 24))
    assert woven(torch.rand(2, 3, 17, 16))["a"].shape == (2, 768)  # the same grid


class Telling(nn.Module):
    """Tokens of patches, whose next layers are told their (H, W): what Swin of transformers does."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = Patches()
        self.first = Told()
        self.second = Told()

    def forward(self, image: Tensor) -> Tensor:
        size = (image.shape[2] // 2, image.shape[3] // 2)
        x = self.first(self.patches(image), size)
        return self.second(x, size).mean((1, 2))


class Told(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(12, 12)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        assert x.shape[1] == size[0] * size[1]
        return self.linear(x)


def test_tokens_are_recognised_by_the_size_that_their_layer_is_given_for_images_of_every_size() -> None:
    pytest.importorskip("greenlet")
    woven = weave({"a": Telling(), "b": Telling()}, ["second"], AFA, example=(1, 3, 16, 12))
    assert woven.fusion.second.size == (8, 6)
    assert woven(torch.rand(2, 3, 24, 10))["a"].shape == (2,)


def test_tokens_that_only_the_next_layer_is_given_the_size_of_keep_the_size_of_the_example() -> None:
    pytest.importorskip("greenlet")
    woven = weave({"a": Telling(), "b": Telling()}, ["patches"], AFA, example=(1, 3, 16, 12))
    assert woven.fusion.patches.size == (8, 6)
    with pytest.raises(InputError, match="do not fill a grid of 8x6"):
        woven(torch.rand(2, 3, 24, 10))


class Pair(nn.Module):
    """Two maps, of which the second is for nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        return self.conv(image), image


class First(nn.Module):
    def forward(self, pair: tuple[Tensor, Tensor]) -> Tensor:
        return pair[0].mean((2, 3))


def test_of_several_tensors_those_meet_that_a_branch_uses() -> None:
    branches = {task: nn.Sequential(Pair(), First()) for task in ("a", "b")}
    woven = weave(branches, ["0"], AFA, example=(1, 3, 16, 16))
    assert [name for name, layer in woven.fusion.named_modules() if isinstance(layer, AFA)] == ["0.0"]


class Sums(nn.Module):
    """Sums that have values of many places in them."""

    def forward(self, x: Tensor) -> Tensor:
        return x.cumsum(2)


class Fixed(nn.Module):
    """Takes images of one size, and says nothing of its axes."""

    def __init__(self, last: nn.Module) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 8, 2, 2)
        self.middle = nn.Sequential(nn.Identity(), Sums())
        self.last = last

    def forward(self, image: Tensor) -> Tensor:
        assert image.shape[-1] == 16
        return self.last(self.middle(self.embed(image))).flatten(1)


def test_a_map_of_one_size_is_recognised_by_the_layer_that_takes_it_and_never_guessed() -> None:
    taken = {task: Fixed(nn.AdaptiveAvgPool2d(1)) for task in ("a", "b")}
    assert weave(taken, ["middle"], AFA, example=(1, 3, 16, 16)).fusion.middle.channels == 8
    with pytest.raises(InputError, match="nothing says"):
        weave({task: Fixed(nn.Tanh()) for task in ("a", "b")}, ["middle"], AFA, example=(1, 3, 16, 16))


def test_a_declared_grid_is_not_taken_for_another_of_as_many_patches() -> None:
    branches = {task: nn.Sequential(Patches(), nn.Flatten(1)) for task in ("a", "b")}
    woven = weave(branches, [Point("0", Layout("BNC", grid=(4, 6)))], AFA, example=(1, 3, 8, 12))
    assert woven(torch.rand(2, 3, 8, 12))["a"].shape == (2, 288)
    with pytest.raises(InputError, match="12x8 has another grid of tokens than 4x6, which was declared for 8x12"):
        woven(torch.rand(2, 3, 12, 8))
