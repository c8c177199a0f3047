"""A network that nobody trained in an ONNX file, and one that is a formula."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from afanet.framing import Resize
from afanet.inference import About
from afanet.tasks import (
    Classification,
    DenseRegression,
    Depth,
    Edges,
    MultiLabel,
    MultiLabelSegmentation,
    Normals,
    Ordinal,
    Regression,
    Segmentation,
    Vector,
)

SIZE = (24, 32)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
TASKS = {
    "segmentation": Segmentation(["floor", "wall", "bed"]),
    "depth": Depth(8.0),
    "normals": Normals(),
    "kind": Classification("kind", ["hall", "attic"]),
    "age": Ordinal("age", ["child", "adult", "old"]),
    "face": MultiLabel("face", ["hat", "beard"]),
    "years": Regression("years", 0, 100, "years"),
    "height": DenseRegression("height", 0, 30, "m", "proportional"),
    "nose": Vector("nose", ["x", "y"], unit="px", points=True),
    "surface": MultiLabelSegmentation(["road", "wet"], "surface"),
    "edges": Edges(),
}
MEANINGS = {name: task.meaning for name, task in TASKS.items()}


class Formula:
    """A model whose estimates are a formula of the images; it keeps the sizes that it was asked for."""

    def __init__(
        self,
        tasks: list[str],
        answer: Callable[[NDArray[np.float32]], dict[str, NDArray[np.float32]]],
        resize: Resize = "stretch",
        sides: dict[str, Any] | None = None,
    ) -> None:
        meanings = {name: MEANINGS[name] | (sides or {}) for name in tasks}
        self.about = About(meanings, SIZE, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), resize)
        self.answer = answer
        self.asked: list[tuple[int, ...]] = []

    def estimate(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        self.asked.append(images.shape)
        return self.answer(images)


def told(**changes: Any) -> dict[str, Any]:
    """What the file below says of itself, with changes."""
    return {
        "format": 1,
        "tasks": {name: MEANINGS[name] for name in ("depth", "kind")},
        "size": list(SIZE),
        "mean": list(MEAN),
        "std": list(STD),
        "dynamic": {"batch": True, "size": True},
    } | changes


def write_model(file: Path, metadata: dict[str, str]) -> Path:
    """Depth is 2 m plus the normalised red; `kind` is the softmax of the means of red and green."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    floats = [
        helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0]),
        *(
            helper.make_tensor(name, TensorProto.INT64, [len(values)], values)
            for name, values in {"zero": [0], "one": [1], "both": [2], "channel": [1], "space": [2, 3]}.items()
        ),
    ]
    nodes = [
        helper.make_node("Slice", ["image", "zero", "one", "channel"], ["red"]),
        helper.make_node("Add", ["red", "two"], ["depth"]),
        helper.make_node("Slice", ["image", "zero", "both", "channel"], ["two_channels"]),
        helper.make_node("ReduceMean", ["two_channels", "space"], ["logits"], keepdims=0),
        helper.make_node("Softmax", ["logits"], ["kind"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["B", 3, "H", "W"])],
        [
            helper.make_tensor_value_info("depth", TensorProto.FLOAT, ["B", 1, "H", "W"]),
            helper.make_tensor_value_info("kind", TensorProto.FLOAT, ["B", 2]),
        ],
        floats,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, metadata)
    onnx.save(model, file)
    return file


@pytest.fixture
def tiny_onnx(tmp_path: Path) -> Path:
    """The file of `write_model`, as `afanet export` would write it."""
    return write_model(tmp_path / "tiny.onnx", {"afanet": json.dumps(told())})
