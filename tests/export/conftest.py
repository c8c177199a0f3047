"""Runs of moments, one a method, trained once for all tests of a process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from afanet.recipe.load import load_recipe
from afanet.training.run import train


@pytest.fixture
def any_size() -> None:
    """Skips where torch's own exporter takes a pooled network for one parity of its features' size only."""
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 14):
        pytest.skip("torch before 2.14 exports networks with strided pooling for one size")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the folder of a run on generated rooms, by method; hard sharing alone has heads that cost seconds."""
    runs: dict[str, Path] = {}
    keys: dict[str, Any] = {
        "network.backbone": "test_resnet",
        "data.size": [32, 48],
        "data.options.train_scenes": 4,
        "data.options.test_scenes": 3,
        "steps": 1,
        "batch_size": 4,
        "workers": 0,
        "device": "cpu",
        "precision": "float32",
    }

    def give(method: str) -> Path:
        if method not in runs:
            runs[method] = tmp_path_factory.mktemp("runs") / method
            own: dict[str, Any] = {
                "network.method": method,
                "network.head": "deeplabv3plus" if method == "hard" else "linear",
            }
            if method == "cross_attention":  # its queries of smaller images are one pixel high, which a graph fixes
                own["data.size"] = [64, 96]
            train(load_recipe("rooms", keys | own), runs[method])
        return runs[method]

    return give
