"""Registers the smallest network that trains, so that a run can be kept here; run as a script, makes such a run.

PYTHONPATH=OLD/src python tests/upgrade/train.py FOLDER, OLD being a checkout of the older version.
"""

from __future__ import annotations

import sys
from typing import Any

from timm.models import register_model
from timm.models.resnet import BasicBlock, ResNet, _create_resnet

from afanet.cli import main

FLAGS = """--backbone small_enough_to_keep --data.options.train_pairs 2000 --epochs 6 --batch-size 20 --workers 0
--device cpu --precision float32 --optimizer.name sgd --optimizer.momentum 0 --optimizer.lr 0.2"""


@register_model
def small_enough_to_keep(pretrained: bool = False, **options: Any) -> ResNet:
    shape = {"block": BasicBlock, "layers": (1,) * 4, "channels": (8,) * 4, "stem_width": 8, "stem_type": "deep"}
    network: ResNet = _create_resnet("small_enough_to_keep", pretrained, **shape | options)
    return network


if __name__ == "__main__":
    sys.exit(main(["train", "digits", *FLAGS.split(), "--out", *sys.argv[1:]]))
