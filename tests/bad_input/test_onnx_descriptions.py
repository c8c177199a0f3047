"""Whatever an ONNX file says of itself, it is predicted with or refused by name."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from afanet.inference import Predictor

from ..inference.conftest import MEANINGS, told
from .mutations import mutate, refusal

SHAPES = {"segmentation": (3, 0, 0), "depth": (1, 0, 0), "normals": (3, 0, 0)}
SHAPES |= {"height": (1, 0, 0), "surface": (2, 0, 0), "edges": (1, 0, 0)}
SHAPES |= {"kind": (2,), "age": (3,), "face": (2,), "years": (), "nose": (2,)}
PHOTO = np.zeros((20, 30, 3), np.uint8)


class Session:
    """In place of ONNX Runtime's, with outputs of the shapes that the tasks have."""

    description = ""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        pass

    def get_modelmeta(self) -> Any:
        return SimpleNamespace(custom_metadata_map={"afanet": self.description})

    def get_inputs(self) -> Any:
        return [SimpleNamespace(name="image", shape=["batch", 3, "height", "width"])]

    def get_outputs(self) -> Any:
        return [SimpleNamespace(name=name) for name in MEANINGS]

    def run(self, names: Sequence[str], given: dict[str, Any]) -> list[Any]:
        count, _, height, width = given["image"].shape
        shapes = {
            name: (count, *shape[:1], *(height, width)[: max(len(shape) - 1, 0)]) for name, shape in SHAPES.items()
        }
        return [np.full(shapes[name], 0.4, np.float32) for name in names]


def test_every_description_is_used_or_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr(runtime, "InferenceSession", Session)
    file = tmp_path / "model.onnx"
    file.touch()
    whole = json.loads(json.dumps(told(tasks=MEANINGS)))

    def predicted() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            results = Predictor(file)(PHOTO)
            assert all(result.figure(300).ndim == 3 for result in results.values())

    said = []
    for seed in range(1200):
        changed = mutate(whole, seed) if seed else whole | {"of a later version": [1]}
        monkeypatch.setattr(Session, "description", json.dumps(changed))
        said.append(refusal(predicted))
    assert said[0] is None
    assert all(sentence is None or str(file) in sentence for sentence in said)
