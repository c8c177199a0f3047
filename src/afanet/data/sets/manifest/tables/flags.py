"""Columns of yes and no, which together are one task: the labels of an image, or its class if always one is yes."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from afanet.data.sets.manifest.cells import Cells
from afanet.data.sets.manifest.contents import Column
from afanet.data.sets.manifest.guesses.values import EMPTY, listed

PAIRS = (("0", "1"), ("0.0", "1.0"), ("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"), ("-1", "1"))
MANY = 4  # columns, which are one task whatever their names
FEW = 3  # columns, which are one task where always one of them is yes
PREFIX = re.compile(r"(.*?[^\W_])[\s_.:/-]+(.+)")
TOGETHER, EXCLUSIVE = "attributes", "label"


def is_flag(counts: Mapping[str, int]) -> bool:
    """Whether cells are yes and no, in one way of writing it, and both occur.

    >>> is_flag({"0": 3, "1": 2, "": 1}), is_flag({"0": 3, "2": 2}), is_flag({"1": 3})
    (True, False, False)
    """
    cells = {cell.strip().lower() for cell in counts} - EMPTY
    return any(cells == set(pair) for pair in PAIRS)


def groups_of_flags(headers: list[str]) -> dict[str, dict[str, str]]:
    """The names of tasks, and for each its columns with the labels they are for.

    >>> groups_of_flags(["has_dog", "has_cat"]), groups_of_flags(["sunny", "wet"])
    ({'has': {'has_dog': 'dog', 'has_cat': 'cat'}}, {})
    """
    groups: dict[str, dict[str, str]] = {}
    for header in headers:
        match = PREFIX.fullmatch(header)
        prefix, label = (match[1], match[2]) if match else ("", header)
        groups.setdefault(prefix, {})[header] = label
    if headers and "" not in groups and all(len(group) > 1 for group in groups.values()):
        return groups
    return {TOGETHER: {header: header for header in headers}} if len(headers) >= FEW else {}


def join_flags(name: str, labels: Mapping[str, str], columns: Mapping[str, Cells]) -> tuple[str, Column] | None:
    """One task of several columns of flags, with its name, by the label that each is for.

    An image of which one is unknown has no label. None if these cannot be names of labels, or a few columns have
    nothing to do with one another.
    """
    names = list(labels.values())
    if any(";" in name or name == "-" or not name.isprintable() for name in names) or len(set(names)) < len(names):
        return None
    marks, known = _read(labels, columns)
    total = int(known.sum())
    counts = dict(zip(names, marks[known].sum(0).tolist(), strict=True))
    unknown = int((marks.any(1) & ~known).sum())
    said = f"; {unknown} images left out, of which not all of these are known" if unknown else ""
    first = next(iter(labels))
    rows = next(iter(columns.values())).rows
    summary = f"{total} images with {len(names)} columns of yes and no, such as '{first}' ({listed(counts)}){said}"
    exclusive = total > 0 and bool((marks[known].sum(1) == 1).all())
    patterns, codes = np.unique(np.packbits(marks, axis=1), axis=0, return_inverse=True)
    texts = [_text(names, pattern) for pattern in patterns]
    cells = pa.array(texts, pa.string()).take(pa.array(codes.reshape(-1)))
    column = Cells(rows, pa.array(np.where(known, np.asarray(cells), ""), pa.string()))
    if exclusive:
        declared = {"kind": "classification", "classes": names}
        said = f"{summary}; one is yes in every image, so they are classes"
        return EXCLUSIVE if name == TOGETHER else name, Column(declared, column, said)
    if name == TOGETHER and len(names) < MANY:
        return None
    return name, Column({"kind": "multi_label", "labels": names}, column, f"{summary}, taken to be multi_label")


def _text(names: list[str], pattern: NDArray[np.uint8]) -> str:
    marks = np.unpackbits(pattern, count=len(names))
    return ";".join(name for name, mark in zip(names, marks, strict=True) if mark) or "-"


def _read(labels: Mapping[str, str], columns: Mapping[str, Cells]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which images have each label, (N, L), and of which images all are known, (N,)."""
    marks, known = [], []
    for header in labels:
        encoded = columns[header].texts.dictionary_encode()
        words = [word.strip().lower() for word in encoded.dictionary.to_pylist()]
        yes = np.array([word in {pair[1] for pair in PAIRS} for word in words])
        filled = np.array([word not in EMPTY for word in words])
        codes = encoded.indices.to_numpy()
        marks.append(yes[codes])
        known.append(filled[codes])
    return np.stack(marks, axis=1), np.logical_and.reduce(known)
