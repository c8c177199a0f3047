"""The folder of a run: its recipe, and everything that the run wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from afanet.errors import InputError, shown
from afanet.files import path_in, write_whole
from afanet.json_text import to_json
from afanet.outside import require_unchanged, short_name
from afanet.paths import WEIGHTS, require_run
from afanet.recipe.load import load_recipe, older_values, with_older_values
from afanet.recipe.schema import Recipe
from afanet.recipe.variants import as_begun
from afanet.runs.checkpoint import PREFIX, read_checkpoint
from afanet.runs.kept import check_results, read_kept, require_known_version
from afanet.runs.outside_data import require_outside

MARK = "afanet-run.txt"
MARK_TEXT = "A run of afanet: `afanet train` made this folder, and goes on in it with --resume.\n"
LOCK, HOLDER = ".afanet-lock", ".afanet-holder.json"
LABELS = (MARK, LOCK, HOLDER)  # files that mark a folder as a run's and hold no results
# The keys that may change when a run is resumed.
MAY_DIFFER = (
    *("workers", "checkpoint_every", "pictures_every", "device", "precision", "keep_optimizer"),
    "network.checkpointing",
    "data.stream_cache",
)


class RunFolder:
    """The paths of a run's files: its recipe, losses by epoch, last checkpoint, weights, metrics and picture.

    >>> RunFolder(Path("runs/rooms-afa-seed0")).checkpoint.as_posix()
    'runs/rooms-afa-seed0/last.ckpt'
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mark = path / MARK
        self.recipe = path / "recipe.yaml"
        self.log = path / "log.csv"
        self.tensorboard = path / "tensorboard"
        self.checkpoint = path / "last.ckpt"
        self.best = path / "best.ckpt"
        self.scored = path / WEIGHTS
        self.single = path / "single"
        self.metrics = path / "metrics.json"
        self.evaluation = path / "evaluation.json"
        self.costs = path / "costs.json"
        self.images = path / "images.npz"
        self.since = path / "since.json"
        self.picture = path / "predictions.png"
        self.elsewhere = False  # whether its files are in a cache, where nothing else is written

    def __repr__(self) -> str:
        return f"RunFolder({str(self.path)!r})"

    @classmethod
    def fresh(cls, path: Path) -> RunFolder:
        """A folder that does not exist yet or is empty; this does not create it.

        Raises `InputError` if the folder has files already.
        """
        try:
            if path.exists() and not (path.is_dir() and all(file.name in LABELS for file in path.iterdir())):
                raise InputError(
                    f"run folder {path} exists and is not empty: give another one with --out, or remove it"
                )
        except OSError as error:
            raise InputError(f"run folder {path} cannot be used: {error.strerror}") from None
        return cls(path)

    @classmethod
    def resumable(cls, path: Path, recipe: Recipe) -> RunFolder:
        """A folder in which a run of `recipe` was begun, or a fresh one.

        Raises `InputError` for a folder with anything else in it, or with a run of another recipe.
        """
        folder = cls(path)
        if not folder.recipe.is_file():
            return cls.fresh(path)
        if not folder.is_run:
            raise InputError(
                f"{path} has a {folder.recipe.name}, but nothing else that train writes, so it is not a run folder to "
                "resume in: give another one with --out"
            )
        begun = folder.read_recipe()
        require_unchanged(begun.code)
        then, now = (leaves(r.model_dump(mode="json", exclude={"code"})) for r in (begun, folder.continued(recipe)))
        for key in then | now:
            if then.get(key) != now.get(key) and key not in MAY_DIFFER:
                raise InputError(
                    f"{folder.recipe} has {key} {shown(then.get(key))}, but now it is {shown(now.get(key))}: to "
                    "resume, give the same command as before, or start another run with --out"
                )
        return folder

    @classmethod
    def usable(cls, path: Path, recipe: Recipe, resume: bool) -> RunFolder:
        """A fresh folder outside the recipe's data or, with `resume`, one in which a run of `recipe` was begun."""
        folder = cls.resumable(path, recipe) if resume else cls.fresh(path)
        if not folder.is_run:
            require_outside(path, recipe)
        return folder

    @property
    def is_run(self) -> bool:
        """Whether a run was begun here: it has the mark or, if an older version began it, other files of a run."""
        if self.mark.is_file():
            return True
        if not self.recipe.is_file():
            return False
        return _is_log(self.log) or _is_checkpoint(self.checkpoint) or RunFolder(self.single).is_run

    @property
    def finished(self) -> bool:
        """Whether the run has finished."""
        return self.metrics.is_file()

    @property
    def learnt(self) -> bool:
        """Whether the folder has anything worth keeping: weights, a first stage, a batch that failed."""
        kept = (self.checkpoint, self.best, self.single, *self.path.glob("nonfinite*.pt"))
        return any(file.exists() for file in kept)

    @classmethod
    def existing(cls, path: Path) -> RunFolder:
        """The folder of a run that has saved a checkpoint.

        Raises `InputError` for a folder that is not a run's.
        """
        require_run(path)
        return cls(path)

    def selected(self, recipe: Recipe) -> Path:
        """The checkpoint whose weights are scored: the last, or that of the best epoch if the recipe selects one."""
        return self.best if recipe.selects else self.checkpoint

    def weights(self, recipe: Recipe) -> Path:
        """The file with the scored weights: a finished run's own file, or a checkpoint (also in older runs)."""
        return self.scored if self.finished and self.scored.is_file() else self.selected(recipe)

    def read_results(self) -> dict[str, Any]:
        """The results that training wrote at its end.

        Raises `InputError` if the file holds something else, or if a newer version wrote it.
        """
        results = read_kept(self.metrics)
        require_known_version(self.path, self.metrics, results)
        return check_results(self.metrics, results)

    def read_recipe(self) -> Recipe:
        """The recipe of the run; keys that its version did not have yet are set to what that version did."""
        return load_recipe(self.recipe, older_values(self.recipe))

    def continued(self, recipe: Recipe) -> Recipe:
        """`recipe` for resuming the run in this folder: keys that its version did not have are set to what it did.

        Values that `recipe` gives for such keys stay; resuming then refuses them.
        """
        if not (self.recipe.is_file() and self.is_run):
            return recipe
        return as_begun(with_older_values(recipe, self.recipe), self.read_recipe())

    def output(self, name: str) -> Path:
        """The default path of a file that a command writes; raises `InputError` if nothing can be written here."""
        return self.path / name

    def write(self, file: Path, results: dict[str, Any]) -> None:
        """Write results as JSON, with null for a score that could not be computed."""
        write_whole(file, to_json(results, indent=2) + "\n")


def leaves(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted key.

    >>> leaves({"a": 1, "b": {"c": 2}})
    {'a': 1, 'b.c': 2}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _is_log(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as log:
        return log.read(19) == b"epoch,step,seconds,"


def _is_checkpoint(file: Path) -> bool:
    if not file.is_file():
        return False
    try:
        return all(name.startswith(PREFIX) for name in read_checkpoint(file)["state_dict"])
    except InputError:
        return False


def default_folder(recipe: Recipe) -> Path:
    """`runs/NAME-METHOD-seedSEED`; raises `InputError` if the recipe's name cannot be part of a folder's name.

    >>> default_folder(load_recipe("rooms")).as_posix()
    'runs/rooms-afa-seed0'
    """
    return path_in(Path("runs"), f"{recipe.name}-{short_name(recipe.network.method)}-seed{recipe.seed}")
