"""Reads a whole data set once and reports its content, errors and warnings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from afanet.data.cache import Cached
from afanet.data.checks.faults import require_sound
from afanet.data.checks.findings import label_findings
from afanet.data.checks.kept import read_kept
from afanet.data.checks.leaks import leaks
from afanet.data.checks.look import Look, Seen, SplitSums
from afanet.data.checks.proportions import proportion_warnings
from afanet.data.checks.sides import side_warnings
from afanet.data.checks.twins import twins
from afanet.data.parallel import in_order
from afanet.data.sample import Data, Reader, Split
from afanet.errors import InputError
from afanet.normalisation import as_channels

GENERATED = 64  # most samples of a generated split that are looked at before training


@dataclass(frozen=True)
class Survey:
    """The result of a check: statistics by split, errors that prevent training, and warnings."""

    describe: str
    splits: dict[str, dict[str, Any]]
    errors: list[str]
    warnings: list[str]

    def plain(self) -> dict[str, Any]:
        """The result as values that JSON can hold."""
        return {"data": self.describe, "splits": self.splits, "errors": self.errors, "warnings": self.warnings}


def survey(
    data: Data,
    tasks: Collection[str] | None = None,
    *,
    workers: int = 2,
    advance: Callable[[], None] = lambda: None,
) -> Survey:
    """Read every sample of every split once, in `workers` processes; `advance` is called after each.

    Errors: `data.problems` and `data.lacking`, samples that cannot be read, targets outside their task's range or of
    another size than their image, a person or scene in two splits, a task without a label to train on. Warnings:
    `data.warnings`, an image in two splits (compared by its pixels), classes without a label in a split, labels that
    mirroring makes wrong, images that are stretched, and labels of a task that look odd. Missing and odd labels are
    reported for `tasks`, by default for all tasks of the data.

    >>> from afanet.data import open_data
    >>> result = survey(open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1), workers=0)
    >>> result.errors, result.splits["train"]["images"], result.splits["train"]["sizes"]
    ([], 2, {'24x32': 2})
    """
    errors = [*data.problems, *data.lacking, *leaks(data)]
    sums = {name: SplitSums(split, data.tasks) for name, split in data.splits.items()}
    for name, split in data.splits.items():
        for index, seen in enumerate(in_order(Look(split, data.tasks), split.items, workers)):
            advance()
            if isinstance(seen, InputError):
                errors.append(str(seen))
                continue
            errors += seen.faults
            sums[name].add(index, seen)
        if not len(split):
            errors.append(f"split {name} has no sample: training needs samples in every split")
    return _judge(data, sums, data.tasks if tasks is None else tasks, errors)


def survey_for_training(
    data: Data,
    tasks: Collection[str],
    *,
    taught: Collection[str] = (),
    workers: int = 2,
    advance: Callable[[], None] = lambda: None,
) -> Survey:
    """The survey of `tasks` before training, for data that were opened without a problem.

    All samples from files are read; of generated samples, up to 64 per split are made. Samples that `afanet data
    prepare` has read are not read again. Tasks that are `taught` by another network need no label.

    Raises `InputError` for the first sample that cannot be used, or whose image has other channels than
    `data.normalisation`.
    """
    if kept := read_kept(data):
        _require_channels(data)
        return _with_findings(data, *kept, tasks, taught=taught)
    sums = {name: SplitSums(split, data.tasks) for name, split in data.splits.items()}
    for name, split in data.splits.items():
        indices = to_read(split)
        for index, seen in zip(indices, _read(split, data, indices, workers), strict=True):
            sums[name].add(index, seen)
            advance()
    return _judge(data, sums, tasks, taught=taught)


def _require_channels(data: Data) -> None:
    """Raise `InputError` if images in a cache do not fit the network; all images of a split have the same channels."""
    for split in data.splits.values():
        if isinstance(split.read, Cached) and len(split):
            pixel = split.read.images[:1, :1, :1].reshape(1, 1, -1)
            as_channels(pixel, data.normalisation.channels, f"{split.read.index['ids'][0]}: the image")


def to_read(split: Split) -> Sequence[int]:
    """The items to read before training: all that are from files, or some generated ones, evenly spread."""
    if type(split.read).files is Reader.files:
        generated: Sequence[int] = range(len(split))
    elif type(split.read).origin is Reader.origin:  # all items are from one data set
        generated = ()
    else:
        generated = [index for index, item in enumerate(split.items) if not split.read.files(item)]
    if len(generated) <= GENERATED:
        return range(len(split))
    made = {generated[number * len(generated) // GENERATED] for number in range(GENERATED)}
    left_out = set(generated) - made
    return [index for index in range(len(split)) if index not in left_out]


def _read(split: Split, data: Data, indices: Sequence[int], workers: int) -> Iterator[Seen]:
    items = split.items if len(indices) == len(split) else [split.items[index] for index in indices]
    for seen in in_order(Look(split, data.tasks, data.normalisation.channels), items, workers):
        if isinstance(seen, InputError):
            raise seen
        require_sound(seen.faults)
        yield seen


def _judge(
    data: Data,
    sums: Mapping[str, SplitSums],
    tasks: Collection[str],
    errors: Sequence[str] = (),
    taught: Collection[str] = (),
) -> Survey:
    same = twins(data.splits, {name: of_split.digests for name, of_split in sums.items()})
    summaries = {name: of_split.summary() for name, of_split in sums.items()}
    return _with_findings(data, summaries, same, tasks, errors, taught)


def _with_findings(
    data: Data,
    splits: dict[str, dict[str, Any]],
    same: Sequence[str],
    tasks: Collection[str],
    errors: Sequence[str] = (),
    taught: Collection[str] = (),
) -> Survey:
    for name, made in data.machine_made.items():
        for task, count in made.items():
            splits[name]["tasks"][task] |= count
    more_errors, warnings = label_findings(data, splits, tasks, taught)
    frames = [*side_warnings(data), *proportion_warnings(data, splits)]
    return Survey(data.describe, splits, [*errors, *more_errors], [*data.warnings, *frames, *warnings, *same])
