"""Escapes a run's text for Markdown and LaTeX, so that a name stays a name whatever characters it has."""

from __future__ import annotations

MARKDOWN = {"&": "&amp;", "<": "&lt;", ">": "&gt;"} | {sign: f"\\{sign}" for sign in "\\`*[]|"}
LATEX = {sign: f"\\{sign}" for sign in "%_&#${}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
}


def one_line(text: str) -> str:
    """The text without its line breaks.

    >>> one_line("a\\nb")
    'a b'
    """
    return " ".join(text.splitlines())


def in_markdown(text: str) -> str:
    """The text escaped for Markdown, also within a table: none of it is read as markup, links or HTML.

    >>> print(in_markdown("<b> [x](y) | a_b"))
    &lt;b&gt; \\[x\\](y) \\| a_b
    """
    return "".join(MARKDOWN.get(sign, sign) for sign in one_line(text))


def in_latex(text: str) -> str:
    """The text escaped for LaTeX: none of it is read as a command; `±` and arrows become LaTeX symbols.

    >>> print(in_latex("\\\\input{a_b} ↑"))
    \\textbackslash{}input\\{a\\_b\\} $\\uparrow$
    """
    return "".join(LATEX.get(sign, sign) for sign in one_line(text))
