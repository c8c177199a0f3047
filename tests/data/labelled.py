"""Tasks of every kind, samples with a label for each, and a folder of images with sides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors

from afanet.data import Sample
from afanet.data.sets.manifest.kinds import declare_tasks
from afanet.data.transforms import DepthMap, NormalMap
from afanet.tasks import Task
from afanet.tasks.dense_regression.target import InverseMap
from afanet.tasks.maps import Points
from afanet.tasks.multi_label_segmentation.target import LabelMasks

PARTS = ["arm_l", "arm_r", "body", "leg_l", "leg_r"]
DECLARED: dict[str, dict[str, Any]] = {
    "side": {"kind": "classification", "classes": ["left", "both", "right"], "swap": {"left": "right"}},
    "parts": {"kind": "segmentation", "classes": PARTS, "swap": {"arm_l": "arm_r", "leg_l": "leg_r"}},
    "marks": {"kind": "multi_label", "labels": ["left", "right", "old"], "swap": {"right": "left", "left": "right"}},
    "lane": {"kind": "ordinal", "classes": ["left", "middle", "right"], "swap": {"left": "right"}},
    "depth": {"kind": "depth"},
    "normals": {"kind": "normals"},
    "height": {"kind": "dense_regression", "range": [0, 1], "zoom": "inverse"},
    "eyes": {
        "kind": "vector",
        "names": ["left_x", "left_y", "right_x", "right_y"],
        "points": True,
        "swap": {"left_x": "right_x", "left_y": "right_y"},
    },
    "layers": {"kind": "multi_label_segmentation", "labels": ["left", "right"], "swap": {"left": "right"}},
}
TASKS: dict[str, Task] = {name: task for name, (_, task) in declare_tasks(DECLARED).items()}


def labelled(seed: int, height: int = 6, width: int = 9) -> Sample:
    """A sample with a label of every kind, some of them void."""
    rng = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 6, (height, width), generator=rng)
    normals = torch.nn.functional.normalize(torch.randn(3, height, width, generator=rng), dim=0)
    return {
        "image": tv_tensors.Image(torch.randint(0, 256, (3, height, width), generator=rng, dtype=torch.uint8)),
        "targets": {
            "side": torch.randint(-1, 3, (), generator=rng),
            "parts": tv_tensors.Mask(torch.where(ids == 5, 255, ids).byte()),
            "marks": torch.randint(-1, 2, (3,), generator=rng),
            "lane": torch.randint(-1, 3, (), generator=rng),
            "depth": DepthMap(torch.rand(1, height, width, generator=rng)),
            "normals": NormalMap(normals),
            "height": InverseMap(torch.rand(1, height, width, generator=rng)),
            "eyes": Points(torch.rand(4, generator=rng)),
            "layers": LabelMasks(torch.randint(-1, 2, (2, height, width), generator=rng, dtype=torch.int8)),
        },
        "id": "x",
    }


def sided_folder(root: Path) -> Path:
    """Twelve images, bright at the left or at the right, with the side in the table."""
    lines = ["image,split,side"]
    for number in range(12):
        side, pixels = ("left", "right")[number % 2], np.zeros((16, 16, 3), np.uint8)
        pixels[:, :8] = 255 * (side == "left")
        pixels[:, 8:] = 255 * (side == "right")
        Image.fromarray(pixels).save(root / f"{number}.png")
        lines.append(f"{number}.png,{'train' if number < 10 else 'test'},{side}")
    (root / "manifest.csv").write_text("\n".join(lines))
    return root
