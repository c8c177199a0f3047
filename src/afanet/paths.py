"""Paths to runs, data sets, folders of images and the cache, checked before anything heavy is imported."""

from __future__ import annotations

import os
from pathlib import Path

from afanet.errors import InputError

LEAVING = r"^[/\\]|^[A-Za-z]:|(^|[/\\])\.\.([/\\]|$)|[\r\n\x00]"  # absolute, leading up, or not a path at all
RUN_FILES = ("recipe.yaml", "last.ckpt")  # the files of every run folder
WEIGHTS = "weights.safetensors"  # of a finished run, which then needs no checkpoint
HUB = "hub:"  # before the name of a network on the Hugging Face hub
IMAGE_FOLDER = "a folder with images, or with images/"


def is_on_hub(source: str | Path) -> bool:
    """Whether `source` names a network on the Hugging Face hub, as `hub:owner/name`, rather than a folder.

    >>> is_on_hub(Path("hub:ada/rooms-afa")), is_on_hub("runs/rooms-afa-seed0")
    (True, False)
    """
    return str(source).startswith(HUB)


def near(path: str | Path) -> str:
    """A path as you would write it in the working folder: relative if it is below that folder.

    >>> near(Path.cwd() / "runs" / "rooms-afa-seed0"), near("hub:ada/rooms-afa")
    ('runs/rooms-afa-seed0', 'hub:ada/rooms-afa')
    """
    below = Path(path).is_relative_to(Path.cwd())
    return str(Path(path).relative_to(Path.cwd())) if below else str(path)


def cache_root() -> Path:
    """The folder of all caches: `$AFANET_CACHE`, else `afanet` in the user's folder for caches."""
    if chosen := os.environ.get("AFANET_CACHE"):
        return Path(chosen).absolute()
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "afanet"
    except RuntimeError:  # HOME is unset, and the user is unknown to this machine
        raise InputError("there is no home folder for the cache: set AFANET_CACHE to a folder") from None


def require_run(path: Path) -> None:
    """Raises `InputError` unless `path` is the folder of a run that has saved a checkpoint.

    >>> require_run(Path("runs/nowhere"))
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: runs/nowhere is not a run folder: it has no recipe.yaml, expected a folder that ...
    """
    finished = (path / WEIGHTS).is_file()
    for name in RUN_FILES[:1] if finished else RUN_FILES:
        if not (path / name).is_file():
            raise InputError(
                f"{path} is not a run folder: it has no {name}, expected a folder that `afanet train` wrote"
            )


def require_data(path: Path) -> None:
    """Raises `InputError` unless `path` is a folder that may hold a data set."""
    if not path.is_dir():
        kind = "a file" if path.exists() else "nothing"
        raise InputError(f"{path} is {kind}, expected a recipe or the folder of a data set")


def require_folder(folder: Path, expected: str) -> None:
    """Raises `InputError` unless `folder` is a folder with something in it."""
    if not folder.exists():
        raise InputError(f"data path '{folder}' does not exist, expected {expected}")
    if not folder.is_dir():
        raise InputError(f"data path '{folder}' is a file, expected {expected}")
    if not any(folder.iterdir()):
        raise InputError(f"data path '{folder}' is an empty folder, expected {expected}")
