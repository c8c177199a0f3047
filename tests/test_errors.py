"""What a sentence shows of names and values is short, and is had at once however long they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afanet.errors import shown, unknown

from .bounds import bounded

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=200) | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=4), inner, max_size=30),
)


@given(values, st.integers(1, 100))
def test_a_value_is_shown_in_so_many_letters(value: object, most: int) -> None:
    assert len(shown(value, most)) <= most


@given(st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=20))
def test_a_short_value_is_shown_whole(value: object) -> None:
    assert shown(value, 200) == repr(value)


def nested(depth: int) -> Any:
    """Lists that hold the one below nine times."""
    value: Any = "lol"
    for _ in range(depth):
        value = [value] * 9
    return value


ENDLESS = {
    "nested": nested(7),
    "long": "x" * 10**8,
    "large": 2**10**6,
    "many": dict.fromkeys(range(10**5), "x" * 99),
}


@pytest.mark.parametrize("value", ENDLESS.values(), ids=ENDLESS)
def test_an_endless_value_is_shown_at_once(value: object) -> None:
    with bounded(5, 64 << 20):
        assert len(shown(value)) <= 60


def test_a_long_name_and_many_names_are_shown_at_once() -> None:
    known = [f"class {number}" for number in range(50_000)]
    with bounded(5):
        said = [str(unknown("class", f"clas {number}" * 20_000, known)) for number in range(5)]
        said += [str(unknown("class", f"clas {number}", known)) for number in range(200)]
    assert max(map(len, said)) < 400
    assert "did you mean 'class 7'?" in str(unknown("class", "clas 7", known[:20]))
