"""Finished runs, grouped by everything but the seed and the fold."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from afanet.comparison.resampling import FOLD, Draw, in_order
from afanet.errors import InputError, unknown
from afanet.outside import short_name, short_names
from afanet.recipe.code import identified, require_code
from afanet.recipe.schema import Recipe
from afanet.recipe.variants import unused
from afanet.runs.folder import leaves
from afanet.runs.run import Run, lacks_augmentation
from afanet.runs.siblings import method_of

BASE = "single"  # the method that every other one is compared with, unless another baseline is given
OF_BACKBONE = ("network.mean", "network.std")
PROTOCOL = ("data.name", "data.size", "data.resize", "tasks", "select", "select.by")  # and all of data.options


@dataclass(frozen=True)
class Group:
    """Runs that differ only in seed and fold, ordered by fold and seed, with a title that says what sets them apart.

    The first run is on a fold that all groups of a comparison have.
    """

    title: str
    runs: tuple[Run, ...]

    @property
    def recipe(self) -> Recipe:
        """The recipe of the first run."""
        return self.runs[0].recipe

    @property
    def seeds(self) -> list[int]:
        """The seeds of the runs."""
        return [draw.seed for draw in self.draws]

    @property
    def draws(self) -> list[Draw]:
        """The fold and the seed of each run."""
        return [Draw.of(run.recipe) for run in self.runs]


def group_runs(runs: Sequence[Run], baseline: str = BASE) -> list[Group]:
    """The runs by method and whatever else differs, the baseline first, then in the order of `runs`.

    Raises `InputError` for two runs that cannot be compared because they differ in data set, split, resolution,
    selection, tasks, content of the files or augmentation; for a seed that occurs twice on one fold; for methods
    without a common fold; and for a baseline of which there is no run, unless it is single task.
    """
    for run in runs:
        require_code(run.recipe)
        require_comparable(runs[0], run)
    _require_one_content_a_fold(runs)
    by_values: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in runs:
        key = tuple((name, repr(value)) for name, value in method_of(run.recipe).items() if name != FOLD)
        by_values.setdefault(key, []).append(run)
    groups = []
    common = _common_folds(list(by_values.values()))
    methods = [same[0].recipe.network.method for same in by_values.values()]
    for title, same in zip(_titles([dict(key) for key in by_values], methods), by_values.values(), strict=True):
        same = in_order(same, common)
        for run, following in pairwise(same):
            if Draw.of(run.recipe) == Draw.of(following.recipe):
                raise InputError(f"{run.path} and {following.path} are the same run: give one of them")
        groups.append(Group(title, tuple(same)))
    base = base_of(groups, baseline)
    return sorted(groups, key=lambda group: group is not base)


def base_of(groups: Sequence[Group], baseline: str) -> Group | None:
    """The group that others are compared with, by its title or by what its folders are called before `-seed`.

    It is None without a run of single task, if that is the baseline; raises `InputError` for any other missing one.
    """
    name = short_name(baseline)
    for group in groups:
        folders = {re.sub(r"(-fold\d+)?-seed\d+$", "", run.path.name) for run in group.runs}
        if group.title == name or folders == {name}:
            return group
    if baseline == BASE:
        return None
    raise unknown("--baseline", baseline, [group.title for group in groups])


def in_words(baseline: str) -> str:
    """What sentences call the baseline with this title: `single task`, or the title itself."""
    return "single task" if baseline == BASE else baseline


def require_comparable(run: Run, other: Run) -> None:
    """Raise `InputError` if the scores of two runs do not measure the same; their folds may differ."""
    a, b = (leaves(identified(each.recipe)) for each in (run, other))
    require_same_augmentation({str(each.path): each.results for each in (run, other)})
    keys = [key for key in a | b if key in PROTOCOL or (key.startswith("data.options.") and key != FOLD)]
    differ: list[tuple[str, Any, Any]] = [(key, a.get(key), b.get(key)) for key in keys if a.get(key) != b.get(key)]
    contents = [each.results.get("fingerprint") for each in (run, other)]
    if not differ and a.get(FOLD) == b.get(FOLD) and contents[0] != contents[1]:
        differ = [("the content of the data", contents[0], contents[1])]
    for key, ours, theirs in differ:
        raise InputError(
            f"{run.path} and {other.path} cannot be compared: {key} is {ours} in the former and {theirs} in the latter"
        )


def _require_one_content_a_fold(runs: Sequence[Run]) -> None:
    """Raise `InputError` if the data of one fold differ between runs, or two folds have the same data."""
    contents: dict[int | None, Run] = {}
    for run in runs:
        require_comparable(contents.setdefault(Draw.of(run.recipe).fold, run), run)
    folds: dict[str, Run] = {}
    for run in contents.values():
        content = run.results.get("fingerprint")
        if content is not None and (other := folds.setdefault(content, run)) is not run:
            raise InputError(
                f"{other.path} and {run.path} cannot be compared as two folds: the content of their data is the same"
            )


def _common_folds(groups: Sequence[Sequence[Run]]) -> set[int | None]:
    """The folds on which every group has a run; raises `InputError` for none."""
    each = [{Draw.of(run.recipe).fold for run in runs} for runs in groups]
    if groups and not (common := set.intersection(*each)):
        apart = next(index for index, folds in enumerate(each) if not folds & each[0])
        raise InputError(
            f"{groups[0][0].path} and {groups[apart][0].path} cannot be compared: their methods have no fold in common"
        )
    return common if groups else set()


def require_same_augmentation(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `InputError` if some runs read features kept without augmentation, but others saw augmented images.

    Args:
        results: the results of each run, by its folder.
    """
    kept = {lacks_augmentation(of_run): path for path, of_run in results.items()}
    if len(kept) > 1:
        raise InputError(
            f"{kept[True]} and {kept[False]} cannot be compared: the former read kept features without augmentation, "
            "and the latter trained on augmented images; train all with data.features none, or keep features with "
            "--views"
        )


def _titles(keys: Sequence[dict[str, str]], methods: Sequence[str]) -> list[str]:
    """The method of each, with every value that differs from the usual one: `afa, guard=2.0`.

    If single task occurs once, it is the baseline, and its values are the usual ones; otherwise the usual values are
    those of most runs. A key that a method does not use is named only if it distinguishes two columns of this method.
    """
    names = list(dict.fromkeys(name for key in keys for name in key))
    usual = {name: Counter(key.get(name) for key in keys).most_common(1)[0][0] for name in names}
    short = short_names(methods)
    if methods.count(BASE) == 1:
        base = keys[methods.index(BASE)]
        usual |= {name: base.get(name) for name in names if not name.startswith(unused(BASE))}
    titles = []
    for method, key in zip(methods, keys, strict=True):
        of_method = [each for each, other in zip(keys, methods, strict=True) if other == method]
        ignored = [
            name
            for name in names
            if name.startswith(unused(method)) and len({each.get(name) for each in of_method}) == 1
        ]
        apart = [
            f"{_short(name)}={key.get(name, 'default')}"
            for name in names
            if name != "network.method" and name not in ignored and _differs(name, key, usual)
        ]
        titles.append(", ".join([short[method], *apart]))
    return titles


def _differs(name: str, key: Mapping[str, str], usual: Mapping[str, str | None]) -> bool:
    """Whether a key sets these runs apart and belongs in their title.

    A section that may be null is named only if it is null; else its parts are named. A part without a value is not
    named, nor are the mean and the standard deviation that come with another backbone.
    """
    if name in OF_BACKBONE and key.get("network.backbone") != usual.get("network.backbone"):
        return False
    section = name.rpartition(".")[0]
    if (name not in key and any(part.startswith(f"{name}.") for part in key)) or key.get(section) == str(None):
        return False
    if {key.get(name), usual[name]} <= {None, str(None)}:  # then the difference is that the others have that section
        return any(part.startswith(f"{name}.") and value is not None for part, value in usual.items())
    return key.get(name) != usual[name]


def _short(name: str) -> str:
    """A key as a title has it, `lr`, `lora.rank`, `guard`; for the name of a section the section, `balancing`."""
    section, _, key = name.partition(".")
    return section if key == "name" else key or name
