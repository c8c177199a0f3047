"""The official classes of NYUv2: 894, 40 and 13 names, and the maps from finer to coarser classes."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

VOID = 255


@cache
def tables() -> dict[str, Any]:
    """The official tables: `classes13` has names; `classes40` and `classes894` have [name, id of the coarser class].

    >>> tables()["classes40"][:2], tables()["classes13"][11]
    ([['wall', 12], ['floor', 5]], 'wall')
    """
    text = resources.files("afanet.data.sets.nyuv2").joinpath("classes.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def class_names(classes: Literal[13, 40]) -> list[str]:
    """The names of the classes, in the order of their ids.

    >>> class_names(13)[:3]
    ['bed', 'books', 'ceiling']
    """
    return list(tables()["classes13"]) if classes == 13 else [name for name, _ in tables()["classes40"]]


def label_table(source: Literal["classes13", "classes40", "classes894"], classes: Literal[13, 40]) -> NDArray[np.uint8]:
    """The class 0..classes-1 of every id in the files; id 0 is void, which is 255 here.

    >>> label_table("classes40", 13)[:3].tolist(), len(label_table("classes894", 40))
    ([255, 11, 4], 895)
    """
    if source == "classes13":
        return np.array([VOID, *range(13)], np.uint8)
    to40 = [coarser for _, coarser in tables()["classes894"]] if source == "classes894" else range(1, 41)
    to13 = [coarser for _, coarser in tables()["classes40"]]
    ids = to40 if classes == 40 else [to13[i - 1] for i in to40]
    return np.array([VOID, *(i - 1 for i in ids)], np.uint8)
