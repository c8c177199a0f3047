"""Trials in a database: each is taken by one process, and resumed by another if that process dies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from optuna.storages import RDBStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from afanet.files import make_folder, path_in


@dataclass(frozen=True)
class Queue:
    """The first `count` trials of a study, shared by several processes, each trial in its own folder.

    A trial that was taken on this machine has its folder in `out`, and a lock beside the folder while a process works
    on it. The lock ends with the process that holds it, however that ends. So a running trial with a folder here but no
    lock was interrupted, and one whose folder is elsewhere belongs to another machine.

    Args:
        storage: the database.
        study: the study in it.
        out: the folder that contains the trials' folders.
        count: the number of trials that the study should have.
        name_of: the name of the folder of a trial, from its number.
    """

    storage: RDBStorage
    study: Study
    out: Path
    count: int
    name_of: Callable[[int], str]

    def fill(self) -> None:
        """Add the missing trials. Two processes at once may add too many; nobody works on the extra ones."""
        while len(self.study.get_trials(deepcopy=False)) < self.count:
            self.study.enqueue_trial({})

    def folder(self, number: int) -> Path:
        """The run folder of a trial."""
        return path_in(self.out, self.name_of(number))

    def open_trials(self) -> list[FrozenTrial]:
        """The unfinished trials, those already begun first."""
        states = (TrialState.RUNNING, TrialState.WAITING)
        unfinished = self.study.get_trials(deepcopy=False, states=states)
        wanted = [trial for trial in unfinished if trial.number < self.count]
        return sorted(wanted, key=lambda trial: (states.index(trial.state), trial.number))

    def taken(self) -> Iterator[Trial]:
        """Yields and holds each trial that nobody works on; tell the study its result before asking for the next."""
        while (claim := self._claim()) is not None:
            trial, lock = claim
            try:
                yield trial
            finally:
                lock.release()
            Path(lock.lock_file).unlink(missing_ok=True)

    def _claim(self) -> tuple[Trial, FileLock] | None:
        for found in self.open_trials():
            folder = self.folder(found.number)
            begun = found.state == TrialState.RUNNING
            if begun and not folder.is_dir():
                continue  # on another machine
            lock = FileLock(path_in(self.out, f".{folder.name}.lock"), timeout=0)
            try:
                lock.acquire()
            except Timeout:
                continue  # another process of this machine works on it
            made = make_folder(folder)
            if self._is_ours(found.number, begun):
                return Trial(self.study, self.id_of(found.number)), lock
            if not begun:
                for path in made:
                    path.rmdir()
            lock.release()
        return None

    def _is_ours(self, number: int, begun: bool) -> bool:
        """Whether a trial, whose lock this process holds, still needs a process; if so, it is marked as running."""
        if begun:  # by a process that died, or that has finished it since
            return bool(self.storage.get_trial(self.id_of(number)).state == TrialState.RUNNING)
        return bool(self.storage.set_trial_state_values(self.id_of(number), TrialState.RUNNING))

    def id_of(self, number: int) -> int:
        """The number of a trial in the whole database."""
        study = self.storage.get_study_id_from_name(self.study.study_name)
        return int(self.storage.get_trial_id_from_study_id_trial_number(study, number))
