"""Whether 95 % intervals over seeds and images hold the truth as often as they say, where the truth is known."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def coverage(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The simulation."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("coverage_of_intervals")


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("metric", ["accuracy", "miou"])
def test_they_cover_about_as_they_say(metric: str, seeds: int, coverage: ModuleType) -> None:
    assert 0.91 <= coverage.covered(coverage.World(metric, seeds, 100, ratio=1.0), simulations=400) <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("metric", ["accuracy", "miou"])
def test_they_cover_93_to_97_per_cent(metric: str, seeds: int, coverage: ModuleType) -> None:
    simulations = 2000
    error = 3 * np.sqrt(0.95 * 0.05 / simulations)  # of a share of so many
    for number, world in enumerate(coverage.worlds((seeds,), (100, 654))):
        if world.metric == metric:
            assert 0.93 - error <= coverage.covered(world, simulations, number) <= 0.97 + error, world


def test_the_truth_is_what_a_large_sample_gives(coverage: ModuleType) -> None:
    for metric in ("accuracy", "miou"):
        world = coverage.World(metric, seeds=2, images=4000, ratio=10.0)
        rng = np.random.default_rng(0)
        means = np.concatenate([coverage.estimate(world, world.blocks(2, rng)).mean for _ in range(40)])
        assert abs(means.mean() - world.truth) < 4 * means.std(ddof=1) / np.sqrt(len(means))
