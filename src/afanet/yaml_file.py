"""Reads YAML from users: plain values of bounded size, or an `InputError`."""

from __future__ import annotations

import re
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from afanet.errors import InputError, shown
from afanet.files import read_text

MOST_BYTES = 2**20
MOST_NODES = 50_000  # values, keys and their containers
DEEPEST = 32
LONGEST = 4096  # characters of one value
MOST_BITS = 64  # of a whole number
TAG = "tag:yaml.org,2002:"  # begins the tags of YAML's own types
PLAIN = ("str", "int", "float", "bool", "null", "seq", "map")
EXPECTED = "text, a number, true, false, null, a list or a mapping"


def read_yaml(file: Path | Traversable, what: str, expected: str = "a YAML file") -> Any:
    """The content of a YAML file; if it is unreadable, and as `parse_yaml` does, raises `InputError` about `what`."""
    try:
        text = read_text(file, MOST_BYTES) if isinstance(file, Path) else file.read_text(encoding="utf-8")
    except InputError as error:
        raise InputError(f"{what} cannot be used: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise InputError(f"{what} cannot be read ({reason}), expected {expected}") from None
    return parse_yaml(text, what)


def parse_yaml(text: str, what: str) -> Any:
    """The value of a YAML text: text, numbers, booleans and null, in lists and mappings.

    Raises `InputError`, which begins with `what` and names the line and the column. It refuses text that is not YAML,
    other values such as a date, a key given twice in a mapping, an alias, since a few of them can expand to gigabytes,
    and more or deeper values than a person would write.

    >>> parse_yaml("a: [1, 2]", "the text")
    {'a': [1, 2]}
    >>> parse_yaml("a: !!int many", "the text")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: the text, line 1, column 4 has 'many', which is not a valid int: correct it, or ...
    """
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except _RefusedError as error:
        raise InputError(f"{what}{_where(error.problem_mark)} {error.problem}") from None
    except yaml.reader.ReaderError as error:
        line, column = text.count("\n", 0, error.position) + 1, error.position - text.rfind("\n", 0, error.position)
        code = f"{ord(error.character):#06x}" if isinstance(error.character, str) else f"{error.character:#06x}"
        raise InputError(
            f"{what}, line {line}, column {column} has the character {code}, which no YAML may hold: remove it"
        ) from None
    except yaml.MarkedYAMLError as error:
        raise InputError(f"{what}{_where(error.problem_mark)} is not valid YAML: {error.problem:.200}") from None
    except ValueError:  # from an escape such as "\U00110000", while the text is scanned
        mark = loader.get_mark() if loader is not None else None
        raise InputError(
            f"{what}{_where(mark)} is not valid YAML: it escapes a character that does not exist"
        ) from None
    finally:
        if loader is not None:
            loader.dispose()


def _where(mark: yaml.Mark | None) -> str:
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""


class _RefusedError(yaml.MarkedYAMLError):
    """YAML that is refused here."""

    def __init__(self, problem: str, mark: yaml.Mark) -> None:
        super().__init__(problem=problem, problem_mark=mark)


class _Loader(yaml.SafeLoader):
    """Refuses values as it reads, before anything can grow large."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.nodes = self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise _RefusedError(f"has the alias '*{event.anchor:.40}': write out its value", mark)
        if isinstance(event, yaml.ScalarEvent):
            _check_text(event.value, mark)
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise _RefusedError(f"has more than {MOST_NODES:,} values, expected fewer", mark)
        if self.depth >= DEEPEST:
            raise _RefusedError(f"is nested more than {DEEPEST} deep, expected less", mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        kind = str(node.tag).removeprefix(TAG)
        if kind not in PLAIN:
            value = f"{shown(node.value)} of type" if isinstance(node, yaml.ScalarNode) and node.value else "the type"
            problem = f"has {value} {kind:.60}, expected {EXPECTED}: put text in quotes"
            raise _RefusedError(problem, node.start_mark)
        try:
            value = super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except Exception:  # PyYAML raises many kinds of error for malformed values
            problem = f"has {shown(node.value)}, which is not a valid {kind}: correct it, or put text in quotes"
            raise _RefusedError(problem, node.start_mark) from None
        if isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise _RefusedError(f"has a number of {value.bit_length()} bits, expected {MOST_BITS}", node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        values = super().construct_mapping(node, deep)
        if len(values) < len(node.value):
            seen = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep)
                if key in seen:
                    raise _RefusedError(f"has the key {shown(key)} twice: keep one", key_node.start_mark)
                seen.add(key)
        return values


def _check_text(text: str, mark: yaml.Mark) -> None:
    if len(text) > LONGEST:
        raise _RefusedError(f"has a value of {len(text)} characters, expected at most {LONGEST}", mark)
    if odd := re.search("[\0\ud800-\udfff]", text):
        problem = f"has the character {ord(odd[0]):#06x}, which no text or file name may hold: remove it"
        raise _RefusedError(problem, mark)
