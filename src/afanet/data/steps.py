"""Changes the steps of an open data set's transforms as its tasks and a recipe ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torchvision.transforms import v2

from afanet.data.padding import Framed
from afanet.data.sample import Data, Split, Transform
from afanet.data.transforms import Flip, Zoom, has_colours, normalised
from afanet.errors import InputError, unknown
from afanet.framing import RESIZES, Resize
from afanet.normalisation import Normalisation


def with_sides(data: Data) -> Data:
    """The data with a mirror step that exchanges the sides of labels, or without a mirror step, as their tasks ask.

    If a task has `mirror: false`, mirror steps are left out and a note says so. Parts of joined data do not change,
    since each part has been opened as a data set of its own.
    """
    kept = [name for name, task in data.tasks.items() if not task.mirror]
    if _parts(data.train.transform) is not None or not (kept or any(task.swap for task in data.tasks.values())):
        return data

    def change(step: Any) -> list[Any]:
        if not isinstance(step, v2.RandomHorizontalFlip):
            return [step]
        return [] if kept else [Flip(step.p, data.tasks)]

    splits: dict[str, Any] = {}
    for name, split in data.splits.items():
        if mirrors(split.transform):
            steps = [changed for step in split.transform.transforms for changed in change(step)]
            splits[name] = Split(split.read, split.items, v2.Compose(steps))
    if not splits or not kept:
        return replace(data, **splits)
    listed = " and ".join(f"'{name}'" for name in kept)
    note = f"images are not mirrored in training, as the declaration of {listed} asks (mirror: false)"
    return replace(data, **splits, notes=[*data.notes, note])


def with_unlabelled(data: Data) -> Data:
    """The data with images that have no label at all added to the training split; a note gives their number.

    Mixed data draw their samples by shares and leave such images out; then the note says so.
    """
    count = len(data.unlabelled)
    if not count:
        return data
    if data.shares is not None:
        note = f"{count} training images without any label are left out: mixed data draw by shares, teachers or not"
        return replace(data, notes=[*data.notes, note])
    train = Split(data.train.read, [*data.train.items, *data.unlabelled], data.train.transform)
    note = f"{count} training images without any label: only teachers have answers for them"
    return replace(data, train=train, notes=[*data.notes, note], unlabelled=())


def with_resize(data: Data, resize: Resize) -> Data:
    """The data with images fitted to their size as `resize` says, see `framing`, in every split.

    Raises `InputError` for an unknown `resize`, and for a data set that does not resize its images by `Zoom`.

    >>> from afanet.data import open_data
    >>> data = with_resize(open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1), "letterbox")
    >>> data.test[0]["image"].shape
    torch.Size([3, 24, 32])
    """
    if resize not in RESIZES:
        raise unknown("data.resize", str(resize), RESIZES)
    if resize == "stretch":
        return data

    def change(transform: Transform) -> Any:
        parts = _parts(transform)
        if parts is not None:
            joined: Any = type(transform)
            return joined([change(part) for part in parts])
        if not zooms(transform):
            raise InputError(
                f"data.resize is {resize}, but the data set does not resize its images by afanet.data.transforms.Zoom: "
                "add this step to its transforms, or leave data.resize out"
            )
        # Steps of the frame come before the resize, the others after it.
        early = [step for step in transform.transforms if getattr(step, "of_frame", False)]
        late = [step for step in transform.transforms if step not in early]
        return v2.Compose([*early, *(_resizing(step, resize) for step in late)])

    splits: dict[str, Any] = {}
    for name, split in data.splits.items():
        steps = change(split.transform)
        framed = Framed(steps, data.tasks) if resize == "letterbox" else steps
        splits[name] = Split(split.read, split.items, framed)
    return replace(data, **splits)


def with_normalisation(data: Data, normalisation: Normalisation) -> Data:
    """The data with images of the channels and the normalisation that a network takes, in every split.

    A note says so if no `v2.Normalize` normalises the images, and if colours cannot be jittered.

    Raises `InputError` for a `v2.Normalize` that does neither what the network takes nor what `data.normalisation`
    says, and, if these two differ, for a data set without that step.

    >>> from afanet.data import open_data
    >>> from afanet.normalisation import IMAGENET
    >>> data = open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1)
    >>> with_normalisation(data, IMAGENET.of_grey()).test[0]["image"].shape
    torch.Size([1, 24, 32])
    """
    by_part = [steps for split in data.splits.values() for steps in _steps_by_part(split.transform)]
    for steps in by_part:
        _require_known(steps, data.normalisation, normalisation)
    if normalisation == data.normalisation:
        if all(any(isinstance(step, v2.Normalize) for step in steps) for steps in by_part):
            return data
        note = f"the data set has no step v2.Normalize: its images must be {_spelt(normalisation)} already"
        return replace(data, notes=[*data.notes, note])

    def change(transform: Any) -> Any:
        if isinstance(transform, Framed):
            return Framed(change(transform.steps), transform.tasks)
        parts = _parts(transform)
        if parts is not None:
            return type(transform)([change(part) for part in parts])
        if not any(isinstance(step, v2.Normalize) for step in every_step(transform)):
            raise InputError(
                f"the network takes images {_spelt(normalisation)}, but the data set does not normalise its images by "
                "torchvision's v2.Normalize: add this step to its transforms"
            )
        return normalised(every_step(transform), normalisation)

    splits: dict[str, Any] = {
        name: Split(split.read, split.items, change(split.transform)) for name, split in data.splits.items()
    }
    notes = list(data.notes)
    if not has_colours(normalisation) and any(isinstance(step, v2.ColorJitter) for steps in by_part for step in steps):
        notes.append(
            f"colours are not changed in training (augment.colour): images of {normalisation.channels} channels are "
            "neither RGB nor grey"
        )
    return replace(data, **splits, notes=notes, normalisation=normalisation)


def zooms(transform: Any) -> list[Zoom]:
    """The steps that resize, of every part of joined data."""
    return [step for step in every_step(transform) if isinstance(step, Zoom)]


def mirrors(transform: Any) -> bool:
    """Whether a step mirrors images, in any part of joined data."""
    return any(isinstance(step, v2.RandomHorizontalFlip) for step in every_step(transform))


def every_step(transform: Any) -> list[Any]:
    parts = _parts(transform)
    if parts is None:
        return list(getattr(transform, "transforms", [transform]))
    return [step for part in parts for step in every_step(part)]


def _steps_by_part(transform: Any) -> list[list[Any]]:
    """The steps of each part of joined data, or of a data set alone."""
    parts = _parts(transform)
    return [every_step(transform)] if parts is None else [steps for part in parts for steps in _steps_by_part(part)]


def _require_known(steps: Sequence[Any], stated: Normalisation, taken: Normalisation) -> None:
    """Raise `InputError` for a `v2.Normalize` that fits neither the data's statement nor the network."""
    for step in steps:
        if isinstance(step, v2.Normalize):
            done = Normalisation(tuple(map(float, step.mean)), tuple(map(float, step.std)))
            if done not in (stated, taken):
                raise InputError(
                    f"the data set has images {_spelt(done)} (v2.Normalize), but the network takes them "
                    f"{_spelt(taken)}: give the data set's network.mean and network.std, or change its step"
                )


def _spelt(normalisation: Normalisation) -> str:
    return f"normalised with mean {list(normalisation.mean)} and std {list(normalisation.std)}"


def _parts(transform: Any) -> list[Any] | None:
    """The transforms of the parts of joined data; None for a data set alone."""
    parts: list[Any] | None = getattr(getattr(transform, "steps", transform), "parts", None)
    return parts


def _resizing(step: Any, resize: Resize) -> Any:
    if not isinstance(step, Zoom):
        return step
    return Zoom(step.size, step.most, anywhere=step.anywhere, resize=resize, mean=step.mean)
