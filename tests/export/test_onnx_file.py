"""An operation that ONNX lacks is named by the part of the network that needs it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.export.onnx_file import write_onnx
from afanet.export.trace import Estimator, trace
from afanet.tasks import Regression

pytest.importorskip("onnxscript")


class Eigenvalues(nn.Module):
    """ONNX knows no eigenvalues."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvals(x[..., :3, :3]).real.sum((1, 2))


class Net(nn.Module):
    """One number an image."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 3, 3), Eigenvalues())

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"age": self.body(image)[:, None]}


def test_the_part_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    estimator = Estimator(Net(), {"age": Regression("age", 0, 100)})
    traced = trace(estimator, (16, 24))
    with pytest.raises(InputError, match=r"its part 'body\.1' \(Eigenvalues\).*No ONNX function found"):
        write_onnx(traced, estimator, {}, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
