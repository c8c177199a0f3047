"""People and scenes that are in more than one split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from afanet.data.sample import Data


def leaks(data: Data) -> list[str]:
    """A sentence for each person or scene in two splits, if the readers know them; no file is read.

    >>> from afanet.data import open_data
    >>> leaks(open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1))
    []
    """
    return shared_groups({f"split {name}": split.read.groups(split.items) for name, split in data.splits.items()})


def shared_groups(splits: Mapping[str, Iterable[str | None]]) -> list[str]:
    """A sentence for each group that is in two of `splits`; None means that the group is unknown.

    >>> shared_groups({"fold 0": ["user 7", None], "fold 1": ["user 8", "user 7", None]})
    ['user 7 is in fold 0 and fold 1: keep it in one']
    """
    first_split: dict[str, str] = {}
    messages: dict[str, str] = {}
    for split, groups in splits.items():
        for group in groups:
            if group is not None and first_split.setdefault(group, split) != split:
                messages.setdefault(group, f"{group} is in {first_split[group]} and {split}: keep it in one")
    return list(messages.values())
