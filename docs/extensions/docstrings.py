"""Docstrings as they stand in the code, made into Markdown: mathematics, references and examples."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import griffe

BLOCK = re.compile(r"^\.\. math::(.*\n(?:(?:[ ]+.*)?\n)*)", re.MULTILINE)
INLINE = re.compile(r":math:`([^`]*)`")
REFERENCE = re.compile(r":(?:class|func|meth):`~?([\w.]+)`")
EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites every docstring when it is loaded."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called by griffe for every module, class, function and attribute."""
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(docstring: str) -> str:
    """The docstring in Markdown: ``:class:`~afanet.fusion.AFA``` becomes ``[AFA][afanet.fusion.AFA]``, and so on."""
    text = BLOCK.sub(lambda found: f"$$\n{textwrap.dedent(found[1]).strip()}\n$$\n\n", docstring + "\n")
    text = INLINE.sub(lambda found: f"${found[1]}$", text)
    text = REFERENCE.sub(lambda found: f"[{found[1].rpartition('.')[2]}][{found[1]}]", text)
    return EXAMPLE.sub(lambda found: f"```pycon\n{found[0]}\n```", text).strip()
