"""Files in fewer bits: what they round, which layers stay in float32, and when they are refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from afanet.errors import InputError
from afanet.tasks import Depth

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from afanet.export.compress import Compressed, compress, loss  # noqa: E402
from afanet.export.fp16 import Half  # noqa: E402
from afanet.export.int8 import Int8  # noqa: E402
from afanet.export.onnx_file import open_onnx  # noqa: E402

OFF = 0.1  # how far float32 is from the truth, m
IMAGES = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
WEIGHTS = {
    "first": np.array([[1, 0.5, 0], [0, 1, 0], [0, 0, 1]]),
    "loud": np.array([[10_000, 0, 0], [0, 0.01, 0]]),  # one step of int8 is larger than all of the second channel
    "quiet": np.array([[0, 100]]),
    "last": np.array([[1.5]]),
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Four convolutions of 1x1 whose product is 1.5 times the second channel, where int8 hears the first alone."""
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    names = ["image", *(f"{name}_out" for name in [*WEIGHTS][:-1]), "depth"]
    nodes, weights = [], []
    for number, (name, weight) in enumerate(WEIGHTS.items()):
        key = f"network.body.{name}.weight"
        weights.append(onnx.numpy_helper.from_array(weight[..., None, None].astype(np.float32), key))
        nodes.append(helper.make_node("Conv", [names[number], key], [names[number + 1]], name=f"conv_{number}"))
    image = helper.make_tensor_value_info("image", float32, ["B", 3, "H", "W"])
    depth = helper.make_tensor_value_info("depth", float32, ["B", 1, "H", "W"])
    graph = helper.make_graph(nodes, "tiny", [image], [depth], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


@dataclass
class Measured:
    """Held-out images whose depth is `OFF` from what the formula says."""

    tasks: dict[str, Any]

    def scores(self, answer: Callable[[Tensor], Any], doing: str, *, batch: bool) -> dict[str, dict[str, float]]:
        truth = 0.015 * IMAGES[:, 1:2] * 100 + OFF
        return {"depth": {"abs": (answer(IMAGES)["depth"] - truth).abs().mean().item()}}

    def __str__(self) -> str:
        return "the 6 images"

    split = IMAGES


def compressed(source: Path, tolerance: float) -> Compressed:
    folder = source.parent / "int8"
    folder.mkdir()
    writer, held_out = Int8(source, IMAGES, folder), Measured({"depth": Depth()})
    file = folder / "draft.onnx"
    return compress(writer, source, IMAGES, held_out, open_onnx, file, tolerance, batch=True)  # type: ignore[arg-type]


def test_the_layers_that_cost_most_stay_in_float32_and_are_named(source: Path) -> None:
    done = compressed(source, 0.1)
    assert set(done.in_float) == {"body.loud", "body.quiet"}
    assert done.before["depth"]["abs"] == pytest.approx(OFF, rel=1e-3)
    assert done.after["depth"]["abs"] <= 1.1 * done.before["depth"]["abs"]


def test_all_layers_are_in_int8_where_the_tolerance_allows_it(source: Path) -> None:
    assert compressed(source, 1e6).in_float == ()


def test_a_file_whose_scores_are_worse_all_the_same_is_refused(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afanet.export.compress.MOST", 0.25)
    said = r"on the 6 images, abs of task 'depth' is .* even with 1 of 4 layers in float32. Give a larger --tolerance"
    with pytest.raises(InputError, match=said) as caught:
        compressed(source, 0.1)
    assert "\n" not in str(caught.value)


def test_int8_rounds_each_channel_by_its_own_step(source: Path) -> None:
    Int8(source, IMAGES, source.parent).write(source.parent / "int8.onnx")
    held = {
        each.name: onnx.numpy_helper.to_array(each) for each in onnx.load(source.parent / "int8.onnx").graph.initializer
    }
    for name, weight in WEIGHTS.items():
        key = f"network.body.{name}.weight"
        whole, scale = held[f"{key}_quantized"][..., 0, 0], held[f"{key}_scale"]
        assert whole.dtype == np.int8
        assert scale.shape == (len(weight),)
        assert (np.abs(whole * scale[:, None] - weight) <= scale[:, None] * 0.5001).all()


def test_fp16_rounds_weights_and_keeps_inputs_and_outputs(source: Path) -> None:
    half = Half(source, IMAGES, source.parent)
    half.write(source.parent / "half.onnx", ["conv_1"])
    model = onnx.load(source.parent / "half.onnx")
    kinds = {put.type.tensor_type.elem_type for put in (*model.graph.input, *model.graph.output)}
    assert kinds == {onnx.TensorProto.FLOAT}
    held = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    types = {name: held[f"network.body.{name}.weight"].dtype for name in WEIGHTS}
    assert types == {name: np.float32 if name == "loud" else np.float16 for name in WEIGHTS}
    assert (held["network.body.first.weight"][..., 0, 0] == WEIGHTS["first"].astype(np.float16)).all()


def test_a_loss_is_of_the_value_before_and_never_below_0() -> None:
    task = Depth()
    assert loss(task, {"abs": 0.4}, {"abs": 0.5}) == pytest.approx(0.25)
    assert loss(task, {"abs": 0.5}, {"abs": 0.4}) == 0
    assert loss(task, {"abs": math.nan}, {"abs": 0.4}) == 0
    assert loss(task, {"abs": 0.4}, {"abs": math.nan}) == math.inf
