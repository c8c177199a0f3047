"""People and scenes in two splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from afanet.data import Split, open_data
from afanet.data.checks.leaks import leaks
from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.runs.setup import open_whole


def test_each_person_in_two_splits_is_named_once(adience: Path) -> None:
    data = open_data("adience", adience, (8, 8))
    assert leaks(data) == []
    shown = [face for face in data.train.items if face.user in ("10@N00", "31@N00")]
    assert len({face.user for face in shown}) == 2
    held = Split(data.test.read, shown * 2, data.test.transform)
    assert leaks(replace(data, validation=held)) == [
        f"{face.user} is in split train and split validation: keep it in one" for face in shown
    ]


def test_training_refuses_a_person_in_two_splits(adience: Path) -> None:
    recipe = load_recipe("adience", {"data.root": str(adience), "data.size": [8, 8]})
    open_whole(recipe)
    row = (adience / "fold_1_data.txt").read_text().splitlines()[1]
    with (adience / "fold_0_data.txt").open("a") as fold:
        fold.write(row + "\n")
    with pytest.raises(InputError, match=r"10@N00 is in split train and split test: keep it in one"):
        open_whole(recipe)
