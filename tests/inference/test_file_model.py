"""Files of every format answer as the ONNX file that they were made from, and say what they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.inference import open_model
from afanet.outside import ALL

from .conftest import told, write_model

IMAGES = np.random.default_rng(0).standard_normal((2, 3, 24, 32)).astype(np.float32)
SCORES = {"depth": {"abs": 0.5}, "kind": {"accuracy": 0.5}}


class Formula(nn.Module):
    """As the ONNX file of `write_model`."""

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"depth": image[:, :1] + 2, "kind": image[:, :2].mean((2, 3)).softmax(1)}


def same(file: Path, onnx: Path) -> None:
    ours, theirs = (open_model(each).estimate(IMAGES) for each in (file, onnx))
    assert list(ours) == list(theirs) == ["depth", "kind"]
    for name, values in theirs.items():
        assert ours[name].dtype == np.float32
        np.testing.assert_allclose(ours[name], values, rtol=1e-5, atol=1e-6)


def test_openvino_answers_as_onnx_does(tiny_onnx: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    from afanet.export.openvino_file import convert

    convert(tiny_onnx, told(), tmp_path / "tiny.xml")
    same(tmp_path / "tiny.xml", tiny_onnx)
    with pytest.raises(InputError, match="device 'cuda' cannot run OpenVINO files, expected one of: auto, cpu"):
        open_model(tmp_path / "tiny.xml", "cuda")
    (tmp_path / "tiny.bin").unlink()
    with pytest.raises(InputError, match=r"tiny\.bin does not exist"):
        open_model(tmp_path / "tiny.xml")


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afanet.outside._trusted", {ALL})


@pytest.mark.usefixtures("trusted")
def test_a_graph_of_torch_answers_as_onnx_does(tiny_onnx: Path, tmp_path: Path) -> None:
    free = {"image": {0: torch.export.Dim.AUTO}}
    program = torch.export.export(Formula(), (torch.zeros(2, 3, 24, 32),), dynamic_shapes=free)
    torch.export.save(program, tmp_path / "tiny.pt2", extra_files={"afanet.json": json.dumps(told())})
    same(tmp_path / "tiny.pt2", tiny_onnx)
    torch.export.save(program, tmp_path / "other.pt2")
    with pytest.raises(InputError, match="it does not say what its outputs mean"):
        open_model(tmp_path / "other.pt2")


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("name", ["x.pt2", "x.onnx", "x.xml"])
def test_what_is_no_such_file_is_refused(name: str, tmp_path: Path) -> None:
    if name == "x.xml":
        pytest.importorskip("openvino")
    with pytest.raises(InputError, match=f"{name} does not exist"):
        open_model(tmp_path / name)
    (tmp_path / name).write_text("nothing")
    (tmp_path / "x.bin").touch()
    with pytest.raises(InputError, match=r"is not a readable .* expected one of"):
        open_model(tmp_path / name)


@pytest.mark.parametrize("name", ["x.pt2", "x.aot.pt2"])
def test_files_of_torch_are_opened_if_they_are_trusted_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="may run code when it is opened: if you trust it, add --trust-code"):
        open_model(tmp_path / name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"precision": "int8"}, "it is int8 without scores of task 'depth'"),
        ({"precision": "fp16", "metrics": {"depth": {"abs": 1.0}}}, "it is fp16 without scores of task 'kind'"),
        ({"precision": "int8", "metrics": {"depth": {"abs": "good"}}}, "it is int8 without scores of task 'depth'"),
        ({"precision": "int4"}, "'precision' is 'int4', expected one of: float32, fp16, int8"),
    ],
)
def test_a_file_in_fewer_bits_needs_scores_of_its_own(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    scored = write_model(tmp_path / "a.onnx", {"afanet": json.dumps(told(precision="int8", metrics=SCORES))})
    assert list(open_model(scored).about.tasks) == ["depth", "kind"]
    file = write_model(tmp_path / "b.onnx", {"afanet": json.dumps(told(**changes))})
    with pytest.raises(InputError, match=message):
        open_model(file)
