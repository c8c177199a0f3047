"""Joins columns of yes and no into one task: the labels of an image, or its class if each image has one yes."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from afanet.data.intake.cells import Cells
from afanet.data.intake.contents import Column
from afanet.data.intake.guesses.values import EMPTY, listed

PAIRS = (("0", "1"), ("0.0", "1.0"), ("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"), ("-1", "1"))
MANY = 4  # columns that are one task, whatever their names
FEW = 3  # columns that are one task if exactly one of them is yes in every image
PREFIX = re.compile(r"(.*?[^\W_])[\s_.:/-]+(.+)")
TOGETHER, EXCLUSIVE = "attributes", "label"


def is_flag(counts: Mapping[str, int]) -> bool:
    """Whether the cells are yes and no, written in one way, and both occur.

    >>> is_flag({"0": 3, "1": 2, "": 1}), is_flag({"0": 3, "2": 2}), is_flag({"1": 3})
    (True, False, False)
    """
    cells = {cell.strip().lower() for cell in counts} - EMPTY
    return any(cells == set(pair) for pair in PAIRS)


def groups_of_flags(headers: list[str]) -> dict[str, dict[str, str]]:
    """By name of task, its columns with the label that each is for.

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
    """One task made from several columns of flags, with its name; `labels` has the label of each column.

    None if these labels have impossible names, or if the columns are few and unrelated.
    """
    names = list(labels.values())
    usable_names = all(name.isprintable() and ";" not in name and name != "-" and name[-1] != "?" for name in names)
    if not usable_names or len(set(names)) < len(names):
        return None
    yes, known = _read(labels, columns)
    whole, some = known.all(1), known.any(1)
    exclusive = bool(whole.any()) and bool((yes[whole].sum(1) == 1).all())
    if name == TOGETHER and len(names) < MANY and not exclusive:
        return None
    usable = whole if exclusive else some
    counts = dict(zip(names, yes[usable].sum(0).tolist(), strict=True))
    first, total = next(iter(labels)), int(usable.sum())
    summary = f"{total} images with {len(names)} columns of yes and no, such as '{first}' ({listed(counts)})"
    states = np.concatenate([yes, ~known], axis=1)
    patterns, codes = np.unique(np.packbits(states, axis=1), axis=0, return_inverse=True)
    texts = pa.array([_text(names, pattern) for pattern in patterns], pa.string()).take(pa.array(codes.reshape(-1)))
    cells = Cells(next(iter(columns.values())).rows, pc.if_else(pa.array(usable), texts, ""))
    partly = int((some & ~whole).sum())
    if exclusive:
        said = f"; left out: {partly} images of which not all are known" if partly else ""
        declared = {"kind": "classification", "classes": names}
        summary += f"; one is yes in every image, so they are classes{said}"
        return EXCLUSIVE if name == TOGETHER else name, Column(declared, cells, summary)
    said = f"; {partly} images of which not all are known" if partly else ""
    return name, Column({"kind": "multi_label", "labels": names}, cells, f"{summary}, taken to be multi_label{said}")


def _text(names: list[str], pattern: NDArray[np.uint8]) -> str:
    """The labels that are on, and, with a question mark, those that are unknown."""
    yes, unknown = np.unpackbits(pattern, count=2 * len(names)).reshape(2, -1).tolist()
    marked = [name if on else f"{name}?" for name, on, hidden in zip(names, yes, unknown, strict=True) if on or hidden]
    return ";".join(marked) or "-"


def _read(labels: Mapping[str, str], columns: Mapping[str, Cells]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which images have each label, and for which images that is known, both (N, L)."""
    marks, known = [], []
    for header in labels:
        encoded = columns[header].texts.dictionary_encode()
        words = [word.strip().lower() for word in encoded.dictionary.to_pylist()]
        yes = np.array([word in {pair[1] for pair in PAIRS} for word in words])
        filled = np.array([word not in EMPTY for word in words])
        codes = encoded.indices.to_numpy()
        marks.append(yes[codes])
        known.append(filled[codes])
    return np.stack(marks, axis=1), np.stack(known, axis=1)
