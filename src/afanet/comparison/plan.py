"""The runs that a comparison needs, and the training of those that are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from time import sleep
from typing import Any

from afanet.comparison.groups import require_same_augmentation
from afanet.comparison.resampling import Draw
from afanet.data.cache import fingerprint
from afanet.errors import InputError, shown
from afanet.files import path_in
from afanet.limits import MOST_SEEDS
from afanet.outside import anchored, is_reference, short_names
from afanet.progress import say
from afanet.recipe.preprocessing import normalisation
from afanet.recipe.schema import Recipe
from afanet.recipe.variants import for_method
from afanet.runs.folder import RunFolder
from afanet.runs.hold import FolderInUseError
from afanet.runs.run import Run
from afanet.runs.setup import data_cache, open_whole
from afanet.training.balancing.methods import find_balancing
from afanet.training.run import train

POLL = 5.0  # seconds between checks whether another command has trained a first stage


@dataclass(frozen=True)
class Planned:
    """One run of a comparison: its resolved recipe and its folder, `OUT/NAME-seedSEED` or `OUT/NAME-foldF-seedSEED`.

    In a comparison in two stages, `first` is the run of single-task networks that this run starts from.
    """

    recipe: Recipe
    folder: RunFolder
    first: Planned | None = None

    @property
    def finished(self) -> bool:
        """Whether the run was trained to its end."""
        return self.folder.finished


def by_methods(recipe: Recipe, methods: Sequence[str]) -> dict[str, Recipe]:
    """The recipe with each method, by the method's name or, for one in a file, the name of its class.

    Raises `InputError` for an unknown method, and for one that occurs twice.
    """
    if len(set(methods)) < len(methods) or not methods:
        raise InputError(
            f"--methods is {shown(','.join(methods))}, expected different methods with commas between them"
        )
    names = short_names([anchored(method, Path.cwd()) if is_reference(method) else method for method in methods])
    return {short: for_method(recipe, method) for method, short in names.items()}


def plan(variants: Mapping[str, Recipe], seeds: int, out: Path, folds: Sequence[int | None] = (None,)) -> list[Planned]:
    """Every variant with `seeds` seeds, from its own seed on: all variants of one seed, then of the next.

    With `folds` of the data: all variants of one fold and seed, then of the next seed, then of the next fold.

    Raises `InputError` for fewer than one seed or more than `MOST_SEEDS`, and for a seed beyond the largest.
    """
    if not 1 <= seeds <= MOST_SEEDS:
        raise InputError(f"--seeds is {shown(seeds)}, expected 1 to {MOST_SEEDS}")
    if (least := max((recipe.seed for recipe in variants.values()), default=0)) + seeds > 2**32:
        raise InputError(f"there are no {seeds} seeds from {least} on, since the largest is {2**32 - 1}: lower --seed")
    return [
        Planned(drawn, folder_of(out, name, Draw(fold, drawn.seed)))
        for fold, number in product(folds, range(seeds))
        for name, recipe in variants.items()
        for drawn in [on_fold(recipe, fold).model_copy(update={"seed": recipe.seed + number})]
    ]


def folder_of(out: Path, name: str, draw: Draw) -> RunFolder:
    """The folder of a run of a comparison.

    >>> folder_of(Path("out"), "afa", Draw(2, 0)).path.name
    'afa-fold2-seed0'
    """
    fold = "" if draw.fold is None else f"-fold{draw.fold}"
    return RunFolder(path_in(out, f"{name}{fold}-seed{draw.seed}"))


def on_fold(recipe: Recipe, fold: int | None) -> Recipe:
    """The recipe with a fold of its data to test on; itself for None."""
    if fold is None:
        return recipe
    options = recipe.data.options | {"fold": fold}
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"options": options})})


def read_folds(text: str | None) -> tuple[int | None, ...]:
    """The folds that a flag lists, separated by commas; `(None,)` for None.

    >>> read_folds("0,2,4"), read_folds(None)
    ((0, 2, 4), (None,))
    """
    if text is None:
        return (None,)
    words = [word.strip() for word in text.split(",")]
    if not all(map(_is_count, words)) or len(set(map(int, words))) < len(words):
        raise InputError(f"--folds is {shown(text)}, expected different folds with commas between them, such as 0,1,2")
    return tuple(map(int, words))


def part(planned: Sequence[Planned], which: str) -> list[Planned]:
    """The i-th of n shares of the runs, from `i/n`: every n-th of them.

    >>> part("abcde", "2/3")
    ['b', 'e']
    """
    index, slash, total = which.partition("/")
    if not (slash and _is_count(index) and _is_count(total) and 1 <= int(index) <= int(total)):
        raise InputError(f"--only is {shown(which)}, expected i/n with i from 1 to n, such as 1/4")
    return list(planned[int(index) - 1 :: int(total)])


def _is_count(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) < 10


def _require_scale(run: Planned) -> None:
    """Raise `InputError` if a run of a version without `balancing.scale` trains with another scale than planned."""
    continued, row = run.folder.continued(run.recipe).balancing, find_balancing(run.recipe.balancing.name)
    if continued.scale != run.recipe.balancing.scale and row.kind == "gradient":
        raise InputError(
            f"{run.folder.path} is from a version without balancing.scale, which trained by '{continued.scale}', but "
            f"this comparison has '{run.recipe.balancing.scale}': give --balancing.scale {continued.scale}, or compare "
            "in another folder with --out"
        )


def _require_normalisation(run: Planned) -> None:
    """Raise `InputError` if a run normalises images differently from a new run of this comparison."""
    then, now = (normalisation(r.network) for r in (run.folder.continued(run.recipe), run.recipe))
    if then != now:
        raise InputError(
            f"{run.folder.path} normalises images by mean {list(then.mean)} and std {list(then.std)}, but a new run of "
            f"this comparison by {list(now.mean)} and {list(now.std)}: give --network.mean {_flag(then.mean)} "
            f"--network.std {_flag(then.std)}, or compare in another folder with --out"
        )


def _flag(values: Sequence[float]) -> str:
    return " ".join(map(str, values))


def with_first_stages(planned: Sequence[Planned]) -> list[Planned]:
    """The runs in the order of their training: each first stage once, before the first unfinished run that needs it."""
    trained: dict[Path, Planned] = {}
    for run in planned:
        if run.first is not None and not run.finished:
            trained.setdefault(run.first.folder.path, run.first)
        trained[run.folder.path] = run
    return list(trained.values())


def complete(planned: Sequence[Planned]) -> None:
    """Train every run that is not finished, after its first stage, and from its last checkpoint if it has one.

    If another command trains a first stage, this one waits for it.

    Raises `InputError`, before any training, for a folder with a run of another recipe or on other data; and as soon as
    one run has read features kept without augmentation while another saw augmented images.
    """
    planned = with_first_stages(planned)
    shared = {run.first.folder.path for run in planned if run.first is not None}
    contents: dict[int | None, str] = {}
    folds = {Draw.of(run.recipe).fold: run.recipe for run in planned}
    if len(folds) > 1:
        for recipe in folds.values():
            open_whole(recipe)  # an unknown fold is refused before hours of training
    finished: dict[str, dict[str, Any]] = {}
    for run in planned:
        RunFolder.usable(run.folder.path, run.recipe, resume=True)
        _require_scale(run)
        _require_normalisation(run)
        if not run.finished:
            continue
        results = finished[str(run.folder.path)] = run.folder.read_results()
        then = run.folder.read_recipe()
        if then.precision != run.recipe.precision:
            raise InputError(
                f"{run.folder.recipe} has precision {then.precision}, but this comparison has {run.recipe.precision}: "
                f"give --precision {then.precision}, or compare in another folder with --out"
            )
        fold = Draw.of(run.recipe).fold
        if fold not in contents:
            contents[fold] = fingerprint(open_whole(run.recipe), data_cache(run.recipe))
        if results.get("fingerprint") != contents[fold]:
            raise InputError(
                f"{run.folder.path} was trained on other data than {run.recipe.data.root or run.recipe.data.name}: "
                "compare in another folder with --out, or remove that one"
            )
    require_same_augmentation(finished)
    for number, run in enumerate(planned, start=1):
        name = f"{run.folder.path.name} ({number} of {len(planned)})"
        say(f"{name}: there already" if run.finished else f"\n{name}")
        if not run.finished:
            trained = _train(run, waits=run.folder.path in shared)
            finished[str(run.folder.path)] = trained.results
            require_same_augmentation(finished)


def _train(run: Planned, waits: bool) -> Run:
    """Train a run from where it stands; if it `waits`, after any other command that trains it."""
    said = False
    while True:
        try:
            return train(run.recipe, run.folder.path, resume=True)
        except FolderInUseError:
            if not waits:
                raise
            if not said:
                say(f"another command trains {run.folder.path}: this one waits for it")
            said = True
            sleep(POLL)
