"""How long the bootstrap over test images takes, by kind of task: a thousand samples of the images' sums.

    python benchmarks/bootstrap.py [--images 654] [--size 24 32] [--threads 1]

Predictions are random. The maps are small, because the time of the bootstrap does not depend on their size: it takes
what each image adds to the sums of a metric, of which normals have the most (a histogram of 18,000 bins).
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor

from afanet.comparison.images import RESAMPLES, ImageScores
from afanet.networks.outputs import Dense
from afanet.tasks import Classification, Depth, Normals, Segmentation, Task


def random_predictions(task: Task, images: int, size: list[int], seed: int) -> Tensor:
    """What a network of random outputs predicts."""
    shape = (images, task.output.channels, *(size if isinstance(task.output, Dense) else ()))
    return task.predict(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))


def main() -> None:
    """Time the draws of each kind, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=654)
    parser.add_argument("--size", type=int, nargs=2, default=[24, 32], metavar=("H", "W"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    names = [f"class {number}" for number in range(40)]
    print(f"{options.images} images, {RESAMPLES} samples, {torch.get_num_threads()} threads, torch {torch.__version__}")
    for task in (Segmentation(names), Depth(), Normals(), Classification("scene", names)):
        scores = ImageScores(task)
        scores.update(*(random_predictions(task, options.images, options.size, seed) for seed in (0, 1)))
        start = time.perf_counter()
        scores.draws()
        drawn = time.perf_counter() - start
        scores.each(task.main_metric)
        alone = time.perf_counter() - start - drawn
        print(f"{task.kind:14} draws {drawn:7.2f} s, each image by itself {alone:6.2f} s", flush=True)


if __name__ == "__main__":
    main()
