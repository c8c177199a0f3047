"""Converts an ONNX file to half precision, with float32 inputs and outputs."""

from __future__ import annotations

import copy
from collections.abc import Collection
from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import convert_float_to_float16
from torch import Tensor

from afanet.export.layers import weighted_layers
from afanet.export.trace import quiet


class Half:
    """Rewrites an ONNX file with weights and activations in fp16; inputs and outputs stay float32.

    Args:
        source: the float32 ONNX file.
        images: not used here; `Int8` needs them.
        folder: not used here; `Int8` needs it.
    """

    def __init__(self, source: Path, images: Tensor, folder: Path) -> None:
        self.model = onnx.load(source)
        self.layers = weighted_layers(self.model)

    def write(self, file: Path, in_float: Collection[str] = ()) -> None:
        """Write `file` with everything in fp16 except the nodes of `layers` that are `in_float`."""
        with quiet():
            half = convert_float_to_float16(copy.deepcopy(self.model), keep_io_types=True, node_block_list=[*in_float])
        onnx.save(half, file)
