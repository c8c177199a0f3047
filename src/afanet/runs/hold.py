"""Locks a run folder: one process at a time trains in it, and cleans up only files that it made itself."""

from __future__ import annotations

import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from afanet.errors import InputError
from afanet.files import make_folder, remove_folders, require_regular, write_whole
from afanet.json_text import read_json, to_json
from afanet.recipe.load import dump_recipe
from afanet.recipe.schema import Recipe
from afanet.runs.folder import HOLDER, LOCK, MARK_TEXT, RunFolder


class FolderInUseError(InputError):
    """Another process is training in the run folder."""


@contextmanager
def held(folder: RunFolder, recipe: Recipe, resume: bool) -> Iterator[None]:
    """A block that trains in `folder`: the folder is created, locked, marked as a run's, and given the resolved recipe.

    If the block ends in an `InputError` or `OSError` before anything was learnt, the folder is restored: files that the
    run made are removed by name, and folders that it made are removed if they are empty. If a batch whose loss was not
    finite was kept, nothing is removed. The lock ends with this process, however the process ends. Raises
    `FolderInUseError` if another process holds the folder, and `InputError` as `RunFolder.fresh` and
    `RunFolder.resumable` do.
    """
    try:
        made = make_folder(folder.path)
    except OSError as error:
        raise InputError(f"run folder {folder.path} cannot be written: {error.strerror}") from None
    lock_existed = (folder.path / LOCK).exists()
    lock = _acquired(folder, made)
    existing = {path for path in own_files(folder) if path.exists()} - (set() if lock_existed else {folder.path / LOCK})
    if not folder.tensorboard.exists():
        made.append(folder.tensorboard)
    recipe_before = None
    try:
        if folder.recipe in existing:
            recipe_before = require_regular(folder.recipe).read_bytes()
        RunFolder.usable(folder.path, recipe, resume)  # checked again: another process may have begun meanwhile
        write_whole(folder.path / HOLDER, to_json(_myself()))
        write_whole(folder.mark, MARK_TEXT)
        if recipe_before is None or folder.read_recipe() != recipe:
            write_whole(folder.recipe, dump_recipe(recipe))
        yield
    except (InputError, OSError):
        if not folder.learnt:
            if recipe_before is not None and folder.recipe.read_bytes() != recipe_before:
                write_whole(folder.recipe, recipe_before)
            for path in set(own_files(folder)) - existing:
                path.unlink(missing_ok=True)
            remove_folders(made)
        raise
    finally:
        with suppress(OSError):
            (folder.path / HOLDER).unlink()
        lock.release()


def _acquired(folder: RunFolder, made: list[Path]) -> FileLock:
    """The folder's lock, held by this process."""
    lock = FileLock(folder.path / LOCK, timeout=0)
    try:
        lock.acquire()
        if (folder.path / LOCK).exists():
            return lock
        lock.release()  # its holder removed the folder in the meantime
    except Timeout:
        pass
    except (OSError, NotImplementedError) as error:
        remove_folders(made)
        raise InputError(f"run folder {folder.path} cannot be locked ({error}): give another one with --out") from None
    raise FolderInUseError(_who(folder))


def require_free(folder: RunFolder) -> None:
    """Raise `FolderInUseError` if another process is training in `folder`."""
    if (folder.path / LOCK).is_file():
        _acquired(folder, []).release()


def own_files(folder: RunFolder) -> list[Path]:
    """The files that a run makes before anything is learnt, and the current files of TensorBoard."""
    path = folder.path
    events = sorted(folder.tensorboard.glob("events.out.tfevents.*"))
    return [path / LOCK, path / HOLDER, folder.mark, folder.recipe, folder.log, path / "mlflow.db", *events]


def _myself() -> dict[str, str | int]:
    return {
        "process": os.getpid(),
        "machine": socket.gethostname(),
        "since": datetime.now().astimezone().isoformat(" ", "seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])[:400],
    }


def _who(folder: RunFolder) -> str:
    """A sentence that says who holds the folder."""
    try:
        holder = read_json(folder.path / HOLDER)
        who = f"process {holder['process']} on {holder['machine']}, since {holder['since']} (`{holder['command']}`)"
    except (InputError, KeyError, TypeError):  # it has only just started
        who = "another process"
    return f"run folder {folder.path} is in use by {who}: wait until it ends, or give another folder with --out"
