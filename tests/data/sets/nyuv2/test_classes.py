from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from afanet.data.sets.nyuv2.classes import class_names, label_table, tables


def test_tables_equal_the_official_files(shared: Callable[[str], Path]):
    meta = shared("nyuv2_meta")
    forty = loadmat(meta / "classMapping40.mat", squeeze_me=True)
    thirteen = loadmat(meta / "class13Mapping.mat", squeeze_me=True)["classMapping13"].item()
    assert tables()["classes40"] == [[*pair] for pair in zip(forty["className"], thirteen[0], strict=True)]
    assert tables()["classes894"] == [[*pair] for pair in zip(forty["allClassName"], forty["mapClass"], strict=True)]
    assert tables()["classes13"] == list(thirteen[1])


@pytest.mark.parametrize("classes", [13, 40])
def test_label_tables_reach_every_class_and_agree_on_the_way(classes):
    coarse, fine = label_table("classes40", classes), label_table("classes894", classes)
    assert (len(coarse), len(fine)) == (41, 895)
    assert coarse[0] == fine[0] == 255
    assert set(coarse[1:]) == set(fine[1:]) == set(range(classes))
    to40 = label_table("classes894", 40)
    np.testing.assert_array_equal(fine[1:], coarse[1:][to40[1:]])
    names = [name for name, _ in tables()["classes40"]]
    if classes == 13:  # classes that stand in both tables under one name keep it
        kept = [name for name in tables()["classes13"] if name in names]
        assert len(kept) >= 9
        assert all(tables()["classes13"][coarse[names.index(name) + 1]] == name for name in kept)


def test_names_have_an_id_each():
    assert [len(class_names(classes)) for classes in (13, 40)] == [13, 40]
    assert label_table("classes13", 13).tolist() == [255, *range(13)]
