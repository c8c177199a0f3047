"""How often 95 % intervals of a change hold the truth, on simulated runs whose truth is known.

    python benchmarks/coverage_of_intervals.py [--simulations 2000]

Two methods are trained with S seeds and scored on the same N images. Whether a pixel or an image is right depends on
the method, the seed, the image, and on seed and image together, all normal; pairs of runs with one seed are alike.
Seeds and images are both drawn, so the truth is over all of them: a closed form for accuracy, and for mIoU, of six
classes of which two are rare, a quadrature over seeds of the ratios that infinitely many images give.

Four intervals are compared: over seeds alone, by Student's t; a bootstrap that draws seeds and images, the same images
for all seeds; the two-way model with Satterthwaite's degrees of freedom; and the model as the package has it. Each line
has their coverage in per cent and, in brackets, their mean width against that over seeds alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from afanet.comparison.crossed import Crossed, crossed

Array = NDArray[np.float64]

BLOCKS, DRAWS, TOGETHER = 100, 200, 50
LEVEL = 0.95
FREQUENCIES = np.array([0.4, 0.25, 0.2, 0.1, 0.03, 0.02])  # of the classes, of which each image lacks some
SKILLS = np.array([1.2, 0.8, 0.5, 0.3, 0.0, -0.2])  # of single task; the other method is a little better
MIXED_UP = np.roll(np.eye(6), 1, 1) * 0.6 + np.roll(np.eye(6), 2, 1) * 0.4  # which class is taken for which


@dataclass(frozen=True)
class World:
    """What is simulated.

    Args:
        metric: `accuracy` or `miou`.
        seeds, images: how many runs a method has, and on how many images they are scored.
        ratio: the standard deviation between seeds over the error from images alone, about.
        interaction: the standard deviation of what seed and image do together over that of images.
        alike: the correlation between the seeds' effects of a pair.
    """

    metric: str
    seeds: int
    images: int
    ratio: float
    interaction: float = 0.5
    alike: float = 0.3

    @property
    def of_image(self) -> tuple[float, float, float]:
        """Standard deviations: of an image for both methods, for one of them, and together with a seed."""
        return 0.7, 0.4, 0.4 * self.interaction

    @property
    def of_seed(self) -> float:
        """The standard deviation of a seed's effect."""
        unexplained = 1.6 if self.metric == "accuracy" else 1.0  # images are right or wrong, so they differ by more
        return self.ratio * unexplained * 0.4 / np.sqrt(self.images)

    @property
    def truth(self) -> float:
        """The difference between the methods over all seeds and images."""
        spread = np.sqrt(sum(each**2 for each in self.of_image) + (self.metric == "miou"))
        nodes, weights = np.polynomial.hermite_e.hermegauss(40)
        skill = _skills(self.metric)[:, None] + self.of_seed * nodes[:, None]  # (methods, nodes, classes)
        recall = special.ndtr(skill / spread)
        return float(np.diff((self.score(_sums(_sizes(self.metric), recall)) * weights).sum(-1))[0] / weights.sum())

    def score(self, sums: Array) -> Array:
        """The metric (...) from sums over images (..., 3, classes): labelled, right and wrongly given to a class."""
        labelled, right, wrong = np.moveaxis(sums, -2, 0)
        if self.metric == "accuracy":
            return np.asarray(right.sum(-1) / labelled.sum(-1))
        return np.asarray((right / (labelled + wrong)).mean(-1))

    def blocks(self, count: int, rng: np.random.Generator) -> Array:
        """Sums over each block of images, (simulations, methods, seeds, blocks, 3, classes)."""
        shape = (count, 2, self.seeds, self.images)
        both, own, together = self.of_image
        seed = np.sqrt(self.alike) * rng.normal(size=(count, 1, self.seeds, 1))
        seed = seed + np.sqrt(1 - self.alike) * rng.normal(size=(*shape[:3], 1))
        effect = self.of_seed * seed + both * rng.normal(size=(count, 1, 1, self.images))
        effect = effect + own * rng.normal(size=(count, 2, 1, self.images)) + together * rng.normal(size=shape)
        skill = _skills(self.metric)[:, None, None] + effect[..., None]
        if self.metric == "accuracy":
            parts = _sums(_sizes(self.metric), (skill > 0).astype(float))
        else:
            sizes = _sizes(self.metric) * rng.gamma(0.5, 2.0, (count, 1, 1, self.images, len(FREQUENCIES)))
            parts = _sums(sizes, special.ndtr(skill))
        starts = np.arange(min(BLOCKS, self.images)) * self.images // min(BLOCKS, self.images)
        return np.asarray(np.add.reduceat(parts, starts, axis=3))


def _skills(metric: str) -> Array:
    """(methods, classes); accuracy has one."""
    single = SKILLS[:1] if metric == "accuracy" else SKILLS
    return np.stack([single, single + 0.05])


def _sizes(metric: str) -> Array:
    """How much of an image each class has on average."""
    return np.ones(1) if metric == "accuracy" else FREQUENCIES


def _sums(labelled: Array, recall: Array) -> Array:
    """Labelled, right and wrongly given pixels (..., 3, classes) of classes with these sizes and recalls."""
    labelled = np.broadcast_to(labelled, recall.shape)
    missed = labelled * (1 - recall)
    wrong = missed if recall.shape[-1] == 1 else missed @ MIXED_UP
    return np.stack([labelled, labelled * recall, wrong], -2)


Intervals = dict[str, tuple[Array, Array]]  # by name, the middle and half of the width


def intervals(world: World, blocks: Array, rng: np.random.Generator) -> Intervals:
    """Every candidate's interval for each simulation."""
    found, count = estimate(world, blocks), blocks.shape[3]
    alone = stats.t.ppf((1 + LEVEL) / 2, world.seeds - 1) * np.sqrt(found.seeds)
    share = found.seeds / np.maximum(found.variance, np.finfo(float).tiny)
    satterthwaite = 1 / (share**2 / (world.seeds - 1) + (1 - share) ** 2 / (count - 1))
    low, high = bootstrap(world, blocks, rng)
    return {
        "seeds": (found.mean, alone),
        "bootstrap": ((low + high) / 2, (high - low) / 2),
        "Satterthwaite": (found.mean, stats.t.ppf((1 + LEVEL) / 2, satterthwaite) * np.sqrt(found.variance)),
        "ours": (found.mean, half_width(found)),
    }


def estimate(world: World, blocks: Array) -> Crossed:
    """The package's own estimate, from all images and without each block."""
    whole = blocks.sum(3, keepdims=True)
    differences = np.diff(world.score(whole[:, :, :, 0]), axis=1)[:, 0]
    return crossed(differences, np.diff(world.score(whole - blocks), axis=1)[:, 0])


def half_width(found: Crossed) -> Array:
    """Half of the width of the package's interval."""
    return np.asarray(stats.t.ppf((1 + LEVEL) / 2, found.df) * np.sqrt(found.variance))


def bootstrap(world: World, blocks: Array, rng: np.random.Generator) -> Array:
    """The ends (2, simulations) of an interval by drawing seeds and blocks of images, with replacement."""
    size, count = blocks.shape[2:4]
    images = rng.multinomial(count, np.full(count, 1 / count), DRAWS).astype(float)
    seeds = rng.multinomial(size, np.full(size, 1 / size), DRAWS) / size
    drawn = np.einsum("dg,nmsgpc->nmsdpc", images, blocks, optimize=True)
    means = (np.diff(world.score(drawn), axis=1)[:, 0] * seeds.T).sum(1)
    return np.asarray(np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=1))


def repeat(world: World, simulations: int, seed: int, judge: Callable[..., Intervals] = intervals) -> Intervals:
    """The intervals of all simulations, computed a few at a time."""
    rng, parts = np.random.default_rng(seed), []
    for start in range(0, simulations, TOGETHER):
        parts.append(judge(world, world.blocks(min(TOGETHER, simulations - start), rng), rng))
    return {name: tuple(np.concatenate([part[name][end] for part in parts]) for end in (0, 1)) for name in parts[0]}


def covered(world: World, simulations: int, seed: int = 0) -> float:
    """How often the package's interval holds the truth, 0 to 1."""

    def ours(world: World, blocks: Array, rng: np.random.Generator) -> Intervals:
        found = estimate(world, blocks)
        return {"ours": (found.mean, half_width(found))}

    middle, half = repeat(world, simulations, seed, ours)["ours"]
    return float((np.abs(middle - world.truth) <= half).mean())


def worlds(seeds: tuple[int, ...] = (2, 3, 5, 10), images: tuple[int, ...] = (100, 654)) -> Iterator[World]:
    """All that are simulated."""
    for metric, size, count, interaction in product(("accuracy", "miou"), images, seeds, (0.0, 1.0)):
        for ratio in (0.1, 0.3, 1, 3, 10):
            yield World(metric, count, size, ratio, interaction)


def main() -> None:
    """Print a line for each world."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=2000)
    simulations = parser.parse_args().simulations
    print("metric    images seeds ratio together   seeds        bootstrap    Satterthwaite ours")
    for world in worlds():
        found = repeat(world, simulations, 0)
        wide = found["seeds"][1].mean()
        cells = [
            f"{100 * (np.abs(middle - world.truth) <= half).mean():5.1f} ({half.mean() / wide:5.2f})"
            for middle, half in found.values()
        ]
        print(
            f"{world.metric:9} {world.images:6} {world.seeds:5} {world.ratio:5} {world.interaction:8} "
            f"{' '.join(cells)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
