"""The button of a code block copies what you type: the commands, without prompts, remarks and what they print."""

from __future__ import annotations

import html
import re

from markdown import Extension, Markdown
from markdown.postprocessors import Postprocessor

BLOCK = re.compile(r'<div class="language-(console|pycon) highlight">(.*?)</div>', re.DOTALL)
PROMPT = {"console": re.compile(r"\$ (.*?)(?:\s+# .*)?"), "pycon": re.compile(r"(?:>>>|\.\.\.) (.*)")}
TAG = re.compile(r"<[^>]+>")


class Commands(Extension):
    """Writes the commands of a block with prompts into its attribute `data-copy`, which the theme's button copies."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        md.postprocessors.register(Blocks(md), "commands", 1)


class Blocks(Postprocessor):
    def run(self, text: str) -> str:
        return BLOCK.sub(lambda found: block(found[1], found[2]), text)


def block(language: str, code: str) -> str:
    """The block with its attribute; of a block without a prompt the button copies the text."""
    lines = html.unescape(TAG.sub("", code)).splitlines()
    typed = "\n".join(found[1] for found in map(PROMPT[language].fullmatch, lines) if found)
    copied = f' data-copy="{html.escape(typed)}"' if typed else ""
    return f'<div class="language-{language} highlight"{copied}>{code}</div>'
