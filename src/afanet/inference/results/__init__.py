"""Results: what an estimate decides, in its units, at the photo's own size, ready to be drawn and saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.errors import unknown
from afanet.inference.results.depth_map import DepthMap
from afanet.inference.results.label_map import LabelMap
from afanet.inference.results.normal_map import NormalMap
from afanet.inference.results.pooled import Choice, Labels, Number, Pooled
from afanet.inference.results.result import Dense, Result
from afanet.inference.results.together import side_by_side

KINDS: dict[str, type[Result]] = {
    "segmentation": LabelMap,
    "depth": DepthMap,
    "normals": NormalMap,
    "classification": Choice,
    "ordinal": Choice,
    "multi_label": Labels,
    "regression": Number,
}

__all__ = [
    "Choice",
    "Dense",
    "DepthMap",
    "LabelMap",
    "Labels",
    "NormalMap",
    "Number",
    "Pooled",
    "Result",
    "read_estimate",
    "side_by_side",
]


def read_estimate(
    task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]
) -> Result:
    """The result for one photo of `size` = (H, W) that the estimate of a task stands for, by its meaning.

    >>> meaning = {"kind": "regression", "unit": "years", "decimals": 1}
    >>> str(read_estimate("age", meaning, np.float32(31.42), (480, 640)))
    '31.4 years'
    """
    kind = meaning["kind"]
    if kind not in KINDS:
        raise unknown(f"kind of task '{task}'", kind, KINDS)
    return KINDS[kind].read(task, meaning, estimate, size)
