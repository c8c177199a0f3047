"""What a run folder says is believed only key by key."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from afanet import __version__
from afanet.errors import InputError
from afanet.runs.folder import RunFolder
from afanet.runs.kept import read_costs, read_load
from afanet.tasks import Classification, Depth, Description, Task

TASKS: dict[str, Task] = {"depth": Depth(), "age": Classification("age", ["young", "old"])}
RESULTS: dict[str, Any] = {
    "recipe": "rooms",
    "method": "afa",
    "tasks": {name: dict.fromkeys(task.higher_is_better, 0.5) for name, task in TASKS.items()},
    "data": "rooms",
    "described": {name: Description.of(task).as_json() for name, task in TASKS.items()},
    "fingerprint": "x",
    "parameters": 10,
    "flops": 20,
    "threads": 1,
    "versions": {"afanet": __version__},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def read(place: Path, results: Any) -> dict[str, Any]:
    folder = RunFolder(place)
    folder.metrics.write_text(json.dumps(results), encoding="utf-8")
    return folder.read_results()


def with_(path: str, value: Any) -> dict[str, Any]:
    """The results with another value at a dotted path."""
    changed = copy.deepcopy(RESULTS)
    *parents, last = path.split("/")
    place = changed
    for parent in parents:
        place = place[parent]
    place[last] = value
    return changed


def test_what_train_wrote_is_read_as_it_stands(tmp_path: Path) -> None:
    assert read(tmp_path, RESULTS) == json.loads(json.dumps(RESULTS))
    unknown = with_("tasks/depth/abs", None) | {"of a later patch": [1]}
    assert read(tmp_path, unknown) == json.loads(json.dumps(unknown))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_in_an_older_file_is_no_score(value: float, tmp_path: Path) -> None:
    assert read(tmp_path, with_("tasks/depth/abs", value)) == with_("tasks/depth/abs", None)


@pytest.mark.parametrize("gone", ["described", "threads", "versions", "fingerprint", "meaning"])
def test_older_runs_kept_less(gone: str, tmp_path: Path) -> None:
    results = {key: value for key, value in copy.deepcopy(RESULTS).items() if key != gone}
    for kept in results.get("described", {}).values():
        kept.pop(gone, None)
    assert read(tmp_path, results) == json.loads(json.dumps(results))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("tasks", None, "'tasks' is None"),
        ("tasks", {"a b": {}}, "'tasks' has 'a b', which is not a word"),
        ("tasks", {"../up": {}}, r"'tasks' has '\.\./up', which is not a word"),
        ("tasks/depth/abs", "0.5", r"'tasks\.depth\.abs.*' is '0.5'"),
        ("tasks/depth/abs", 10**400, r"'tasks\.depth\.abs.*' is 1000"),
        ("validation", {"class": {}}, "'validation' has 'class', which is taken"),
        ("described/a.b", {}, r"'described' has 'a\.b', which is not a word"),
        ("described/depth/output", {"dense": 0}, r"'described\.depth\.output\.dense' is 0"),
        ("described/depth/output", {"dense": 10**9}, r"'described\.depth\.output\.dense' is 1000000000"),
        ("described/depth/output", {"dense": True}, r"'described\.depth\.output\.dense' is True"),
        ("described/depth/output", {"sparse": 1}, r"'described\.depth\.output' has 'sparse'"),
        ("described/depth/output", {}, r"'described\.depth\.output' is {}"),
        ("described/depth/main_metric", 3, r"'described\.depth\.main_metric' is 3"),
        ("described/depth/main_metric", "acc", "task 'depth' has only a score or only a direction for 'acc'"),
        ("described/depth/higher_is_better", {"abs": 0}, r"'described\.depth\.higher_is_better\.abs' is 0"),
        ("described/depth/meaning/kind", "pickle", "whose 'kind' is 'pickle', expected one of: segmentation"),
        ("described/depth/meaning/far", -1, "whose 'far' is -1, expected a number above 0"),
        ("described/age/meaning/classes", "ab", "whose 'classes' is 'ab', expected 1 to 65536 names"),
        ("described/age/meaning/classes", ["a", 3], "whose 'classes' is "),
        ("threads", 10**30, "'threads' is 1000"),
        ("parameters", -1, "'parameters' is -1"),
        ("flops", 10**400, "'flops' is 1000"),
        ("versions", {"afanet": [1]}, "is not what train wrote"),
        ("fingerprint", {}, "'fingerprint' is {}"),
    ],
)
def test_what_cannot_be_is_said_with_its_key(path: str, value: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path, with_(path, value))
    assert str(error.value).startswith(f"{tmp_path / 'metrics.json'} is not what train wrote")
    assert str(error.value).endswith("restore it, or remove it")
    assert "\n" not in str(error.value)


@given(st.sampled_from(["tasks", "described", "tasks/depth", "described/depth", "described/age/meaning"]), JSON)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_there_is_read_or_refused(tmp_path: Path, path: str, value: Any) -> None:
    try:
        results = read(tmp_path, with_(path, value))
    except InputError:
        return
    for name, kept in results["described"].items():
        Description.from_json(name, kept)


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "\xff", '{"tasks": ' + "9" * 5000 + "}"])
def test_no_text_is_too_odd(text: str, tmp_path: Path) -> None:
    RunFolder(tmp_path).metrics.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="is not what train wrote"):
        RunFolder(tmp_path).read_results()


def test_costs_are_numbers_by_name(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    file.write_text(json.dumps({"costs": {"step_s": 0.5}, "measured": {}}))
    assert read_costs(file) == {"step_s": 0.5}
    for costs in ({"step_s": "1"}, [], {"step_s": float("inf")}, None):
        file.write_text(json.dumps({"costs": costs}))
        with pytest.raises(InputError, match=r"costs\.json is not what train wrote: 'costs"):
            read_costs(file)


def test_the_load_of_the_machine_is_read_where_it_was_kept(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    for measured in ({}, {"measured": {}}, {"measured": {"load": None, "device": "cpu"}}):
        file.write_text(json.dumps({"costs": {"step_s": 0.5}} | measured))
        assert read_load(file) is None
    file.write_text(json.dumps({"costs": {}, "measured": {"load": {"busy": 1.5, "cores": 4}}}))
    assert read_load(file) == (1.5, 4, 4)
    file.write_text(json.dumps({"costs": {}, "measured": {"load": {"busy": 1.5, "cores": 4}, "threads": 2}}))
    assert read_load(file) == (1.5, 4, 2)
    for load in ({}, {"busy": -1, "cores": 4}, {"busy": 1.0, "cores": 0}, {"busy": "1", "cores": 4}, [1, 2]):
        file.write_text(json.dumps({"costs": {}, "measured": {"load": load}}))
        with pytest.raises(InputError, match=r"costs\.json is not what train wrote: 'measured.load"):
            read_load(file)


@pytest.mark.parametrize(
    "reasons", [[], {"tasks": {"a b": "x"}}, {"tasks": {"age": 1}}, {"tasks": {"age": "x" * 201}}, {"other": {}}]
)
def test_reasons_for_no_score_are_words_by_task(reasons: object, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not what train wrote: 'unscored"):
        read(tmp_path, with_("unscored", reasons))
    known = with_("unscored", {"tasks": {"age": "x"}, "validation": {}})
    assert read(tmp_path, known)["unscored"] == {"tasks": {"age": "x"}, "validation": {}}
