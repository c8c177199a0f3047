"""A few samples of a run's test split, and the run's predictions for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from afanet.data import Batch, Collate, Data
from afanet.normalisation import Normalisation
from afanet.runs.run import Run
from afanet.tasks import Task

EXAMPLES = 4


@dataclass(frozen=True)
class Examples:
    """Test samples, their predictions by task, each (B, ...), and how the images were normalised."""

    samples: Batch
    predictions: dict[str, Tensor]
    normalisation: Normalisation


def predict_examples(run: Run) -> Examples:
    """Predict a few samples spread over the test split, in float32 on the CPU.

    Raises `InputError` if the run's data or weights cannot be read.
    """
    data = run.data()
    samples = read_test_samples(data, data.tasks, spread_over(len(data.test), EXAMPLES))
    with torch.inference_mode():
        logits = run.network()(samples["image"])
    predictions = {name: task.predict(logits[name]) for name, task in run.tasks.items()}
    return Examples(samples, predictions, data.normalisation)


def read_test_samples(data: Data, tasks: Mapping[str, Task], indices: Sequence[int]) -> Batch:
    """The test samples with these numbers as one batch, with their labels for `tasks` and their `padding`."""
    samples = [data.test[index] for index in indices]
    batch = Collate(tasks)(samples)
    unpadded = torch.zeros(batch["image"].shape[-2:], dtype=torch.bool)
    batch["padding"] = torch.stack([sample.get("padding", unpadded) for sample in samples])
    return batch


def spread_over(count: int, most: int) -> list[int]:
    """Up to `most` of the numbers 0 to `count` - 1, evenly spaced from the first to the last.

    >>> spread_over(7, 4), spread_over(2, 4), spread_over(0, 4)
    ([0, 2, 4, 6], [0, 1], [])
    """
    return [int(index) for index in torch.linspace(0, count - 1, min(most, count)).long()]
