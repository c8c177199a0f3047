"""What a recipe may declare of a task."""

from __future__ import annotations

import pytest

from afanet.data import open_data
from afanet.data.sets.manifest.kinds import declare_tasks
from afanet.errors import InputError


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({}, "has no 'tasks'"),
        ({"age": 3}, "task 'age' is 3, expected its 'kind'"),
        ({"age": {"range": [0, 1]}}, "expected its 'kind': segmentation, depth"),
        (
            {"age": {"kind": "clasification"}},
            "task 'age': unknown kind 'clasification', did you mean 'classification'",
        ),
        (
            {"age": {"kind": "ordinal", "clases": []}},
            "unknown key of ordinal task 'age' 'clases', did you mean 'classes'",
        ),
        ({"age": {"kind": "ordinal"}}, "ordinal task 'age' lacks 'classes'"),
        ({"age": {"kind": "ordinal", "classes": ["a"]}}, "'classes' of ordinal task 'age' is ['a'], "),
        ({"age": {"kind": "ordinal", "classes": ["a", "a"]}}, "in which a name occurs twice"),
        ({"sunny": {"kind": "classification", "classes": [True, False]}}, "put the name in quotes"),
        ({"age": {"kind": "regression", "range": [9, 1]}}, "expected the lower limit first"),
        ({"age": {"kind": "regression", "range": [0, float("inf")]}}, "'range.1' of regression task 'age' is inf"),
        ({"age": {"kind": "regression", "range": 9}}, "'range' of regression task 'age' is 9"),
        ({"tags": {"kind": "multi_label", "labels": ["a;b"]}}, "'a;b' cannot be told apart from the signs of a list"),
        ({"tags": {"kind": "multi_label", "labels": ["-"]}}, "'-' cannot be told apart"),
        ({"depth": {"kind": "depth", "scale": 0}}, "'scale' of depth task 'depth' is 0"),
        ({"walls": {"kind": "segmentation", "classes": ["a", "b"], "void": 2**40}}, "'void.0' of segmentation task"),
        ({"image": {"kind": "normals"}}, "task name 'image' is taken"),
        ({"class": {"kind": "normals"}}, "task name 'class' is taken"),
        ({"type": {"kind": "normals"}}, "task name 'type' is taken"),
        ({"training": {"kind": "normals"}}, "task name 'training' is taken"),
        ({"3d": {"kind": "normals"}}, "task name '3d' is not a word"),
        ({"a.b": {"kind": "normals"}}, "task name 'a.b' is not a word"),
    ],
)
def test_one_sentence_for_what_cannot_be_declared(tasks, message, tmp_path):
    (tmp_path / "manifest.csv").touch()
    with pytest.raises(InputError) as caught:
        open_data("manifest", tmp_path, (8, 8), tasks=tasks)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_classes_may_be_written_as_integers():
    assert declare_tasks({"fold": {"kind": "classification", "classes": [0, "1", 2]}})["fold"][0].classes == (
        "0",
        "1",
        "2",
    )


@pytest.mark.parametrize(("name", "suggested"), [("2d", "task_2d"), ("class", "class_of"), ("a b", "my_task")])
def test_a_name_that_is_suggested_can_be_used(name: str, suggested: str):
    with pytest.raises(InputError, match=f"such as to '{suggested}'"):
        declare_tasks({name: {"kind": "normals"}})
    assert list(declare_tasks({suggested: {"kind": "normals"}})) == [suggested]


def test_both_spellings_of_multi_label_are_one_kind():
    for kind in ("multi-label", "multi_label"):
        _, task = declare_tasks({"tags": {"kind": kind, "labels": ["a"]}})["tags"]
        assert task.meaning["kind"] == "multi_label"
