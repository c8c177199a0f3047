"""A ViT with DPT heads is exported for any number of images of any size, and ONNX Runtime agrees with torch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from afanet import Dense, Pooled, create_network
from afanet.export.onnx_file import open_onnx, write_onnx
from afanet.export.trace import Estimator, trace
from afanet.networks.heads.dpt import DPT
from afanet.tasks import Classification, Depth, Task

pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")
TASKS: dict[str, Task] = {"depth": Depth(), "age": Classification("age", ["young", "old"])}


def test_a_vit_with_dpt_heads_in_onnx_agrees_at_other_sizes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    outputs = {"depth": Dense(1), "age": Pooled(2)}
    network = create_network("hard", outputs, "test_vit", size=(64, 96))
    assert isinstance(network.get_submodule("branches.depth.head"), DPT)
    estimator = Estimator(network, TASKS).eval()
    traced = trace(estimator, (64, 96))
    assert (traced.batch, traced.size) == (True, True)
    write_onnx(traced, estimator, {}, tmp_path / "net.onnx")
    answer = open_onnx(tmp_path / "net.onnx")
    for shape in ((1, 3, 64, 96), (3, 3, 45, 83), (2, 3, 160, 113)):  # two of no whole number of patches
        images = torch.randn(shape)
        with torch.no_grad():
            expected = estimator(images)
        for name, values in answer(images).items():
            torch.testing.assert_close(values, expected[name], rtol=1e-3, atol=1e-4)
        assert expected["depth"].shape[-2:] == shape[-2:]
        assert expected["depth"].std() > 1e-3
