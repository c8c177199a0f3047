"""The seeds that a comparison needs, against simulated comparisons."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from afanet.comparison.crossed import crossed
from afanet.comparison.power import POWER, power, seeds_needed


def test_without_images_it_is_the_power_of_a_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    differences = rng.normal(0.7, 1, (4000, 12))
    seen = (stats.ttest_1samp(differences, 0, axis=1).pvalue < 0.05).mean()
    assert power(0.7, 12, 1.0, 0.0, 100) == pytest.approx(seen, abs=0.03)


@pytest.mark.parametrize("seeds", [5, 10])
def test_over_seeds_and_images_it_is_how_often_the_interval_leaves_out_zero(seeds: int) -> None:
    """Of images alone the variance is 1, of one seed's difference 4."""
    rng = np.random.default_rng(seeds)
    images, many, change = 100, 2000, 4.0
    d = change + rng.normal(0, 2, (many, seeds, 1)) + rng.normal(0, np.sqrt(images), (many, 1, images))
    found = crossed(d.mean(2), (d.sum(2, keepdims=True) - d) / (images - 1))
    seen = (np.abs(found.mean) > stats.t.ppf(0.975, found.df) * np.sqrt(found.variance)).mean()
    assert power(change, seeds, 4.0, 1.0, images) == pytest.approx(seen, abs=0.05)


def test_it_is_the_smallest_number_that_is_enough() -> None:
    for of_seeds, of_images in ((1.0, 0.0), (1.0, 0.01), (0.1, 0.02), (1e-9, 0.0)):
        seeds = seeds_needed(0.5, of_seeds, of_images, 654)
        assert seeds is not None
        assert power(0.5, seeds, of_seeds, of_images, 654) >= POWER
        assert seeds == 2 or power(0.5, seeds - 1, of_seeds, of_images, 654) < POWER


def test_too_few_images_are_made_good_by_no_number_of_seeds() -> None:
    enough = 0.5 / 2.83  # the standard error at which a change of 0.5 is seen four times in five
    assert seeds_needed(0.5, 1.0, (1.02 * enough) ** 2, 10**6) is None
    assert seeds_needed(0.5, 1.0, (0.95 * enough) ** 2, 10**6) is not None


def test_nothing_is_seen_of_nothing_and_everything_where_nothing_varies() -> None:
    assert power(0.0, 3, 0.0, 0.0, 10) == 0
    assert power(0.1, 3, 0.0, 0.0, 10) == 1
    assert seeds_needed(0.1, 0.0, 0.0, 10) == 2
    assert power(1e9, 2, 1.0, 0.0, 10) > 0.9
    assert not math.isnan(power(1.0, 10**6, 1e-6, 1e-9, 654))
