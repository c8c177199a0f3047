"""A head of one's own takes the stages that it wants, in every method, from Python, a recipe and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afanet import Dense, Head, InputError, Pooled, create_network, outside, register_head
from afanet.cli import main
from afanet.networks import HEADS, METHODS, Stage
from afanet.networks.backbones import Backbone

OUTPUTS = {"depth": Dense(1), "normals": Dense(3), "scene": Pooled(5)}
small = partial(create_network, backbone="test_resnet", size=(64, 96))
CODE = """
from torch import nn
from afanet import Head


class Largest(Head):
    output = "pooled"
    takes = (-1,)

    def __init__(self, stages, outputs):
        super().__init__()
        self.logits = nn.Linear(stages[0].channels, outputs)

    def forward(self, features, size):
        return self.logits(features[0].amax((2, 3)))
"""


class Pyramid(Head):
    """Every stage by a 1x1 convolution, resized and added."""

    output = "dense"
    takes = None

    def __init__(self, stages: Sequence[Stage], outputs: int) -> None:
        super().__init__()
        self.stages = stages
        self.laterals = nn.ModuleList(nn.Conv2d(stage.channels, outputs, 1) for stage in stages)

    def forward(self, features: tuple[Tensor, ...], size: Sequence[int]) -> Tensor:
        maps = [lateral(x) for lateral, x in zip(self.laterals, features, strict=True)]
        return torch.stack([F.interpolate(x, tuple(size), mode="bilinear") for x in maps]).sum(0)


class Inner(Pyramid):
    takes = (1, 2)


class Beyond(Pyramid):
    takes = (0, 4)


@pytest.fixture(autouse=True)
def own_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HEADS, "_rows", dict(HEADS._rows))
    monkeypatch.setattr(outside, "_trusted", set())


@pytest.mark.parametrize("method", [name for name in METHODS if not (METHODS[name].decoder and METHODS[name].share)])
@pytest.mark.parametrize("head", [Pyramid, Inner])
def test_every_method_gives_a_head_the_stages_that_it_takes(method: str, head: type[Pyramid]) -> None:
    register_head("mine", head)
    network = small(method, OUTPUTS, head="mine")
    made = network.get_submodule("branches.depth.head")
    assert isinstance(made, head)
    whole = [Stage(32, 4), Stage(48, 8), Stage(192, 16), Stage(96, 16)]
    assert list(made.stages) == (whole if head is Pyramid else whole[1:3])
    outputs = network(torch.rand(2, 3, 64, 96))
    assert {task: tuple(y.shape) for task, y in outputs.items()} == {
        "depth": (2, 1, 64, 96),
        "normals": (2, 3, 64, 96),
        "scene": (2, 5),
    }
    sum(y.square().sum() for y in outputs.values()).backward()
    assert all(parameter.grad is not None for parameter in made.parameters())


@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "swin_tiny_patch4_window7_224"])
def test_a_backbone_gives_every_stage_as_it_says(name: str) -> None:
    backbone = Backbone(name).eval()
    with torch.no_grad():
        ends = backbone(torch.rand(1, 3, 224, 224))
        backbone.takes = None
        features = backbone(torch.rand(1, 3, 224, 224))
    assert len(features) == len(backbone.stages) == len(backbone.given)
    for x, stage in zip(features, backbone.given, strict=True):
        assert x.shape == (1, stage.channels, 224 // stage.stride, 224 // stage.stride)
    assert [x.shape for x in ends] == [features[0].shape, features[-1].shape]


@pytest.mark.parametrize(
    ("head", "outputs", "message"),
    [
        ("linaer", OUTPUTS, "unknown head 'linaer', did you mean 'linear'"),
        ("deeplab", {"scene": Pooled(5)}, "gives dense outputs, but no task has one"),
        ("beyond", OUTPUTS, "takes stage 4, but the backbone has 4"),
    ],
)
def test_what_a_head_cannot_do_is_refused(head: str, outputs: dict[str, Dense | Pooled], message: str) -> None:
    register_head("beyond", Beyond)
    with pytest.raises(InputError, match=message):
        small("single", outputs, head=head)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (nn.Linear, "expected a class that derives from afanet.Head"),
        (Head, "lacks forward"),
        (type("Odd", (Pyramid,), {"output": "dens"}), "did you mean 'dense'"),
    ],
)
def test_what_is_no_head_is_refused(given: type[Head], message: str) -> None:
    with pytest.raises(InputError, match=message):
        register_head("mine", given)


def test_a_head_from_a_file_is_trained_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(CODE)
    words = "train digits --network.head mine.py:Largest --backbone test_resnet --steps 1 --batch-size 4 --workers 0"
    options = "--data.options.train_pairs 8 --data.options.test_pairs 4"
    assert main([*words.split(), "--device", "cpu", "--out", "run", *options.split()]) == 0, capsys.readouterr().err
    assert f"{tmp_path / 'mine.py'}:Largest: " in Path("run/recipe.yaml").read_text()
    outside._trusted.clear()
    capsys.readouterr()
    assert main(["evaluate", "run"]) == 2
    assert "--trust-code" in capsys.readouterr().err
    assert main(["evaluate", "run", "--trust-code"]) == 0
    assert "identical to" in capsys.readouterr().out
