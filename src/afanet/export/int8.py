"""Static int8 of an ONNX file: weights are scaled by channel, activations by their range on calibration images."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor

from afanet.export.layers import KINDS, weighted_layers
from afanet.export.trace import quiet


class Int8:
    """Rewrites an ONNX file with its layers in int8, as pairs of QuantizeLinear and DequantizeLinear (QDQ).

    A weight w of output channel c becomes round(w / s_c), with s_c = max |w| / 127. An activation x becomes
    round(x / s) + z, where s and z map its range over the calibration images to 0 to 255. Everything between layers,
    such as sums, gates, resizing and probabilities, stays in float32. See Jacob et al., Quantization and Training of
    Neural Networks for Efficient Integer-Arithmetic-Only Inference, CVPR 2018.

    Args:
        source: the float32 ONNX file.
        images: calibration images as the network takes them, (B, C, H, W).
        folder: an empty folder for files that are computed only once.
    """

    def __init__(self, source: Path, images: Tensor, folder: Path) -> None:
        self.images = images
        self.prepared, self.ranges = folder / "prepared.onnx", folder / "ranges.json"
        with quiet():
            quant_pre_process(source, self.prepared, skip_symbolic_shape=True)  # shape inference fails on free sizes
        self.layers = weighted_layers(onnx.load(self.prepared))

    def write(self, file: Path, in_float: Collection[str] = ()) -> None:
        """Write `file` with all layers in int8 except the nodes of `layers` that are `in_float`."""
        with quiet():
            quantize_static(
                self.prepared,
                file,
                _Reader(self.images),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=list(KINDS),
                nodes_to_quantize=[node for node in self.layers if node not in in_float],
                extra_options={"MatMulConstBOnly": True},
                calibration_cache_path=self.ranges,
            )


class _Reader(CalibrationDataReader):
    """Images, one at a time."""

    def __init__(self, images: Tensor) -> None:
        self.remaining = iter(torch.split(images, 1))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        image = next(self.remaining, None)
        return None if image is None else {"image": image.numpy()}
