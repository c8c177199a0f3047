"""Rows by name, to which others can add: methods, heads, kinds of task, data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from afanet import outside
from afanet.errors import InputError, unknown
from afanet.names import name_fault

Row = TypeVar("Row")
GROUP = "afanet"


class Registry(Mapping[str, Row], Generic[Row]):
    """Rows by name: the package's own rows, rows registered in Python, and rows of installed packages.

    An installed package adds a row by an entry point of the group `afanet` called `SECTION.NAME`. The package's own
    rows may be given as `module:attribute`, and are imported when they are asked for. A name with a colon is a
    reference to code in a file or module (see `afanet.outside`), which is loaded if it is trusted.

    Args:
        section: the first part of the entry points' names, such as "method".
        what: the word for a row in messages, such as "method".
        rows: the package's own rows, in the order in which they are listed.
        read: makes a row from an object that is registered from outside; raises `InputError` if it cannot.

    >>> sizes = Registry("size", "size", {"small": 1}, read=lambda name, given: int(given))
    >>> sizes.register("large", 9)
    >>> list(sizes), sizes["large"], "huge" in sizes
    (['small', 'large'], 9, False)
    >>> sizes["larg"]
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: unknown size 'larg', did you mean 'large'? (known: small, large); of your own: ...
    """

    def __init__(
        self, section: str, what: str, rows: Mapping[str, Row | str], read: Callable[[str, object], Row]
    ) -> None:
        self.section, self.what, self._read = section, what, read
        self._rows: dict[str, Row | str] = dict(rows)
        self._own = frozenset(rows)
        self._referred: dict[str, Row] = {}
        self._installed: dict[str, EntryPoint] | None = None

    @property
    def own(self) -> list[str]:
        """The names of the package's own rows, without those from outside."""
        return [name for name in self._rows if name in self._own]

    def register(self, name: str, given: object) -> None:
        """Add a row under a new name, or replace a row that was registered before.

        Raises `InputError` if the name is one of the package's own or not a word, and if `given` cannot be a row.
        """
        if fault := name_fault(name, self._own):
            raise InputError(f"{name!r:.80} cannot name a {self.what}, since it {fault}: choose another name")
        self._rows[name] = self._read(name, given)

    def __getitem__(self, name: str) -> Row:
        if outside.is_reference(name):
            if name not in self._referred:
                self._referred[name] = self._read(name, outside.load(name))
            return self._referred[name]
        if name in self._rows:
            row: Row = imported(self._rows[name])
            self._rows[name] = row
            return row
        if name in self._packages:
            self._rows[name] = self._read(name, _load(self._packages[name]))
            return self[name]
        raise InputError(
            f"{unknown(self.what, name, self)}; of your own: register it in this process, or name it as FILE.py:NAME"
        )

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (outside.is_reference(name) or name in self._rows or name in self._packages)

    def __iter__(self) -> Iterator[str]:
        return iter({**self._rows, **self._packages})

    def __len__(self) -> int:
        return len({**self._rows, **self._packages})

    @property
    def _packages(self) -> dict[str, EntryPoint]:
        if self._installed is None:
            start = f"{self.section}."
            points = {
                point.name.removeprefix(start): point
                for point in entry_points(group=GROUP)
                if point.name.startswith(start)
            }
            self._installed = {name: point for name, point in points.items() if not name_fault(name, self._own)}
        return self._installed


def imported(given: Any) -> Any:
    """`given` itself, or the object that it names as `module:attribute`: rows are imported when they are asked for.

    >>> imported("math:pi"), imported(3)
    (3.14159..., 3)
    """
    if not isinstance(given, str):
        return given
    module, _, attribute = given.partition(":")
    return getattr(import_module(module), attribute)


def _load(point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:  # other people's code may fail in any way
        raise InputError(
            f"entry point {point.name} = {point.value} of the group {GROUP} cannot be loaded: "
            f"{type(error).__name__}: {error!s:.200}; correct or remove the package that brings it"
        ) from error
