"""What every dense head can do: any size, any stride, gradients, free sizes in an exported program and in ONNX."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.export import Dim

from afanet import Dense, Head
from afanet.networks import HEADS, Stage
from afanet.networks.heads import RENAMED
from afanet.networks.heads.choose import build_head, named_heads
from afanet.networks.heads.head import taken

NAMES = [name for name in HEADS.own if "dense" in HEADS[name] and name not in RENAMED]
SETS = {
    "plain": [Stage(16, 14)] * 4,
    "pyramid": [Stage(8, 4), Stage(12, 8), Stage(16, 16), Stage(20, 32)],
    "dilated": [Stage(8, 4), Stage(12, 8), Stage(16, 16), Stage(20, 16)],
}


class Together(torch.nn.Module):
    """Every head on features of its own; an image gives the size, as in a network."""

    def __init__(self, heads: dict[str, Head]) -> None:
        super().__init__()
        self.heads = torch.nn.ModuleDict(heads)

    def forward(self, image: Tensor, features: list[tuple[Tensor, ...]]) -> list[Tensor]:
        return [head(xs, image.shape[-2:]) for head, xs in zip(self.heads.values(), features, strict=True)]


def made(name: str, stages: list[Stage]) -> Head:
    torch.manual_seed(0)
    return build_head(named_heads(name, {"depth": Dense(2)})["depth"], stages, Dense(2), 16)


def features_of(head: Head, stages: list[Stage], batch: int, height: int, width: int) -> tuple[Tensor, ...]:
    sizes = [(-(-height // stage.stride), -(-width // stage.stride)) for stage in stages]
    xs = [torch.rand(batch, stage.channels, *size) for stage, size in zip(stages, sizes, strict=True)]
    return taken(xs, head.takes)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=6, deadline=None, derandomize=True)
@given(stages=st.sampled_from(list(SETS.values())), height=st.integers(1, 70), width=st.integers(1, 70))
def test_logits_have_the_images_size(name: str, stages: list[Stage], height: int, width: int) -> None:
    head = made(name, stages).eval()
    with torch.no_grad():
        y = head(features_of(head, stages, 1, height, width), (height, width))
    assert y.shape == (1, 2, height, width)
    assert y.isfinite().all()


@pytest.mark.parametrize("stages", ["plain", "dilated"])
@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_learns(name: str, stages: str) -> None:
    head = made(name, SETS[stages])
    head(features_of(head, SETS[stages], 2, 64, 80), (64, 80)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in head.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_under_autocast_logits_have_all_their_digits_and_channels_last_changes_nothing(name: str) -> None:
    stages = SETS["plain"]
    head = made(name, stages).eval()
    features = features_of(head, stages, 1, 84, 112)
    with torch.no_grad():
        y = head(features, (84, 112))
        turned = tuple(x.contiguous(memory_format=torch.channels_last) for x in features)
        torch.testing.assert_close(head.to(memory_format=torch.channels_last)(turned, (84, 112)), y)
        with torch.autocast("cpu", torch.bfloat16):
            half = head(tuple(x.bfloat16() for x in features), (84, 112))
    assert half.dtype == torch.float32
    assert len(half.unique()) > 0.95 * len(y.unique())  # bf16 has 256 values between two powers of two
    assert (half - y).abs().max() < 0.1 * y.std()


def test_exported_heads_take_other_sizes(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    # deeplabv3plus and dpt are in tests/export
    of = {"mlp": SETS["pyramid"], "fpn": SETS["dilated"], "linear": SETS["plain"]}
    heads = {name: made(name, stages).eval() for name, stages in of.items()}

    def given(batch: int, height: int, width: int) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        features = [features_of(head, of[name], batch, height, width) for name, head in heads.items()]
        return torch.rand(batch, 3, height, width), features

    network, example = Together(heads), given(2, 96, 160)
    free = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    shapes = free, [tuple(free for _ in xs) for xs in example[1]]
    program = torch.export.export(network, example, dynamic_shapes=shapes, strict=False)
    torch.onnx.export(program, dynamo=True, verbose=False).save(tmp_path / "heads.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "heads.onnx", providers=["CPUExecutionProvider"])
    image, features = given(3, 109, 75)
    with torch.no_grad():
        expected = network(image, features)
    torch.testing.assert_close(program.module()(image, features), expected, rtol=1e-5, atol=1e-5)
    flat = [image, *(x for xs in features for x in xs)]
    inputs = {node.name: x.numpy() for node, x in zip(session.get_inputs(), flat, strict=True)}
    for y, other in zip(expected, session.run(None, inputs), strict=True):
        torch.testing.assert_close(torch.from_numpy(other), y, rtol=1e-4, atol=1e-4)
