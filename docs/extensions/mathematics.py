"""Formulas become MathML while the site is built, which browsers draw by themselves: no script, no font, no network."""

from __future__ import annotations

import html
import re

from latex2mathml.converter import convert
from markdown import Extension, Markdown
from markdown.postprocessors import Postprocessor

FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)
WORD = re.compile(r"(\\(?:operatorname|text)\{[^}]*\}|\\[A-Za-z]+)|([A-Za-z]{3,})")


class Mathematics(Extension):
    """Draws what the extension arithmatex has marked as a formula."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        md.postprocessors.register(Formulas(md), "mathematics", 1)


class Formulas(Postprocessor):
    def run(self, text: str) -> str:
        return FORMULA.sub(lambda found: formula(html.unescape(found[2]), block=found[1] == "div"), text)


def formula(latex: str, block: bool) -> str:
    r"""MathML for a formula, a line each for what `\\` separates; words of three letters or more stand upright."""
    upright = WORD.sub(lambda found: found[1] or rf"\mathrm{{{found[2]}}}", latex.strip())
    if not block:
        return convert(upright)
    lines = [convert(line, display="block") for line in re.split(r"\\\\\s", upright)]
    return f'<div class="formula">{"".join(lines)}</div>'
