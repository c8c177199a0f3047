"""What may name a task and a layer."""

from __future__ import annotations

import ast
from keyword import iskeyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afanet.names import LONGEST, layer_fault, name_fault

# Whatever a file may hold, and what looks more like a name.
TEXT = st.text() | st.from_regex(r"[\w.\-\"'\\ ]{0,8}")


@given(TEXT)
def test_a_task_is_a_word_in_python_everywhere(name: str) -> None:
    if name_fault(name) is None:
        assert name.isascii()
        assert name.isidentifier()
        assert not iskeyword(name)
        assert not name.startswith("__")


@given(TEXT)
def test_a_layer_cannot_end_the_text_in_which_it_is_written(path: str) -> None:
    if layer_fault(path) is None:
        for part in path.split("."):
            written = ast.parse(f'getattr(x, "{part}")', mode="eval").body
            assert ast.literal_eval(written.args[1]) == part  # type: ignore[attr-defined]
            assert not part.isidentifier() or ast.unparse(ast.parse(f"x.{part}")) == f"x.{part}"


@pytest.mark.parametrize("name", ["age", "_private", "a" * LONGEST, "Left2", "match"])
def test_words_are_names(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize(
    "name", ["", "a b", "a.b", "2d", "é", "a\n", "__proto__", "a" * (LONGEST + 1), "/etc/x", "..", 'x"', None, 3]
)
def test_everything_else_is_none(name: object) -> None:
    assert str(name_fault(name)).startswith("is not a word")


def test_what_python_or_a_module_has_is_taken() -> None:
    assert name_fault("class") == name_fault("training", {"training"}) == "is taken"


@pytest.mark.parametrize("path", ["0", "stages.0.blocks", "left-eye", "layer1.after_layer1", "_x", "3x3"])
def test_layers_may_be_numbers(path: str) -> None:
    assert layer_fault(path) is None


@pytest.mark.parametrize("path", ["", "a..b", "a b", 'a"b', "a\\", "a\n", "é", "a.class", "None"])
def test_layers_that_cannot_stand_in_code(path: str) -> None:
    assert str(layer_fault(path)).startswith("has ")
