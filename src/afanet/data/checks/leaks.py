"""People and scenes that stand in more than one split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from afanet.data.sample import Data


def leaks(data: Data) -> list[str]:
    """A sentence for each person or scene that stands in two splits, as far as the readers know them; no file is read.

    >>> from afanet.data import open_data
    >>> leaks(open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1))
    []
    """
    return shared_groups({f"split {name}": split.read.groups(split.items) for name, split in data.splits.items()})


def shared_groups(places: Mapping[str, Iterable[str | None]]) -> list[str]:
    """A sentence for each group that stands in two of `places`; None is no group.

    >>> shared_groups({"fold 0": ["user 7", None], "fold 1": ["user 8", "user 7", None]})
    ['user 7 stands in fold 0 and fold 1: keep it in one']
    """
    first: dict[str, str] = {}
    said: dict[str, str] = {}
    for place, groups in places.items():
        for group in groups:
            if group is not None and first.setdefault(group, place) != place:
                said.setdefault(group, f"{group} stands in {first[group]} and {place}: keep it in one")
    return list(said.values())
