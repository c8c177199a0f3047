"""What a column means is guessed from its values, and said."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afanet.data.intake.contents import Column
from afanet.data.intake.guess import guess_column
from afanet.data.sets.manifest.kinds import declare_tasks


def guessed(name: str, *values: str) -> Column | str:
    return guess_column(name, {f"{number}.jpg": value for number, value in enumerate(values)})


@pytest.mark.parametrize(
    ("name", "values", "declared", "cells", "said"),
    [
        ("pet", ["b10", "b9", "a"] * 2, {"kind": "classification", "classes": ["a", "b9", "b10"]}, {}, "3 classes"),
        ("pet", ["Cat", "cat", "dog", " cat"], {"kind": "classification", "classes": ["cat", "dog"]}, {"Cat": "cat"},
         "'Cat' read as 'cat'"),
        ("size", ["L", "S", "M"] * 2, {"kind": "ordinal", "classes": ["S", "M", "L"]}, {}, "3 levels"),
        ("pain", ["severe", "none", "mild"] * 2, {"kind": "ordinal", "classes": ["none", "mild", "severe"]}, {}, ""),
        ("eyes", ["None", "Sun", "Round"] * 2, {"kind": "classification", "classes": ["None", "Round", "Sun"]}, {}, ""),
        ("eyes", ["None", "sun", "round"] * 2, {"kind": "classification", "classes": ["round", "sun"]}, {"None": ""},
         "empty: 2 'None'"),
        ("age", ["8-12", "60+", "4-6"] * 2, {"kind": "ordinal", "classes": ["4-6", "8-12", "60+"]}, {}, ""),
        ("age", ["1", "2", "3"] * 9, {"kind": "regression", "range": [1, 3]}, {}, "27 numbers from 1 to 3"),
        ("stars", ["1", "2.0", "3", "?"] * 9, {"kind": "ordinal", "classes": ["1", "2", "3"]}, {"2.0": "2", "?": ""},
         "in the order of the numbers; empty: 9 '?'"),
        ("digit", ["7", "1.0", ""] * 9, {"kind": "classification", "classes": ["1", "7"]}, {"1.0": "1"}, "empty: 9"),
        ("breed", [str(n % 40) for n in range(90)],
         {"kind": "classification", "classes": [str(n) for n in range(40)]}, {}, "40 classes"),
        ("height", ["1,75", "N/A", "2,1"], {"kind": "regression", "range": [1.75, 2.1]},
         {"1,75": "1.75", "2,1": "2.1", "N/A": ""}, "comma for decimals (1,75)"),
        ("t", ["-999", "3.5", "21"], {"kind": "regression", "range": [2, 22]}, {"-999": ""}, "empty: 1 '-999'"),
        ("tags", ["a;b", "a", "-", ""] * 2, {"kind": "multi_label", "labels": ["a", "b"]}, {"a;b": "a;b", "-": "-"},
         "semicolons between 2 labels (a 4, b 2), taken to be multi_label; 2 with none of them; if the cells are"),
        ("tags", ["a, b", "a", "b , a ", "c"] * 2, {"kind": "multi_label", "labels": ["a", "b", "c"]},
         {"a, b": "a;b", "b , a ": "b;a"}, "needs '-'"),
        ("tags", ["['a', 'b']", "[]", "['b']"] * 2, {"kind": "multi_label", "labels": ["a", "b"]},
         {"['a', 'b']": "a;b", "[]": "-", "['b']": "b"}, ""),
        ("tags", ["a;b", "a", "b;a", "a;c"], {"kind": "multi_label", "labels": ["a", "b", "c"]}, {},
         "taken to be multi_label; 1 of them in a single image; an image"),
        ("fish", ["tench, Tinca", "goldfish, Carassius"] * 2,
         {"kind": "classification", "classes": ["goldfish, Carassius", "tench, Tinca"]}, {},
         "of 2 classes ('goldfish, Carassius' 2, 'tench, Tinca' 2)"),
    ],
)  # fmt: skip
def test_a_column_is_guessed(
    name: str, values: list[str], declared: dict[str, Any], cells: dict[str, str], said: str
) -> None:
    column = guessed(name, *values)
    assert isinstance(column, Column), column
    assert column.declared == declared
    assert said in column.summary
    for number, value in enumerate(values):
        assert column.cells.get(f"{number}.jpg", "") == cells.get(value, value.strip())


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        (
            "id",
            [f"{n}" for n in range(0, 60, 2)],
            "30 different whole numbers in 30 rows are taken to be an identifier",
        ),
        ("n", [f"{n}" for n in range(30)], "taken to be an identifier"),
        ("note", ["a cat", "my dog", "the owl"], "3 different texts in 3 rows are taken to be names or remarks"),
        ("kept", ["yes", "", "yes"], "all 2 filled cells are 'yes', and 1 are empty: nothing can be learned from one"),
        ("age", ["3", "3.0"], "all 2 filled cells are '3'"),
        ("age", ["", "NA", "-"], "every cell is empty"),
        ("none", ["", ""], "every cell is empty"),
        ("price", ["1,500", "2,250"], "'1,500' may have its comma for thousands or for decimals"),
        ("age", [*(f"{n}.5" for n in range(40)), "old"], "'old' is among numbers (1 of 41 cells are none)"),
        ("age", ["1e999", "2", "3"], "'1e999' is too large"),
        ("age", ["1e99999999999999999999", "2", "3"], "is too large"),
        ("day", ["2020-01-01", "2020-01-02"] * 3, "the cells are dates, such as 2020-01-01"),
        ("mask", ["a.png", "b.PNG"], "the cells name files, such as a.png"),
        ("pet", ["a\0", "b"] * 2, r"'a\x00' has characters that cannot be written"),
        ("pet", ["a" * 300, "b"] * 2, "is a text, not the name of a class"),
    ],
)
def test_a_column_that_is_no_label_says_why(name: str, values: list[str], why: str) -> None:
    reason = guessed(name, *values)
    assert isinstance(reason, str)
    assert why in reason
    assert reason.isprintable()
    assert len(reason) < 200


def test_distinct_values_without_number_are_a_sentence() -> None:
    cells = {f"{number}.jpg": f"{number:x} pieces" for number in range(50_000)}
    reason = "50000 different texts in 50000 rows are taken to be names or remarks, no classes"
    assert guess_column("note", cells) == reason


CELLS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["", "NA", "none", "-", "a;b", "a,b", "1", "0", "1.5", "1e5", "-1", "x", "X", "a|b", "[a]", "3,5", "0-2"]
    ),
    st.floats().map(str),
    st.integers().map(str),
)


@given(st.lists(CELLS, min_size=1, max_size=30), st.sampled_from(["age", "id", "grade", "label", "x y"]))
def test_a_guess_declares_a_task_that_can_use_every_cell(values: list[str], name: str) -> None:
    """Whatever is in the cells: the kind's own reader takes all that the guess keeps, or there is one line of why."""
    random.Random(0).shuffle(values)
    column = guessed(name, *(values * 3))
    if isinstance(column, str):
        assert column
        assert column.isprintable()
        return
    [(reader, _)] = declare_tasks({"task": column.declared}).values()
    cells = list(column.cells.values())
    assert column.summary.isprintable()
    assert "" not in cells
    _, usable = reader.encode(pa.array(cells, pa.string()))
    assert usable.all(), [cell for cell, fine in zip(cells, usable, strict=True) if not fine]


@pytest.mark.parametrize("cells", [["[1, 2, 0, 4]", "[1, 2, 3, 4]"] * 4, ["1.5;2", "3;2", "1.5;3"] * 3])
def test_as_many_numbers_in_each_cell_are_no_labels(cells: list[str]) -> None:
    guess = guess_column("bbox", {f"{number}.jpg": cell for number, cell in enumerate(cells)})
    assert isinstance(guess, str)
    assert "numbers each are not labels: declare it as kind vector to learn them" in guess
