"""The folder of a run: everything that a run was given and everything that came of it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from afanet.errors import InputError
from afanet.training.load import dump_recipe, load_recipe
from afanet.training.recipe import Recipe


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
        self.metrics = path / "metrics.json"
        self.evaluation = path / "evaluation.json"
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
    def existing(cls, path: Path) -> RunFolder:
        """The folder of a run that has saved a checkpoint.

        Raises `InputError` where the folder is none of a run.
        """
        folder = cls(path)
        for file in (folder.recipe, folder.checkpoint):
            if not file.is_file():
                raise InputError(f"{path} is no folder of a run: it has no {file.name}, expected what train writes")
        return folder

    def create(self, recipe: Recipe) -> None:
        """Make the folder, with the resolved recipe in it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.recipe.write_text(dump_recipe(recipe), encoding="utf-8")
        except OSError as error:
            raise InputError(f"run folder {self.path} cannot be written: {error.strerror}") from None

    def read_recipe(self) -> Recipe:
        """The recipe that the run was made by."""
        return load_recipe(self.recipe)

    def write(self, file: Path, results: dict[str, Any]) -> None:
        """Keep results as JSON, with null for a figure that nothing was there to compute from."""
        text = json.dumps(_strict(results), indent=2, allow_nan=False)
        try:
            file.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{file} cannot be written: {error.strerror}") from None

    def read_metrics(self) -> dict[str, Any] | None:
        """The results at the end of training, None where the run did not come to it.

        Raises `InputError` where the file holds something else.
        """
        if not self.metrics.is_file():
            return None
        try:
            results = json.loads(self.metrics.read_text(encoding="utf-8"))
            return {key: results[key] for key in ("tasks", "threads")}
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{self.metrics} is not what train wrote: restore it, or remove it") from None


def default_folder(recipe: Recipe) -> Path:
    """`runs/NAME-METHOD-seedSEED`.

    >>> default_folder(load_recipe("rooms")).as_posix()
    'runs/rooms-afa-seed0'
    """
    return Path("runs") / f"{recipe.name}-{recipe.network.method}-seed{recipe.seed}"


def _strict(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strict(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
