"""The split of each image: as folders or a table say, else by a hash of the names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from hashlib import sha256

from afanet.errors import InputError

SOURCES = {"folder": "folders are", "table": "table says", "annotations": "annotations say"}
FEWEST = 4  # images or groups: two for training, one for testing, one for validation
BY_HASH = "split by a hash of the names"


def choose_splits(
    own: Mapping[str, str],
    tasks: Mapping[str, Collection[str]],
    groups: Mapping[str, str] | None = None,
    source: str = "folder",
) -> tuple[dict[str, str], str]:
    """The split of every labelled image, and how it was chosen, in words.

    `own` has the split that `source`, one of `SOURCES`, gives each image; it is empty if there is none. `tasks` has the
    labelled images of each task, and `groups` the person or scene of images. Own splits are kept. If no image of the
    test split has a label, the validation split becomes the test split; if that has no label either, the images of the
    training split are split by their names. Raises `InputError` if no image for training has a label.

    >>> choose_splits({"train/a.jpg": "train", "val/b.jpg": "validation"}, {"depth": ["train/a.jpg", "val/b.jpg"]})[0]
    {'train/a.jpg': 'train', 'val/b.jpg': 'test'}
    """
    if not own:
        return _by_hash(tasks, groups or {})
    labelled = {name for names in tasks.values() for name in names}
    splits = {name: split for name, split in own.items() if name in labelled}
    present = set(splits.values())
    if "train" not in present:
        given = f"the {' and the '.join(sorted(present))} split"
        if source == "folder":
            raise InputError(
                f"there is a folder for {given} and none with labels to train on, expected one called train: move the "
                "images for training there"
            )
        raise InputError(f"the {source} has images of {given}, and of the train split none with labels, expected some")
    as_given = f"split as the {SOURCES[source]}"
    if "test" in present:
        return splits, as_given
    if "validation" in present:
        return (
            {name: "test" if split == "validation" else split for name, split in splits.items()},
            f"{as_given}, with the validation split to test on, since no test split has labels",
        )
    splits, how = _by_hash(tasks, groups or {})
    return splits, f"{how}, since no other split than train has labels"


def _by_hash(tasks: Mapping[str, Collection[str]], groups: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The splits of images by their names or, if several groups are known, by groups, each in one split."""
    if not groups:
        return split_by_name(tasks), BY_HASH
    units = {name: groups.get(name, name) for names in tasks.values() for name in names}
    several = len(set(units.values()))
    if several < FEWEST:
        return split_by_name(tasks), f"{BY_HASH}, since {several} groups are too few"
    by_unit = split_by_name({task: {units[name] for name in names} for task, names in tasks.items()})
    return {name: by_unit[unit] for name, unit in units.items()}, "split by a hash of the groups, each in one split"


def split_by_name(tasks: Mapping[str, Collection[str]]) -> dict[str, str]:
    """The split of every labelled image, from those of each task: a tenth test and a tenth validation, at least one.

    Images are chosen by the hashes of their names, in such a way that every task, the rarest first, has an image to
    train on and then another to test on, if there are enough.

    >>> list(split_by_name({"depth": [f"{number}.jpg" for number in range(20)]}).values()).count("train")
    16
    """
    names = {name for labelled in tasks.values() for name in labelled}
    if len(names) < FEWEST:
        raise InputError(
            f"{len(names)} labelled images are too few, expected at least 4: two for training, one to test on, one more"
        )
    ranked = sorted(names, key=lambda name: sha256(name.encode()).digest())
    splits: dict[str, str] = {}
    for labelled in sorted(tasks.values(), key=len):
        for split, order in {"train": ranked[::-1], "test": ranked}.items():
            free = [name for name in order if name in labelled and name not in splits]
            if split == "train" and "test" not in splits.values() and len(splits) + 1 == len(names):
                continue  # the last image is for testing
            if free and all(splits.get(name) != split for name in labelled):
                splits[free[0]] = split
    for split in ("test", "validation"):
        wanted = max(1, len(names) // 10) - list(splits.values()).count(split)
        splits |= dict.fromkeys([name for name in ranked if name not in splits][: max(0, wanted)], split)
    return dict.fromkeys(ranked, "train") | splits
