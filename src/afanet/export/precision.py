"""Compression of a file to fewer bits, with the images that calibrate it and the images that score it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from torch import Tensor

from afanet.errors import InputError, unknown
from afanet.export.calibration import calibration_images
from afanet.export.check import Answer
from afanet.export.compress import Writer, compress
from afanet.export.held_out import HeldOut
from afanet.json_text import strict
from afanet.registry import imported
from afanet.runs.run import Run

Precision = Literal["int8", "fp16"]
WRITERS: dict[str, str] = {"int8": "afanet.export.int8:Int8", "fp16": "afanet.export.fp16:Half"}
Finish = Callable[[Path, Mapping[str, Any], Path], None]  # from an ONNX file and facts to a file in the format


@dataclass(frozen=True)
class Compression:
    """The precision of a compressed file, and how much worse its scores may be.

    Args:
        precision: `int8`, static and by channel, or `fp16`, with float32 inputs and outputs.
        calibrate: a folder of images or data that give int8 its ranges, see `calibration_images`; None means the run's
            own training split.
        tolerance: how much worse the main metric of each task may be on held-out data, as a share of its value in
            float32.

    Raises `InputError` for another precision, for fp16 with `calibrate`, and for a tolerance outside 0 to 1.

    >>> Compression("int8").tolerance
    0.01
    """

    precision: Precision
    calibrate: Path | None = None
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise unknown("precision", self.precision, get_args(Precision))
        if self.calibrate is not None and self.precision != "int8":
            raise InputError(f"{self.precision} needs no calibration: leave --calibrate out, or give --int8")
        if not (math.isfinite(self.tolerance) and 0 <= self.tolerance <= 1):
            raise InputError(f"the tolerance is {self.tolerance}, expected 0 to 1, such as 0.01 for 1 %")


@dataclass(frozen=True)
class Compressor:
    """A compression with the images that it needs; created before the slow steps, so that bad data fail at once."""

    compression: Compression
    held_out: HeldOut
    images: Tensor
    calibrated: str

    @classmethod
    def of(cls, compression: Compression, run: Run, tasks: Sequence[str]) -> Compressor:
        """The compressor for some tasks of a run; raises as `calibration_images` and `HeldOut.of` do."""
        held_out = HeldOut.of(run, tasks)
        return cls(compression, held_out, *calibration_images(run, compression.calibrate))

    def write(
        self, source: Path, facts: Mapping[str, Any], file: Path, finish: Finish, open: Callable[[Path], Answer]
    ) -> dict[str, Any]:
        """Write `file` from the float32 ONNX file `source`, see `compress`; returns the facts that the file holds."""
        precision, draft = self.compression.precision, source.with_name("draft.onnx")
        writer: Writer = imported(WRITERS[precision])(source, self.images, source.parent)

        def finished(onnx: Path) -> Answer:
            finish(onnx, facts, file)
            return open(file)

        batch = facts["dynamic"]["batch"]
        done = compress(
            writer, source, self.images, self.held_out, finished, draft, self.compression.tolerance, batch=batch
        )
        about = {
            "precision": precision,
            "metrics": strict(done.after),
            "metrics_float32": strict(done.before),
            "scored": {"split": self.held_out.name, "images": len(self.held_out.split)},
            "tolerance": self.compression.tolerance,
            "calibrated": self.calibrated if precision == "int8" else None,
            "in_float": list(done.in_float),
        }
        finish(draft, {**facts, **about}, file)
        return {**facts, **about}
