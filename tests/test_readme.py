"""The README's Python runs and prints what the README says."""

import contextlib
import io
import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", README, re.DOTALL)


@pytest.mark.parametrize(("source", "printed"), BLOCKS)
def test_python_blocks_print_what_stands_below_them(source: str, printed: str) -> None:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(source, {})
    assert output.getvalue() == printed


def test_there_are_blocks_with_output() -> None:
    assert any(printed for _, printed in BLOCKS)
