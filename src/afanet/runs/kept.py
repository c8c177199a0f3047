"""The JSON files of a run, checked key by key before use, since a run folder may come from anybody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from afanet import __version__
from afanet.errors import InputError, shown
from afanet.json_text import read_json
from afanet.recipe.section import TaskName
from afanet.tasks.kinds import meaning_fault
from afanet.tasks.meaning import MOST

THREADS = 65_536  # at most
CONFIG = "config.json"  # of a saved folder
FAULTS = {"missing": "is missing", "extra_forbidden": "is no key of it"}


def _meaning(meaning: Any) -> Any:
    if meaning and (fault := meaning_fault(meaning)):
        raise PydanticCustomError("meaning", "whose {fault}", {"fault": fault})
    return meaning


Score = FiniteFloat | None  # null where it could not be computed
Scores = dict[TaskName, dict[str, Score]]
Reason = Annotated[str, Field(max_length=200)]
MachineMade = dict[str, dict[TaskName, dict[Literal["machine_made", "confidence"], FiniteFloat | int]]]
Count = Annotated[int, Field(ge=0, lt=2**63)]
Threads = Annotated[int, Field(ge=1, le=THREADS)]
Output = Annotated[
    dict[Literal["dense", "pooled"], Annotated[int, Field(ge=1, le=MOST)]], Field(min_length=1, max_length=1)
]


class Kept(BaseModel):
    """Part of a file that a run keeps: types are strict, and keys of later versions are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


class Described(Kept):
    """See `Description.as_json`; older runs have no `meaning`."""

    output: Output
    main_metric: str
    higher_is_better: dict[str, bool]
    meaning: Annotated[dict[str, Any], BeforeValidator(_meaning)] = {}


class _Results(Kept):
    """The keys of `metrics.json` and `evaluation.json` that are read; older runs have fewer."""

    tasks: Scores
    validation: Scores = {}
    unscored: dict[Literal["tasks", "validation"], dict[TaskName, Reason]] = {}
    described: dict[TaskName, Described] = {}
    recipe: str = ""
    method: str = ""
    data: str = ""
    machine_made: MachineMade = {}
    teachers: dict[TaskName, str] = {}
    weights: str = ""
    fingerprint: str | None = None
    without_augmentation: bool = False  # features were cached from images without the recipe's augmentation
    steps: Count = 0
    parameters: Count = 0
    flops: Count = 0
    threads: Threads | None = None
    versions: dict[str, str] = {}


class _Load(Kept):
    """How many of a machine's cores other work kept busy."""

    busy: Annotated[FiniteFloat, Field(ge=0)]
    cores: Annotated[int, Field(ge=1, le=THREADS)]


class _Measured(Kept):
    threads: Threads | None = None
    load: _Load | None = None


class _Costs(Kept):
    """The keys of `costs.json` that are read; older ones have no `load`."""

    costs: dict[str, FiniteFloat]
    measured: _Measured = _Measured()


class Load(NamedTuple):
    """How many of a machine's `cores` other work kept `busy` while something was measured in `threads` threads."""

    busy: float
    cores: int
    threads: int


def read_kept(file: Path) -> dict[str, Any]:
    """The JSON object in a file of a run, unchecked; raises `InputError` if the file holds none."""
    try:
        kept = read_json(file)
    except InputError as error:
        raise not_ours(file, str(error)) from None
    if not isinstance(kept, dict):
        raise not_ours(file, "it holds no keys")
    return kept


def check_results(file: Path, results: dict[str, Any]) -> dict[str, Any]:
    """`results`, read from `file`; raises an `InputError` that names the first key with an invalid value.

    >>> check_results(Path("metrics.json"), {"tasks": {"a b": {}}})
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: metrics.json is not what train wrote: 'tasks' has 'a b', which is not a word of ...
    """
    check_kept(_Results, file, results)
    for name, task in results.get("described", {}).items():
        if odd := {task["main_metric"], *task["higher_is_better"]} ^ set(results["tasks"].get(name, {})):
            raise not_ours(file, f"task '{name}' has only a score or only a direction for {min(odd)!r:.60}")
    return results


def read_costs(file: Path) -> dict[str, float]:
    """The costs in `costs.json`, by name; raises `InputError` if the file holds anything else."""
    kept = read_kept(file)
    check_kept(_Costs, file, kept)
    costs: dict[str, float] = kept["costs"]
    return costs


def read_load(file: Path) -> Load | None:
    """How busy the machine was while the costs in `costs.json` were measured; None if this was not recorded."""
    kept = read_kept(file)
    check_kept(_Costs, file, kept)
    measured = kept.get("measured", {})
    load = measured.get("load")
    return Load(load["busy"], load["cores"], measured.get("threads") or load["cores"]) if load else None


def check_kept(model: type[Kept], file: Path, kept: dict[str, Any]) -> None:
    """Raise an `InputError` that names the first key of `kept`, read from `file`, whose value `model` refuses."""
    try:
        model.model_validate(kept)
    except ValidationError as error:
        problem = error.errors()[0]
        *where, last = (str(part) for part in problem["loc"])
        expectation = problem["msg"].replace("Input should", "which should", 1)
        key = ".".join([*where, last])
        if last == "[key]":
            fault = f"'{'.'.join(where[:-1])}' has {where[-1]!r:.80}, {expectation}"
        elif problem["type"] in FAULTS:
            fault = f"{key!r:.120} {FAULTS[problem['type']]}"
        else:
            fault = f"{key!r:.120} is {shown(problem['input'])}, {expectation}"
        raise not_ours(file, fault) from None


def not_ours(file: Path, fault: str) -> InputError:
    """An `InputError` for a file of a run or a saved folder that holds something afanet never writes there."""
    if file.name == CONFIG:
        return InputError(f"{file} is not what `afanet save` wrote: {fault}; restore it, or save the run again")
    return InputError(f"{file} is not what train wrote: {fault}; restore it, or remove it")


def require_known_version(path: Path, file: Path, results: dict[str, Any]) -> None:
    """Raise `InputError` if a newer version wrote the results of the run in `path`, read from `file`."""
    try:
        made = str(results.get("versions", {}).get("afanet", __version__))
        newer = _minor(made) > _minor(__version__)
    except (ValueError, AttributeError):
        raise InputError(f"{file} is not what train wrote: restore it, or remove it") from None
    if newer:
        raise InputError(
            f"{path} was made by afanet {made}, which this version, {__version__}, does not know how to read: "
            "install that one or a later one"
        )


def _minor(version: str) -> tuple[int, ...]:
    """The part of a version (major, minor) whose change may change a run's files; a patch never changes them.

    >>> _minor("1.2.3") == _minor("1.2.4rc1") < _minor("1.10.0")
    True
    """
    major, minor = version.split(".")[:2]
    return int(major), int(minor)
