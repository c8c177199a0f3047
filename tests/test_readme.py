"""The Python of the README and of a page that has no commands runs and prints what stands below it."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [(ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "docs/balancing.md")]
BLOCK = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)
BLOCKS = [block for page in PAGES for block in BLOCK.findall(page)]


@pytest.mark.parametrize(("source", "printed"), BLOCKS)
def test_python_blocks_print_what_stands_below_them(source: str, printed: str) -> None:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(source, {})
    assert output.getvalue() == printed


def test_there_are_blocks_with_output() -> None:
    assert any(printed for _, printed in BLOCKS)
