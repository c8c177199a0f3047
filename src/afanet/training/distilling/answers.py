"""Teachers' answers, kept by `afanet data prepare` for images that training does not change.

A folder `CONTENT-answers-DIGEST` beside the cache of the data has the estimates of each task for every training image
in one `.npy` file; DIGEST is a hash of the teachers and of how images are made.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor
from torch.utils.data import DataLoader

from afanet.data import Collate, Sample, Split
from afanet.data.cache import fingerprint, map_array
from afanet.data.prepare import ArrayFile
from afanet.data.steps import every_step
from afanet.data.transforms import normalised
from afanet.distributed.device import answering, find_device
from afanet.errors import InputError
from afanet.files import path_in
from afanet.json_text import to_json
from afanet.normalisation import Normalisation
from afanet.progress import say
from afanet.runs.setup import data_cache
from afanet.training.distilling.teachers import Teachers
from afanet.training.feature_facts import changes_images, step_facts
from afanet.training.job import Job

PART = "-answers-"
BATCH = 8  # images in one pass of a teacher


class Answered(Split):
    """A split whose samples have their teachers' estimates, from a folder that `prepare_answers` wrote.

    Raises `InputError` for a damaged folder.
    """

    def __init__(self, split: Split, folder: Path, tasks: list[str]) -> None:
        super().__init__(split.read, split.items, split.transform)
        self.folder, self.tasks = folder, tasks
        self._open()

    def _open(self) -> None:
        try:
            self.answers = {task: map_array(path_in(self.folder, f"{task}.npy")) for task in self.tasks}
            lengths = {len(array) for array in self.answers.values()}
        except (OSError, EOFError, ValueError) as error:
            raise InputError(f"{self.folder} has damaged answers of teachers ({error}): remove it") from None
        if lengths != {len(self)}:
            raise InputError(f"{self.folder} has answers for {max(lengths)} images, expected {len(self)}: remove it")

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "answers"}  # a memory map is not pickled

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        sample["estimates"] = {
            task: torch.from_numpy(np.asarray(array[index])).float() for task, array in self.answers.items()
        }
        return sample


def prepare_answers(job: Job, workers: int, advance: Callable[[int], None]) -> tuple[Path, bool]:
    """Keep the answers of a job's teachers for each training image; returns the folder and whether it is new.

    Probabilities are kept in half precision, values in single precision. The folder is written under a temporary name
    and renamed at the end.

    Args:
        job: a prepared job with teachers.
        workers: processes that read images.
        advance: called after each batch with its number of images.

    Raises:
        InputError: for a job without teachers, for one whose training changes the images each time, and for a full
            disk.
    """
    teachers, device = job.teachers, find_device(job.recipe.device)
    if teachers is None or changes_images(job):
        raise InputError("there are no answers to keep: give --distill RUN and --data.options.augment false")
    path = _folder(job, teachers)
    teachers.to(device)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.parent / "lock"):
            if path.is_dir():
                return path, False
            partial = Path(tempfile.mkdtemp(suffix=".partial", dir=path.parent))
            try:
                with answering(device), ExitStack() as files:
                    _write(job, teachers, device, partial, files, workers, advance)
                partial.rename(path)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
            return path, True
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"answers {path} cannot be written ({reason}): make room, or set AFANET_CACHE") from None


def find_answers(job: Job, saved: Mapping[str, Any]) -> Answered | None:
    """The training split with the kept answers of a job's teachers, if there are any; prints that they are read.

    Args:
        job: a prepared job.
        saved: the state from which training resumes, empty at its beginning.

    Raises:
        InputError: for a damaged folder, and if a run began with answers that no longer exist.
    """
    begun = saved.get("answers", "") if saved else None
    if job.teachers is None or begun == "" or changes_images(job) or job.recipe.distill_features:
        return None
    path = _folder(job, job.teachers)
    if begun and not (path.is_dir() and path.name == begun):
        raise InputError(
            f"the run began with the teachers' answers in {path.parent / begun}, which no longer exist: run `afanet "
            "data prepare` again, or train again from the start"
        )
    if not path.is_dir():
        return None
    say(f"reading the teachers' answers from {path}")
    return Answered(job.data.train, path, job.teachers.taught)


def _folder(job: Job, teachers: Teachers) -> Path:
    """The folder for the answers of these teachers to these images; it need not exist.

    The student's normalisation of images does not matter, since a teacher undoes it.
    """
    folder, channels = data_cache(job.recipe), teachers.taken.channels
    plain = normalised(every_step(job.data.test.transform), Normalisation((0.5,) * channels, (0.5,) * channels))
    facts = {"teachers": teachers.digests, "images": step_facts(plain), "window": list(job.recipe.data.window)}
    digest = blake2b(to_json(facts, sort_keys=True).encode(), digest_size=8).hexdigest()
    return path_in(folder, f"{fingerprint(job.data, folder)}{PART}{digest}")


def _write(
    job: Job,
    teachers: Teachers,
    device: torch.device,
    folder: Path,
    files: ExitStack,
    workers: int,
    advance: Callable[[int], None],
) -> None:
    train = job.data.train
    loader = DataLoader(train, batch_size=BATCH, num_workers=workers, collate_fn=Collate(job.data.tasks))
    arrays: dict[str, ArrayFile] = {}
    done = 0
    for batch in loader:
        batch["image"] = batch["image"].to(device)
        teachers.answer(batch)
        answers = {name: _stored(job, name, values).cpu() for name, values in batch["estimates"].items()}
        if not arrays:
            for name in answers:
                arrays[name] = files.enter_context(ArrayFile(path_in(folder, f"{name}.npy"), len(train)))
        for number in range(len(batch["id"])):
            for name, values in answers.items():
                arrays[name].put(done, values[number].contiguous().numpy())
            done += 1
        advance(len(batch["id"]))


def _stored(job: Job, name: str, values: Tensor) -> Tensor:
    return values.half() if job.tasks[name].names else values
