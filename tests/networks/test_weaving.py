"""What weave does with its arguments, on networks small enough to see through."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from afanet import AFA, NDDR, InputError, Layout, Point, weave

SHAPE = (1, 3, 16, 20)


class Recorder(nn.Module):
    """Remembers how it was built, and fuses nothing."""

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__()
        self.call = (args, options)

    def forward(self, xs: list[Tensor]) -> list[Tensor]:
        return list(xs)


def calls(woven: nn.Module) -> dict[str, object]:
    return {name: module.call for name, module in woven.fusion.named_modules() if isinstance(module, Recorder)}


def three(classifier: Callable[..., nn.Module]) -> dict[str, nn.Module]:
    return {"age": classifier(8), "gender": classifier(2), "mood": classifier(7)}


def test_the_fusion_is_called_with_channels_tasks_and_size_in_the_order_of_execution(classifier) -> None:
    woven = weave(three(classifier), ["last", "stem", "middle.0"], Recorder, example=SHAPE)
    expected = {
        "stem": ((8,), {"tasks": 3, "size": (8, 10)}),
        "middle.0": ((8,), {"tasks": 3, "size": (8, 10)}),
        "last": ((8,), {"tasks": 3, "size": (4, 5)}),
    }
    assert calls(woven) == expected
    places = [woven.code.index(f"self.fusion.{name}") for name in ("stem", "middle", "last")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "at",
    [
        ["stem", "last"],
        [["stem", "last"], ["last", "middle"]],
        {"gender": ["middle", "last"], "age": ["last", "stem"]},
        [Point("last"), Point("stem", Layout("BCHW"))],
    ],
)
def test_points_may_be_given_once_or_for_each_branch(classifier, at: object) -> None:
    woven = weave({"age": classifier(8), "gender": classifier(2)}, at, Recorder, example=SHAPE)
    assert list(calls(woven)) == ["stem", "last"]  # called as in the first branch


def test_three_tasks_exchange(classifier) -> None:
    branches = three(classifier)
    woven = weave(branches, ["stem", "last"], partial(AFA, per_task=True), example=SHAPE)
    outputs = woven(torch.rand(2, *SHAPE[1:]))
    outputs["age"].sum().backward()
    assert [tuple(y.shape) for y in outputs.values()] == [(2, 8), (2, 2), (2, 7)]
    assert branches["mood"].stem[0].weight.grad.any()  # reached across the branches
    assert woven.branches.mood is branches["mood"]


def test_an_example_may_be_a_tensor_and_of_any_precision(classifier) -> None:
    branches = {task: branch.double() for task, branch in three(classifier).items()}
    for example in (SHAPE, torch.rand(SHAPE, dtype=torch.float64)):
        woven = weave(branches, ["last"], AFA, example=example)
        assert {p.dtype for p in woven.parameters()} == {torch.float64}
        assert woven(torch.rand(SHAPE, dtype=torch.float64).repeat(2, 1, 1, 1))["mood"].dtype == torch.float64


def test_a_shared_trunk_is_two_heads_on_one_trunk(classifier) -> None:
    first, second = classifier(8), classifier(2)
    woven = weave({"age": first, "gender": second}, ["last"], Recorder, share="middle", example=SHAPE).eval()
    image = torch.rand(2, *SHAPE[1:])
    trunk = first.middle(first.stem(image))
    heads = {"age": first, "gender": second}
    for task, output in woven(image).items():
        head = heads[task]
        assert torch.equal(output, head.head(head.last(trunk).mean((2, 3))))
    count = sum(p.numel() for p in woven.parameters())
    assert count == sum(p.numel() for part in (first, second.last, second.head) for p in part.parameters())
    assert sorted(name for name, _ in woven.branches.gender.named_children()) == ["head", "last"]


def test_branches_that_are_not_alike_share_no_trunk(classifier) -> None:
    wider = classifier(2, 16)
    with pytest.raises(InputError, match=r"cannot share one trunk up to 'middle': 'stem' of 'age' and 'stem' of"):
        weave({"age": classifier(8), "gender": wider}, [], None, share="middle", example=SHAPE)


class Less(nn.Module):
    """A classifier of images less a tensor that its forward makes."""

    def __init__(self, classifier: nn.Module, mean: float) -> None:
        super().__init__()
        self.classifier, self.mean = classifier, mean

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(image - torch.full((1, 3, 1, 1), self.mean))


def test_branches_whose_forward_makes_a_tensor_share_a_trunk_where_it_is_the_same(classifier) -> None:
    def woven(*means: float) -> nn.Module:
        branches = {f"task{i}": Less(classifier(2), mean) for i, mean in enumerate(means)}
        return weave(branches, [], None, share="classifier.stem", example=(1, 3, 16, 16))

    network, image = woven(0.25, 0.25).eval(), torch.rand(2, 3, 16, 16)
    first, second = (network.branches.get_submodule(f"{task}.classifier") for task in ("task0", "task1"))
    expected = second.head(second.last(second.middle(first.stem(image - 0.25))).mean((2, 3)))
    torch.testing.assert_close(network(image)["task1"], expected)
    with pytest.raises(InputError, match=r"'task0' and 'task1' cannot share one trunk up to 'classifier.stem'"):
        woven(0.25, 0.5)


def test_branches_do_not_meet_inside_their_trunk(classifier) -> None:
    with pytest.raises(InputError, match="'stem', which lies in the trunk they share up to 'middle'"):
        weave({"age": classifier(8), "gender": classifier(2)}, ["stem"], AFA, share="middle", example=SHAPE)


def test_a_woven_network_exports_with_any_batch(classifier) -> None:
    woven = weave(three(classifier), ["stem", "last"], AFA, example=SHAPE).eval()
    batch = {"image": {0: torch.export.Dim("batch", min=1, max=64)}}
    exported = torch.export.export(woven, (torch.rand(2, *SHAPE[1:]),), dynamic_shapes=batch).module()
    image = torch.rand(5, *SHAPE[1:])
    torch.testing.assert_close(exported(image), woven(image))


def test_a_guarded_network_compiles_in_parts_and_says_why_not_as_one(classifier) -> None:
    woven = weave(three(classifier), ["last"], partial(AFA, limit=0.0), example=SHAPE).eval()
    plain, image = copy.deepcopy(woven), torch.rand(2, *SHAPE[1:])
    compiled = torch.compile(woven, backend="eager")
    torch.testing.assert_close(compiled(image), plain(image))
    for network in (compiled, plain):
        sum(y.sum() for y in network(image).values()).backward()
    torch.testing.assert_close(woven.branches.age.stem[0].weight.grad, plain.branches.age.stem[0].weight.grad)
    assert woven.fusion.last.cam.guard.acted.tolist() == [1, 1, 1]
    torch._dynamo.reset()
    with pytest.raises(torch._dynamo.exc.Unsupported, match="gradient guard"):
        torch.compile(woven, backend="eager", fullgraph=True)(image)


@pytest.mark.slow
def test_inductor_computes_the_same(classifier) -> None:
    woven = weave(three(classifier), ["last"], AFA, example=SHAPE).eval()
    image = torch.rand(2, *SHAPE[1:])
    torch.testing.assert_close(torch.compile(woven, fullgraph=True)(image), woven(image))


def test_a_woven_network_trains_under_ddp(classifier, tmp_path) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        woven = weave(three(classifier), ["stem", "last"], NDDR, example=SHAPE)
        outputs = DistributedDataParallel(woven)(torch.rand(4, *SHAPE[1:]))
        sum(y.square().sum() for y in outputs.values()).backward()
        assert all(p.grad is not None for p in woven.parameters())
    finally:
        torch.distributed.destroy_process_group()


class Opened(nn.Module):
    """What an opened module may hold beside layers: a parameter, a buffer, and a tensor made in each forward."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.scale = nn.Parameter(torch.ones(4, 1, 1))
        self.register_buffer("shift", torch.zeros(4, 1, 1))
        self.head = nn.Linear(4, outputs)

    def forward(self, image: Tensor, again: bool = False) -> Tensor:
        x = self.conv(image) * self.scale + self.shift
        x = x * torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None]
        return self.head((self.conv(x) if again else x).mean((2, 3)))


def test_what_an_opened_module_holds_moves_and_casts_with_it() -> None:
    woven = weave({"age": Opened(8), "mood": Opened(7)}, ["conv"], AFA, example=SHAPE)
    keys = set(woven.state_dict())
    assert {"branches.age.scale", "branches.age.shift"} <= keys
    assert not any("constant" in key for key in keys)
    assert woven.double()(torch.rand(2, *SHAPE[1:]).double())["age"].dtype == torch.float64
    assert woven.to("meta")(torch.rand(2, *SHAPE[1:], dtype=torch.float64, device="meta"))["age"].is_meta


class Named(nn.Module):
    """Takes its images under a name, after another argument, as networks of transformers may."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.last = nn.Conv2d(4, outputs, 1)

    def forward(self, mask: Tensor | None = None, pixel_values: Tensor | None = None) -> Tensor:
        return self.last(self.conv(pixel_values))


def test_images_go_under_the_name_pixel_values_wherever_the_argument_is() -> None:
    branches = {"age": Named(8), "gender": Named(2)}
    woven = weave(branches, ["conv"], AFA, example=(1, 3, 16, 16))
    image = torch.rand(1, 3, 16, 16)
    features = [branches[task].conv(image) for task in branches]
    assert torch.equal(woven(image)["gender"], branches["gender"].last(woven.fusion.conv(features)[1]))


class Both(nn.Module):
    """Features, and others that nobody uses."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"features": x, "others": x[:, :2]}


class Half(nn.Module):
    """A branch that uses one of the tensors of a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.both = nn.Conv2d(3, 4, 3), Both()

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.both(self.conv(image))["features"]
        return features.mean((2, 3))


def test_in_inference_mode_the_same_tensors_meet() -> None:
    branches = {"a": Half(), "b": Half()}
    with torch.inference_mode():
        woven = weave(branches, ["both"], AFA, example=(1, 3, 16, 16))
    assert [name for name, _ in woven.fusion.both.named_children()] == ["features"]
