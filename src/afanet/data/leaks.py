"""People and scenes that stand in more than one split."""

from __future__ import annotations

from afanet.data.sample import Data


def leaks(data: Data) -> list[str]:
    """A sentence for each person or scene that stands in two splits, as far as the readers know them; no file is read.

    >>> from afanet.data import open_data
    >>> leaks(open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1))
    []
    """
    first: dict[str, str] = {}
    said: dict[str, str] = {}
    for name, split in data.splits.items():
        for item in split.items:
            group = split.read.group(item)
            if group is not None and first.setdefault(group, name) != name:
                said.setdefault(group, f"{group} stands in the splits {first[group]} and {name}: keep it in one")
    return list(said.values())
