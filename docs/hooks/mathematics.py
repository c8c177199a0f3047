"""Formulas become MathML while the site is built, which browsers draw by themselves: no script, no font, no network."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
WORD = re.compile(r"(\\(?:operatorname|text)\{[^}]*\}|\\[A-Za-z]+)|([A-Za-z]{3,})")


def on_page_content(content: str, **_: Any) -> str:
    """Replace every formula that the Markdown extension arithmatex has marked."""
    return FORMULA.sub(lambda found: formula(html.unescape(found[2]), block=found[1] == "div"), content)


def formula(latex: str, block: bool) -> str:
    r"""MathML for a formula, a line each for what `\\` separates; words of three letters or more stand upright."""
    upright = WORD.sub(lambda found: found[1] or rf"\mathrm{{{found[2]}}}", latex.strip())
    if not block:
        return convert(upright)
    lines = [convert(line, display="block") for line in re.split(r"\\\\\s", upright)]
    return f'<div class="formula">{"".join(lines)}</div>'
