"""Names of runs stay text in Markdown and LaTeX."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afanet.plain_text import in_latex, in_markdown, one_line

TEXT = st.text() | st.text(alphabet="\\`*[]|<>&%_#${}~^\n ab")


@given(TEXT)
def test_markdown_has_no_bare_sign_and_no_line_break(text: str) -> None:
    written = in_markdown(text)
    assert len(written.splitlines()) <= 1
    assert not re.search(r"[<>`*\[\]|]", re.sub(r"\\[\\`*\[\]|]", "", written))


@given(TEXT)
def test_latex_has_no_bare_sign_and_no_command_of_the_texts_own(text: str) -> None:
    ours = r"\\text(?:backslash|asciitilde|asciicircum)\{\}|\$\\(?:pm|uparrow|downarrow)\$|\\[%_&#${}]"
    assert not re.search(r"[\\%_&#${}~^]", re.sub(ours, "", in_latex(text)))
    assert len(in_latex(text).splitlines()) <= 1


@pytest.mark.parametrize("text", ["miou ↑", "cross_stitch, guard=2.0", "a - b, 0.5 (x)"])
def test_usual_names_read_as_they_are(text: str) -> None:
    assert in_markdown(text) == one_line(text) == text
