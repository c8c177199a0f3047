"""Cells of several labels: on, off, and unknown."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from afanet.declared import declare
from afanet.errors import InputError
from afanet.tasks.multi_label.column import MultiLabelColumn
from afanet.tasks.multi_label.task import MultiLabel

LABELS = [f"label{number}" for number in range(11)]  # more than a byte of bits


def column(labels: list[str]) -> MultiLabelColumn:
    return declare(MultiLabelColumn, {"labels": labels}, "multi_label task 'tags'")


def read(cell: str, labels: list[str]) -> list[int]:
    values, usable = column(labels).encode(pa.array([cell]))
    assert usable[0]
    target: list[int] = column(labels).target(values[0]).tolist()
    return target


@settings(max_examples=100, deadline=None)
@given(target=st.lists(st.integers(-1, 1), min_size=11, max_size=11))
def test_any_target_has_a_cell_and_its_caption_is_one(target: list[int]) -> None:
    signs = [name + "?" * (entry < 0) for name, entry in zip(LABELS, target, strict=True) if entry]
    assert read(" ; ".join(signs) or "-", LABELS) == target
    caption = MultiLabel("tags", LABELS).caption(torch.tensor(target))
    assert read("-" if caption == "none" else caption.replace(", ", ";"), LABELS) == target


def test_a_question_mark_alone_leaves_all_unknown_and_a_value_has_two_bits_a_label() -> None:
    assert read("?", LABELS) == [-1] * 11
    values, _ = column(LABELS).encode(pa.array(["?", "-"]))
    assert values.shape == (2, 3)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("wet;wet?", "tags is 'wet;wet?', in which 'wet' is on and unknown, expected one of the two"),
        ("wet;?", "unknown label of tags '?'"),
        ("?wet", "unknown label of tags '?wet', did you mean 'wet'?"),
        ("wet??", "unknown label of tags 'wet??', did you mean 'wet'?"),
        ("wet?, dry", "tags is 'wet?, dry', expected ';' between labels, such as 'wet?;dry'"),
    ],
)
def test_what_cannot_be_meant_is_said(cell: str, message: str) -> None:
    tags = column(["wet", "dry"])
    assert not tags.encode(pa.array([cell]))[1][0]
    assert tags.complain("tags", cell).startswith(message)


@pytest.mark.parametrize(
    ("labels", "message"),
    [(["?"], "'[?]' cannot be told apart"), (["a", "a?"], "'a[?]' cannot be told apart from 'a' that is unknown")],
)
def test_names_that_would_be_ambiguous_are_refused(labels: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        column(labels)


def test_a_label_may_end_in_a_question_mark() -> None:
    given: Any = column(["sure?", "wet"])
    assert read("sure?;wet?", list(given.labels)) == [1, -1]
    assert read("sure??", list(given.labels)) == [-1, 0]
