"""The elements of XML files of any size, one at a time."""

from __future__ import annotations

from collections.abc import Collection, Generator
from pathlib import Path
from xml.etree import ElementTree

from afanet.errors import InputError
from afanet.files import require_regular
from afanet.json_text import DEEPEST


def xml_elements(file: Path, root: str, tags: Collection[str]) -> Generator[ElementTree.Element, None, None]:
    """The elements with some `tags` in a file whose outermost element is `root`, each as soon as it ends.

    Raises `InputError` for a file that is cut short, is not XML, has another root, or is nested too deeply. No external
    entity is ever read, and expat, since 2.4.1, refuses entities that grow without limit.
    """
    try:
        with require_regular(file).open("rb") as stream:
            depth, outermost = 0, None
            for event, element in ElementTree.iterparse(stream, ("start", "end")):
                outermost = element if outermost is None else outermost
                if outermost.tag != root:
                    raise InputError(f"{file} begins with <{outermost.tag:.40}>, expected <{root}>")
                depth += 1 if event == "start" else -1
                if depth > DEEPEST:
                    raise InputError(f"{file} is nested more than {DEEPEST} deep, expected less")
                if event == "end" and element.tag in tags:
                    yield element
                if event == "end" and depth == 1:
                    outermost.clear()  # frees the memory of finished elements
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file} is not complete XML: {error}: copy or export it again") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
