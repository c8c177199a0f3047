"""The `config.json` of a saved folder: all of a run except its weights, without code and without local paths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field

from afanet.errors import InputError, shown, unknown
from afanet.networks.weights.spelling import FOLDER, HUB, WORDS
from afanet.outside import is_reference
from afanet.paths import is_on_hub
from afanet.recipe.code import references_in
from afanet.recipe.load import recipe_of_values
from afanet.recipe.preprocessing import with_normalisation_of_backbone
from afanet.recipe.schema import Recipe
from afanet.recipe.section import TaskName
from afanet.runs.kept import (
    Count,
    Described,
    Kept,
    MachineMade,
    Reason,
    Scores,
    Threads,
    check_kept,
    check_results,
    read_kept,
)
from afanet.tasks import Description

if TYPE_CHECKING:
    from afanet.runs.run import Run

FORMAT = 1
OF_MACHINE = ("device", "devices", "workers", "loggers")  # keys of a recipe that every machine decides for itself
NAMES = {"tasks": "described", "scores": "tasks"}  # keys that have another name in a run's results
AS_IN_RESULTS = (
    *("validation", "unscored", "data", "machine_made", "teachers", "weights", "fingerprint"),
    *("without_augmentation", "steps", "selected_epoch", "parameters", "flops", "threads", "versions"),
)
FOLDERS = re.compile(r"""(?<![^\s'"(])/[^;()\n]*/""")  # the folders of an absolute path in a sentence
Unscored = dict[Literal["tasks", "validation"], dict[str, Reason]]


class _Task(Described):
    """A task's description; other keys are refused."""

    model_config = ConfigDict(strict=True, extra="forbid")


class _Config(Kept):
    """All keys of the file."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal[1]
    recipe: dict[str, Any]
    tasks: Annotated[dict[TaskName, _Task], Field(min_length=1)]
    scores: Scores
    validation: Scores = Field({})
    unscored: Unscored = Field({})
    data: str = ""
    machine_made: MachineMade = Field({})
    teachers: dict[TaskName, str] = Field({})
    weights: str = ""
    fingerprint: str | None = None
    without_augmentation: bool = False
    steps: Count = 0
    selected_epoch: Count | None = None
    parameters: Count
    flops: Count
    threads: Threads | None = None
    versions: dict[str, str]


def config_of(run: Run) -> dict[str, Any]:
    """The content of `config.json` for a finished run.

    Raises `InputError` for a run with code from outside, which a saved folder never holds, and as `Run.tasks` does.
    """
    recipe = with_normalisation_of_backbone(run.recipe)
    values = recipe.model_dump(mode="json", exclude={"code"})
    described = run.described
    if code := _code(values, [description.meaning for description in described.values()]):
        raise InputError(
            f"{run.path} uses code from outside afanet ({code}), but a saved folder holds no code: share the run's "
            "folder and that file instead; others then add --trust-code"
        )
    if not described or not all(description.meaning for description in described.values()):  # of an older run
        described = {name: Description.of(task) for name, task in run.tasks.items()}
    kept = ("device",) if recipe.device == "cpu" else ()
    values = {key: value for key, value in values.items() if key not in OF_MACHINE or key in kept}
    results = {key: run.results[key] for key in AS_IN_RESULTS if key in run.results}
    texts: dict[str, Any] = {key: FOLDERS.sub("", results[key]) for key in ("data", "weights") if key in results}
    return {
        "format": FORMAT,
        "recipe": _without_paths(values) | {"tasks": list(described)},
        "tasks": {name: description.as_json() for name, description in described.items()},
        "scores": run.scores,
        **results,
        **texts,
    }


def read_config(file: Path) -> tuple[Recipe, dict[str, Any]]:
    """The recipe and the results in a `config.json`, in the form in which a run has them.

    Raises an `InputError` that names the first key that is unknown or has an invalid value, and one for a recipe or
    task with paths or code.
    """
    config = read_kept(file)
    if odd := next((key for key in config if key not in _Config.model_fields), None):
        raise InputError(f"{file}: {unknown('key', odd, _Config.model_fields)}; remove it, or save the run again")
    if (format := config.get("format")) != FORMAT and type(format) is int:
        raise InputError(f"{file} is in format {shown(format)}, expected {FORMAT}: install a newer version of afanet")
    check_kept(_Config, file, config)
    values = config["recipe"]
    if code := _code(values, [task["meaning"] for task in config["tasks"].values()]):
        raise InputError(f"{file} names code from outside afanet, {code}, which a saved folder never does: remove it")
    if path := next(_paths(values), None):
        raise InputError(f"{file}: 'recipe.{path[0]}' is {shown(path[1])}, but a saved folder has no paths: remove it")
    recipe = recipe_of_values(values, file)
    if recipe.tasks is not None and list(recipe.tasks) != list(config["tasks"]):
        raise InputError(
            f"{file}: 'recipe.tasks' is {', '.join(recipe.tasks)}, but 'tasks' has {', '.join(config['tasks'])}, "
            "expected the same tasks in the same order: restore the file, or save the run again"
        )
    for key in ("mean", "std"):
        if getattr(recipe.network, key) is None:
            raise InputError(f"{file}: 'recipe.network.{key}' is missing, expected a value for each channel")
    results = {NAMES.get(key, key): value for key, value in config.items() if key not in ("format", "recipe")}
    names = {"recipe": recipe.name, "method": recipe.network.method}
    return recipe, names | check_results(file, results)


def _code(values: Mapping[str, Any], meanings: Sequence[Mapping[str, Any]]) -> str:
    """The first reference to outside code in a recipe's values and the tasks' meanings; empty if there is none."""
    kinds = [str(meaning.get("kind")) for meaning in meanings]
    code = [*references_in(values), *(values.get("code") or ()), *filter(is_reference, kinds)]
    return str(code[0]) if code else ""


def _without_paths(value: Any) -> Any:
    """A recipe's nested values without paths; the keys that are left out have defaults."""
    if isinstance(value, dict):
        kept = {key: _without_paths(inner) for key, inner in value.items() if not _is_path(key, inner)}
        return {key: inner for key, inner in kept.items() if inner or not value[key]}
    if isinstance(value, list):
        return [_without_paths(inner) for inner in value if not _is_path("", inner)]
    return value


def _paths(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The paths among a recipe's nested values, with their dotted keys."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        if _is_path(key, inner):
            yield f"{prefix}{key}", inner
        yield from _paths(inner, f"{prefix}{key}.")


def _is_path(key: object, value: Any) -> bool:
    if not isinstance(value, str):
        return False
    if key == "weights":  # of the backbone: any name that is not one of the words is a path
        return value not in WORDS and not value.startswith(HUB)
    if key == "start_from":
        return not is_on_hub(value)
    absolute = PurePosixPath(value).is_absolute() or PureWindowsPath(value).is_absolute()
    return key == "root" or absolute or value.startswith(FOLDER)
