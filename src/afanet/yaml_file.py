"""Reads YAML from users: plain values of bounded size, or an `InputError`."""

from __future__ import annotations

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


def read_yaml(file: Path | Traversable, what: str, expected: str = "a YAML file") -> Any:
    """The content of a YAML file; raises `InputError`, beginning with `what`, as `parse_yaml` does or if unreadable."""
    try:
        text = read_text(file, MOST_BYTES) if isinstance(file, Path) else file.read_text(encoding="utf-8")
    except InputError as error:
        raise InputError(f"{what} cannot be used: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8 text"
        raise InputError(f"{what} cannot be read ({reason}), expected {expected}") from None
    return parse_yaml(text, what)


def parse_yaml(text: str, what: str) -> Any:
    """The value of a YAML text.

    Raises `InputError`, which begins with `what`, for text that is not YAML, for a key given twice in a mapping, for
    an alias, since a few of them can expand to gigabytes, and for more or deeper values than a person would write.

    >>> parse_yaml("a: [1, 2]", "the text")
    {'a': [1, 2]}
    >>> parse_yaml("a: &list [1, 2]\\nb: *list", "the text")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: the text, line 2 has the alias '*list': write out its value
    """
    loader = None
    try:
        loader = _Loader(text)
        return loader.get_single_data()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "unreadable characters"
        verb = "" if isinstance(error, _RefusedError) else "is not valid YAML: "
        raise InputError(f"{what}{line} {verb}{problem:.200}") from None
    finally:
        if loader is not None:
            loader.dispose()


class _RefusedError(yaml.MarkedYAMLError):
    """Valid YAML that is refused here."""

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
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > LONGEST:
            problem = f"has a value of {len(event.value)} characters, expected at most {LONGEST}"
            raise _RefusedError(problem, mark)
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
        try:
            value = super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except Exception as error:  # PyYAML raises many kinds of error for malformed values
            problem = f"{type(error).__name__}, {error}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None
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
