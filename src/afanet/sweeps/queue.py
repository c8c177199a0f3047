"""Trials in a database, each taken by one process, and taken up again where a process has died."""

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
    """The first `count` trials of a study, which several processes work off, each trial in a folder of its own.

    A trial that was taken here has its folder in `out`, and a lock beside it while it is worked on. The lock ends with
    the process that holds it, however that ends. So a trial that runs, has its folder here and no lock was
    interrupted, and one whose folder is elsewhere is that of another machine.

    Args:
        storage: the database.
        study: the study in it.
        out: the folder of the trials' folders.
        count: how many trials the study is to have.
        name_of: the name of the folder of a trial, from its number.
    """

    storage: RDBStorage
    study: Study
    out: Path
    count: int
    name_of: Callable[[int], str]

    def fill(self) -> None:
        """Add the trials that are missing. Two processes at once may add more; nobody works on those."""
        while len(self.study.get_trials(deepcopy=False)) < self.count:
            self.study.enqueue_trial({})

    def folder(self, number: int) -> Path:
        """The run folder of a trial."""
        return path_in(self.out, self.name_of(number))

    def open_trials(self) -> list[FrozenTrial]:
        """The trials that are not finished, first those that were begun."""
        states = (TrialState.RUNNING, TrialState.WAITING)
        unfinished = self.study.get_trials(deepcopy=False, states=states)
        wanted = [trial for trial in unfinished if trial.number < self.count]
        return sorted(wanted, key=lambda trial: (states.index(trial.state), trial.number))

    def taken(self) -> Iterator[Trial]:
        """Each trial that nobody works on, one after another, while it is held; it must be told before the next."""
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
        """Whether a trial, whose lock this process holds, still waits for a process; then it is marked as running."""
        if begun:  # by a process that has died, or has finished it since
            return bool(self.storage.get_trial(self.id_of(number)).state == TrialState.RUNNING)
        return bool(self.storage.set_trial_state_values(self.id_of(number), TrialState.RUNNING))

    def id_of(self, number: int) -> int:
        """The number of a trial in the whole database."""
        study = self.storage.get_study_id_from_name(self.study.study_name)
        return int(self.storage.get_trial_id_from_study_id_trial_number(study, number))
