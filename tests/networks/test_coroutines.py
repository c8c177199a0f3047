"""Branches that cannot be traced are woven as they are: each runs its own forward, and stops where they meet."""

from __future__ import annotations

import copy
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

import pytest
import timm
import torch
import torch.utils.checkpoint
from torch import Tensor, nn

from afanet import AFA, InputError, weave
from afanet.networks import Woven
from afanet.networks.coroutines import Coroutines

pytest.importorskip("greenlet")
SHAPE = (1, 3, 32, 32)


class Same(nn.Module):
    """Fuses nothing."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        return xs


def vit(outputs: int, **options: object) -> nn.Module:
    """A small transformer whose positions follow the image, which no symbolic trace can do."""
    small = {"img_size": 32, "patch_size": 8, "depth": 3, "embed_dim": 24, "num_heads": 2, "dynamic_img_size": True}
    return timm.create_model("vit_tiny_patch16_224", num_classes=outputs, **small | options)


@cache
def woven_vit() -> Woven:
    torch.manual_seed(0)
    return weave({"age": vit(8), "mood": vit(2)}, ["blocks.2", "blocks.0"], AFA, example=SHAPE).eval()


@pytest.fixture
def woven() -> Woven:
    return copy.deepcopy(woven_vit())


def test_a_transformer_of_any_image_size_is_woven_by_coroutines(woven: Woven) -> None:
    assert all(isinstance(program, Coroutines) for program in woven.programs.values())
    assert [woven.get_submodule(f"fusion.blocks.{i}").size for i in (0, 2)] == [(4, 4), (4, 4)]
    for size in ((32, 32), (40, 24), (24, 40)):
        assert {task: tuple(y.shape) for task, y in woven(torch.rand(2, 3, *size)).items()} == {
            "age": (2, 8),
            "mood": (2, 2),
        }
    assert "after branches.age.blocks.0, branches.mood.blocks.0: fusion.blocks.0\n" in woven.code


def test_without_exchange_the_outputs_are_the_branches_own_bit_for_bit(woven: Woven) -> None:
    for name in ("fusion.blocks.0", "fusion.blocks.2"):
        woven.set_submodule(name, Same())
    image = torch.rand(2, 3, 32, 32)
    for task, output in woven(image).items():
        assert torch.equal(output, woven.branches.get_submodule(task)(image))


def test_one_network_computes_the_same_traced_and_as_coroutines() -> None:
    outputs = []
    for dynamic in (False, True):  # a transformer of one image size can be traced
        torch.manual_seed(0)
        branches = {task: vit(n, dynamic_img_size=dynamic, reg_tokens=2) for task, n in {"age": 8, "mood": 2}.items()}
        woven = weave(branches, ["blocks.0", "blocks.2"], partial(AFA, per_task=True), example=SHAPE)
        outputs.append(woven(torch.ones(2, 3, 32, 32))["age"])
        assert isinstance(woven.programs[True], Coroutines) == dynamic
    assert torch.equal(*outputs)


def test_copies_compute_the_same(woven: Woven) -> None:
    image = torch.rand(2, 3, 32, 32)
    restored = copy.deepcopy(woven)
    for parameter in restored.parameters():
        nn.init.zeros_(parameter)
    restored.load_state_dict(woven.state_dict())
    for copied in (restored, pickle.loads(pickle.dumps(woven))):
        assert torch.equal(copied(image)["age"], woven(image)["age"])


def test_training_reaches_every_parameter_and_half_precision_works(woven: Woven) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        outputs = woven.train()(torch.rand(2, 3, 32, 32))
    sum(y.float().square().sum() for y in outputs.values()).backward()
    assert not [name for name, p in woven.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    with torch.no_grad():
        assert not woven(torch.rand(2, 3, 32, 32))["age"].requires_grad


def test_a_task_learns_from_the_branch_of_another(woven: Woven) -> None:
    woven(torch.rand(2, 3, 32, 32))["age"].sum().backward()
    assert woven.branches.mood.patch_embed.proj.weight.grad.any()
    assert woven.branches.mood.head.weight.grad is None


def test_it_exports_for_images_of_any_size_and_number(woven: Woven) -> None:
    free = ({0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO},)
    exported = torch.export.export(woven, (torch.rand(2, 3, 32, 32),), dynamic_shapes=free, strict=False).module()
    for shape in ((3, 3, 32, 32), (1, 3, 48, 24)):
        image = torch.rand(shape)
        for task, output in woven(image).items():
            torch.testing.assert_close(exported(image)[task], output)


def test_export_in_training_and_compiling_are_refused(woven: Woven) -> None:
    with pytest.raises(
        InputError, match="cannot be compiled, because its branches cannot be traced and run as coroutines"
    ):
        woven.compile()
    with pytest.raises(InputError, match=r"is exported in evaluation: call eval\(\) first"):
        torch.export.export(woven.train(), (torch.rand(2, 3, 32, 32),), strict=False)


def test_a_shared_trunk_is_computed_once_and_the_same_for_all() -> None:
    branches = {"age": vit(8), "mood": vit(2)}
    alone = copy.deepcopy(branches["age"]).eval()
    network = weave(branches, ["blocks.2"], Same, share="blocks.1", example=SHAPE).eval()
    image, calls = torch.rand(2, 3, 32, 32), []
    hook = network.branches.age.blocks[1].mlp.register_forward_hook(lambda *_: calls.append("mlp"))
    outputs = network(image)
    hook.remove()
    assert calls == ["mlp"]
    assert torch.equal(outputs["age"], alone(image))
    of_mood = branches["mood"]
    tokens = alone.norm_pre(alone.patch_drop(alone._pos_embed(alone.patch_embed(image))))
    tokens = alone.blocks[1](alone.blocks[0](tokens))
    assert torch.equal(outputs["mood"], of_mood.forward_head(of_mood.norm(of_mood.blocks[2](tokens))))
    own = {name for name, _ in of_mood.named_parameters() if name.startswith(("blocks.2", "norm", "head"))}
    count = sum(p.numel() for p in alone.parameters()) + sum(of_mood.get_parameter(name).numel() for name in own)
    assert sum(p.numel() for p in network.parameters()) == count
    exported = torch.export.export(network, (image,), strict=False).module()
    torch.testing.assert_close(exported(image)["mood"], outputs["mood"])


def test_branches_that_are_not_alike_share_no_trunk() -> None:
    with pytest.raises(
        InputError, match=r"cannot share one trunk up to 'blocks.1': 'patch_embed' of 'age' and 'patch_"
    ):
        weave({"age": vit(8), "mood": vit(2, patch_size=4)}, [], None, share="blocks.1", example=SHAPE)


class Odd(nn.Module):
    """Asks for the image's size, which no symbolic trace can do, and goes on as it is told."""

    def __init__(self, run: object, outputs: int = 2) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.last = nn.Conv2d(4, outputs, 1)
        self.run = run

    def forward(self, pixel_values: Tensor) -> object:
        return self.run(self, pixel_values) if pixel_values.shape[-1] > 1 else pixel_values


def straight(net: Odd, x: Tensor) -> Tensor:
    return net.last(net.conv(x))


def without_gradient(net: Odd, x: Tensor) -> Tensor:
    with torch.no_grad():
        x = net.conv(x)
    return net.last(x)


def in_half(net: Odd, x: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        x = net.conv(x)
    return net.last(x.float())


def checkpointed(net: Odd, x: Tensor) -> Tensor:
    return net.last(torch.utils.checkpoint.checkpoint(net.conv, x, use_reentrant=False))


def twice(net: Odd, x: Tensor) -> Tensor:
    return net.last(net.conv(x) + net.conv(x))


def twice_where_tall(net: Odd, x: Tensor) -> Tensor:
    return net.last(net.conv(x) + (net.conv(x) if x.shape[-2] > 40 else 0))


def never_where_tall(net: Odd, x: Tensor) -> Tensor:
    return net.last(net.conv(x) if x.shape[-2] <= 40 else x.repeat(1, 2, 1, 1)[:, :4])


def breaking_where_tall(net: Odd, x: Tensor) -> Tensor:
    return net.last(net.conv(x)) / (0 if x.shape[-2] > 40 else 1) + [1][x.shape[-2] > 40]


def by_value(net: Odd, x: Tensor) -> Tensor:
    x = net.conv(x)
    return net.last(x if x.mean() > 0 else -x)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (without_gradient, "'a' is inside a context that changes grad mode at layer 'conv'"),
        (in_half, "'a' is inside a context that changes autocast at layer 'conv'"),
        (checkpointed, r"changes the tensors saved for gradients \(checkpointing\) at layer 'conv'"),
        (twice, "branch 'a' calls layer 'conv' 2 times"),
    ],
)
def test_layers_at_which_coroutines_cannot_stop(run: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        weave({"a": Odd(run), "b": Odd(straight)}, ["conv"], AFA, example=(1, 3, 16, 16))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("run", "kind", "message"),
    [
        (twice_where_tall, InputError, "branch 'b' calls layer 'conv' more than once"),
        (never_where_tall, InputError, "branch 'b' ended instead of calling layer 'conv' once"),
        (breaking_where_tall, IndexError, "out of range"),
    ],
)
def test_an_error_in_one_branch_ends_all_and_leaves_no_hook(run: object, kind: type[Exception], message: str) -> None:
    woven = weave({"a": Odd(straight), "b": Odd(run)}, ["conv"], AFA, example=(1, 3, 20, 20))
    with pytest.raises(kind, match=message):
        woven(torch.rand(2, 3, 48, 24))
    assert not any(module._forward_hooks for module in woven.modules())
    assert torch.is_grad_enabled()
    assert woven(torch.rand(2, 3, 20, 20))["b"].shape == (2, 2, 20, 20)


def test_a_branch_whose_python_depends_on_values_runs_as_it_is() -> None:
    woven = weave({"a": Odd(by_value), "b": Odd(by_value)}, ["conv"], Same, example=(1, 3, 16, 16))
    for image in (torch.rand(2, 3, 16, 16), -torch.rand(2, 3, 16, 16)):
        assert torch.equal(woven(image)["a"], woven.branches.a(image))


def test_it_runs_in_threads_side_by_side(woven: Woven) -> None:
    images = [torch.rand(2, 3, 32, 32) for _ in range(4)]
    expected = [woven(image)["age"] for image in images]
    with ThreadPoolExecutor(4) as pool:
        for output, own in zip(pool.map(woven, images * 3), expected * 3, strict=True):
            assert torch.equal(output["age"], own)


def test_a_missing_package_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "greenlet", None)
    with pytest.raises(InputError, match="to weave it without tracing greenlet is missing"):
        weave({"a": Odd(straight), "b": Odd(straight)}, ["conv"], AFA, example=(1, 3, 16, 16))


@dataclass
class Answer:
    """What some networks return, with names."""

    logits: Tensor


class Stage(nn.Module):
    """Tokens and the size of their grid, as hierarchical transformers hand them on."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 4, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, list[int]]:
        x = self.conv(x)
        return x.flatten(2).transpose(1, 2), list(x.shape[2:])


class Hierarchical(nn.Module):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.stage = Stage()
        self.head = nn.Linear(8, outputs)

    def forward(self, image: Tensor) -> Answer:
        tokens, (height, width) = self.stage(image)
        assert tokens.shape[1] == height * width
        return Answer(self.head(tokens).transpose(1, 2).unflatten(2, (height, width)))


def test_tokens_with_the_size_of_their_grid_are_recognised_and_answers_keep_their_form() -> None:
    woven = weave({"a": Hierarchical(3), "b": Hierarchical(2)}, ["stage"], AFA, example=(1, 3, 16, 24))
    assert woven.get_submodule("fusion.stage.0").size == (4, 6)
    answer = woven(torch.rand(1, 3, 32, 20))["a"]
    assert isinstance(answer, Answer)
    assert answer.logits.shape == (1, 3, 8, 5)
