"""A file that `torch.onnx.export` writes of an AFA layer answers as the layer does, at every size."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from afanet.fusion import AFA, Fusion, SpatialAggregation


@pytest.mark.parametrize("kind", [AFA, SpatialAggregation])
def test_onnx_of_free_sizes_pools_as_the_layer_does(kind: type[Fusion], tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    layer = kind(4, size=(5, 6)).eval()
    free = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    xs = [torch.rand(2, 4, 5, 6), torch.rand(2, 4, 5, 6)]
    torch.onnx.export(
        layer, (xs,), tmp_path / "layer.onnx", input_names=["a", "b"], dynamic_shapes=[[free, free]], verbose=False
    )
    session = onnxruntime.InferenceSession(tmp_path / "layer.onnx", providers=["CPUExecutionProvider"])
    for size in [(5, 6), (6, 5), (11, 4)]:  # turned by 90 degrees there are as many pixels, so nothing would raise
        a, b = torch.rand(1, 4, *size), torch.rand(1, 4, *size)
        answers = session.run(None, {"a": a.numpy(), "b": b.numpy()})
        for answer, expected in zip(answers, layer([a, b]), strict=True):
            torch.testing.assert_close(torch.from_numpy(answer), expected.detach())
