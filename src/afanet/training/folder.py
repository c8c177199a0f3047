"""The folder of a run: everything that a run was given and everything that came of it."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

from afanet import __version__
from afanet.errors import InputError
from afanet.files import write_whole
from afanet.training.load import dump_recipe, load_recipe
from afanet.training.recipe import Recipe

MAY_DIFFER = ("workers", "checkpoint_every", "pictures_every", "device", "precision")  # between a run and its resuming


class RunFolder:
    """The paths of a run's files: its recipe, losses by epoch, last checkpoint, metrics and picture.

    >>> RunFolder(Path("runs/rooms-afa-seed0")).checkpoint.as_posix()
    'runs/rooms-afa-seed0/last.ckpt'
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe = path / "recipe.yaml"
        self.log = path / "log.csv"
        self.checkpoint = path / "last.ckpt"
        self.best = path / "best.ckpt"
        self.single = path / "single"
        self.metrics = path / "metrics.json"
        self.evaluation = path / "evaluation.json"
        self.costs = path / "costs.json"
        self.picture = path / "predictions.png"

    @classmethod
    def fresh(cls, path: Path) -> RunFolder:
        """A folder that does not exist yet, or is empty; it is not made.

        Raises `InputError` where something stands already.
        """
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise InputError(f"run folder {path} exists and is not empty: give another one with --out, or remove it")
        return cls(path)

    @classmethod
    def resumable(cls, path: Path, recipe: Recipe) -> RunFolder:
        """A folder in which a run by `recipe` was begun, or a fresh one.

        Raises `InputError` where something else stands there, or a run by another recipe.
        """
        folder = cls(path)
        if not folder.recipe.is_file():
            return cls.fresh(path)
        then, now = (leaves(r.model_dump(mode="json")) for r in (folder.read_recipe(), recipe))
        for key in then | now:
            if then.get(key) != now.get(key) and key not in MAY_DIFFER:
                raise InputError(
                    f"{folder.recipe} has {key} {then.get(key)!r}, and now it is {now.get(key)!r}: to resume, give the "
                    "same command as before, or start another run with --out"
                )
        return folder

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """The folder of a run that has saved a checkpoint.

        Raises `InputError` where the folder is none of a run.
        """
        folder = cls(path)
        for file in (folder.recipe, folder.checkpoint):
            if not file.is_file():
                raise InputError(f"{path} is no folder of a run: it has no {file.name}, expected what train writes")
        return folder

    def weights(self, recipe: Recipe) -> Path:
        """The checkpoint whose weights are scored: the last, or that of the best epoch where the recipe selects."""
        return self.best if recipe.select == "validation" else self.checkpoint

    def create(self, recipe: Recipe) -> None:
        """Make the folder, with the resolved recipe in it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.recipe.write_text(dump_recipe(recipe), encoding="utf-8")
        except OSError as error:
            raise InputError(f"run folder {self.path} cannot be written: {error.strerror}") from None

    def remove(self) -> None:
        """Remove what a run that learnt nothing has left, and the folder; a first stage stays, with the recipe."""
        kept = (self.single, self.recipe) if self.single.exists() else ()
        for file in self.path.iterdir():
            if file in kept:
                continue
            if file.is_file():
                file.unlink()
            else:
                shutil.rmtree(file)
        if not kept:
            self.path.rmdir()

    def read_results(self) -> dict[str, Any]:
        """What the end of training wrote."""
        results: dict[str, Any] = json.loads(self.metrics.read_text(encoding="utf-8"))
        return results

    def read_recipe(self) -> Recipe:
        """The recipe that the run was made by."""
        return load_recipe(self.recipe)

    def write(self, file: Path, results: dict[str, Any]) -> None:
        """Keep results as JSON, with null for a figure that nothing was there to compute from."""
        write_whole(file, json.dumps(strict(results), indent=2, allow_nan=False) + "\n")

    def read_metrics(self) -> dict[str, Any] | None:
        """The results at the end of training, None where the run did not come to it; runs of before kept no threads.

        Raises `InputError` where the file holds something else, or a newer version than this one wrote it.
        """
        if not self.metrics.is_file():
            return None
        try:
            results = json.loads(self.metrics.read_text(encoding="utf-8"))
            tasks, threads = results["tasks"], results.get("threads")
            made = str(results.get("versions", {}).get("afanet", __version__))
            newer = _minor(made) > _minor(__version__)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"{self.metrics} is not what train wrote: restore it, or remove it") from None
        if newer:
            raise InputError(
                f"{self.path} was made by afanet {made}, which this version, {__version__}, does not know how to read: "
                "install that one or a later one"
            )
        return {"tasks": tasks, "threads": threads}


def _minor(version: str) -> tuple[int, ...]:
    """What of a version may change how a run is kept; a patch never does.

    >>> _minor("1.2.3") == _minor("1.2.4rc1") < _minor("1.10.0")
    True
    """
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def leaves(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted key.

    >>> leaves({"a": 1, "b": {"c": 2}})
    {'a': 1, 'b.c': 2}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return found


def default_folder(recipe: Recipe) -> Path:
    """`runs/NAME-METHOD-seedSEED`.

    >>> default_folder(load_recipe("rooms")).as_posix()
    'runs/rooms-afa-seed0'
    """
    return Path("runs") / f"{recipe.name}-{recipe.network.method}-seed{recipe.seed}"


def strict(value: Any) -> Any:
    """Nested values as JSON has them: null in place of what is no finite number.

    >>> strict({"a": [1.5, math.nan]})
    {'a': [1.5, None]}
    """
    if isinstance(value, dict):
        return {key: strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
