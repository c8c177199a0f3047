"""The file of a run with the scores of its test images, so that a network predicts no image twice."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from afanet.comparison.images import ImageScores, Look
from afanet.errors import InputError
from afanet.files import require_regular, whole
from afanet.runs.run import Run
from afanet.tasks import DenseTask, Task

FORMAT = 1
WEIGHTS = "weights"  # the array with the format and a hash of the weights that made the predictions
BINNED = "binned"  # the state of a task with its binned errors
MOST_BYTES = 2**31  # of one array: a histogram of normals of 14,000 images


def write_image_scores(run: Run, look: Look) -> None:
    """Write `images.npz` into the run's folder: what each image adds to each metric, exactly.

    Nothing is written beside a network from the hub.

    Raises `InputError` if it cannot be written.
    """
    if run.folder.elsewhere:
        return
    arrays: dict[str, Any] = {WEIGHTS: np.array(_weights(run))}
    for task, scores in look.scores.items():
        arrays |= {f"{task}.{name}": _narrow(state.numpy()) for name, state in scores.states.items()}
    arrays |= {f"{task}.{BINNED}": errors.numpy() for task, errors in look.binned.items()}
    with whole(run.folder.images) as partial, partial.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def read_image_scores(run: Run, tasks: Mapping[str, Task]) -> Look | None:
    """The scores that `write_image_scores` wrote; None if there are none, or none by the run's present weights.

    Raises `InputError` for a file that is damaged, or has other tasks or metrics than `tasks`.
    """
    file = run.folder.images
    if not (file.exists() and run.folder.weights(run.recipe).exists()):
        return None
    arrays = _read(file)
    if WEIGHTS not in arrays:
        raise _not_ours(file, f"'{WEIGHTS}' is missing")
    if arrays.pop(WEIGHTS).tolist() != _weights(run):
        return None
    states, binned = _kinds(tasks)
    if odd := sorted(arrays.keys() ^ {*states, *binned}):
        raise _not_ours(file, f"'{odd[0]:.80}' is {'no state of its tasks' if odd[0] in arrays else 'missing'}")
    images = next((len(np.atleast_1d(arrays[name])) for name in states), 0)
    tensors = {name: _tensor(file, name, arrays[name], kind, images) for name, kind in states.items()}
    errors = {name: _tensor(file, name, arrays[name], kind, 2) for name, kind in binned.items()}
    scores = {name: ImageScores.restored(task, _of(name, tensors)) for name, task in tasks.items()}
    return Look(scores, {name.removesuffix(f".{BINNED}"): of_task for name, of_task in errors.items()})


def _kinds(tasks: Mapping[str, Task]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The form of the states of one image, and of the binned errors, by the names of arrays."""
    states = {
        f"{name}.{state}": kind for name, task in tasks.items() for state, kind in ImageScores(task).kinds.items()
    }
    dense = {name: task.bins for name, task in tasks.items() if isinstance(task, DenseTask)}
    binned = {f"{name}.{BINNED}": torch.zeros(len(bins), dtype=torch.float64) for name, bins in dense.items() if bins}
    return states, binned


def _of(task: str, states: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The states of one task, without its name."""
    return {name.removeprefix(f"{task}."): state for name, state in states.items() if name.startswith(f"{task}.")}


def _weights(run: Run) -> str:
    """The format of the file, and a hash of the file of the run's weights."""
    with require_regular(run.folder.weights(run.recipe)).open("rb") as stream:
        return f"{FORMAT} {file_digest(stream, 'sha256').hexdigest()}"


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers in the narrowest type that holds them all; other numbers as they are."""
    if array.dtype.kind not in "iu" or not array.size or array.min() < 0:
        return array
    return array.astype(np.min_scalar_type(array.max()))


def _read(file: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(require_regular(file)) as archive:
            if any(member.file_size > MOST_BYTES for member in archive.infolist()):
                raise _not_ours(file, "it has an array that is larger than any of ours")
        with np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except InputError:
        raise
    except Exception as error:  # NumPy and zipfile raise errors of many types for broken files
        raise _not_ours(file, f"it cannot be read ({error!s:.80})") from None


def _tensor(file: Path, name: str, array: NDArray[Any], kind: Tensor, count: int) -> Tensor:
    """An array from the file with the shape and type of `kind` for each of `count` rows."""
    whole_numbers = not kind.is_floating_point()
    fits = array.dtype.kind in "iu" if whole_numbers else array.dtype == kind.numpy().dtype
    if not fits or array.shape != (count, *kind.shape):
        expected = f"{(count, *kind.shape)} of {'whole numbers' if whole_numbers else str(kind.dtype)[6:]}"
        raise _not_ours(file, f"'{name}' is {array.shape} of {array.dtype}, expected {expected}")
    return torch.from_numpy(array.astype(kind.numpy().dtype))


def _not_ours(file: Path, fault: str) -> InputError:
    return InputError(f"{file} is not what afanet wrote: {fault}; remove it, then the images are predicted again")
