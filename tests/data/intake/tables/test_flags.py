"""Columns of yes and no are one task."""

from __future__ import annotations

from itertools import product

import pyarrow as pa

from afanet.data.intake.cells import Cells
from afanet.data.intake.tables.flags import groups_of_flags, is_flag, join_flags
from afanet.tasks.multi_label.column import MultiLabelColumn


def columns(**texts: list[str]) -> dict[str, Cells]:
    rows = {f"{number}.png": number for number in range(len(next(iter(texts.values()))))}
    return {name: Cells(rows, pa.array(cells, pa.string())) for name, cells in texts.items()}


def test_every_way_of_writing_yes_and_no() -> None:
    for no, yes in (("0", "1"), ("0.0", "1.0"), ("False", "True"), ("no", "YES"), ("-1", "1")):
        assert is_flag({no: 2, yes: 3, "": 1})
    assert not any(is_flag({value: 1}) for value in ("0", "1", ""))


def test_each_image_has_the_labels_of_its_columns() -> None:
    combinations = list(product("01", repeat=4))
    given = columns(**{name: [row[place] for row in combinations] for place, name in enumerate("abcd")})
    task = join_flags("attributes", {name: name for name in given}, given)
    assert task is not None
    name, column = task
    assert (name, column.declared) == ("attributes", {"kind": "multi_label", "labels": list("abcd")})
    for number, row in enumerate(combinations):
        expected = ";".join(label for label, mark in zip("abcd", row, strict=True) if mark == "1") or "-"
        assert column.cells[f"{number}.png"] == expected


def test_columns_of_which_always_one_is_yes_are_classes() -> None:
    given = columns(mel=["1.0", "0.0", "0.0", ""], nv=["0.0", "1.0", "0.0", "1.0"], bcc=["0.0", "0.0", "1.0", "0.0"])
    task = join_flags("attributes", {name: name for name in given}, given)
    assert task is not None
    assert task[0] == "label"
    assert task[1].declared == {"kind": "classification", "classes": ["mel", "nv", "bcc"]}
    assert dict(task[1].cells) == {"0.png": "mel", "1.png": "nv", "2.png": "bcc"}
    assert "left out: 1 images of which not all are known" in task[1].summary


def test_what_is_unknown_of_an_image_is_marked() -> None:
    given = columns(wet=["1", "", "0", ""], old=["1", "1", "", "NA"])
    task = join_flags("has", {name: name for name in given}, given)
    assert task is not None
    assert dict(task[1].cells) == {"0.png": "wet;old", "1.png": "wet?;old", "2.png": "old?"}
    assert "2 images of which not all are known" in task[1].summary
    _, usable = MultiLabelColumn(labels=("wet", "old")).encode(pa.array(list(task[1].cells.values())))
    assert usable.all()


def test_few_columns_that_share_nothing_stay_apart() -> None:
    given = columns(smiling=["1", "0", "1"], outdoors=["1", "1", "0"], old=["0", "1", "0"])
    [(name, labels)] = groups_of_flags(list(given)).items()
    assert join_flags(name, labels, given) is None
    assert groups_of_flags(["smiling", "outdoors"]) == {}


def test_names_that_would_break_a_list_stay_apart() -> None:
    given = {f"a_{name}": cells for name, cells in columns(**{"x;y": ["1", "0"], "z": ["0", "0"]}).items()}
    assert join_flags("a", {"a_x;y": "x;y", "a_z": "z"}, given) is None
