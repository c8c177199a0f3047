"""Labels follow a mirror, and each change of an image has a switch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import tv_tensors
from torchvision.transforms import v2

from afanet.data import Data, open_data
from afanet.data.sets.manifest.kinds import declare_tasks
from afanet.data.steps import mirrors
from afanet.data.transforms import Flip, Zoom
from afanet.errors import InputError

from .labelled import TASKS, labelled, sided_folder

AUGMENT = {"zoom": False, "colour": False}


@given(seed=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_mirroring_twice_changes_nothing_and_once_exchanges_the_sides(seed: int) -> None:
    flip, before = Flip(p=1, tasks=TASKS), labelled(seed)
    once = flip(labelled(seed))
    twice = flip(flip(labelled(seed)))
    assert torch.equal(twice["image"], before["image"])
    for name, target in before["targets"].items():
        assert type(twice["targets"][name]) is type(target)
        assert twice["targets"][name].dtype == target.dtype
        assert torch.equal(twice["targets"][name], target), name
    targets, mirrored = before["targets"], once["targets"]
    parts = {0: 1, 1: 0, 2: 2, 3: 4, 4: 3, 255: 255}
    assert mirrored["parts"].tolist() == [[parts[x] for x in row[::-1]] for row in targets["parts"].tolist()]
    sides = {-1: -1, 0: 2, 1: 1, 2: 0}
    assert mirrored["side"].item() == sides[int(targets["side"].item())]
    assert mirrored["lane"].item() == sides[int(targets["lane"].item())]
    assert mirrored["marks"].tolist() == [targets["marks"].tolist()[index] for index in (1, 0, 2)]


def true_share(data: Data) -> float:
    """The share of training samples, drawn twenty times each, in which the label tells the bright side."""
    right = 0
    for draw in range(200):
        torch.manual_seed(draw)
        sample = data.train[draw % len(data.train)]
        image = sample["image"].mean(0)
        seen = int(image[:, -4:].mean() > image[:, :4].mean())
        right += seen == int(sample["targets"]["side"])
    return right / 200


@pytest.mark.parametrize("extra", [{"swap": {"left": "right"}}, {"mirror": False}, {}])
def test_left_stays_left_where_labels_follow_the_mirror_or_there_is_none(tmp_path: Path, extra: dict[str, Any]) -> None:
    tasks = {"side": {"kind": "classification", "classes": ["left", "right"], **extra}}
    data = open_data("manifest", sided_folder(tmp_path), (16, 16), tasks=tasks)
    assert mirrors(data.train.transform) == ("mirror" not in extra)
    assert len(data.notes) == ("mirror" in extra)
    share = true_share(data)
    assert share == 1.0 if extra else 0.3 < share < 0.7  # which is what the declaration is for
    if "swap" in extra:
        views = []
        for draw in range(20):
            torch.manual_seed(draw)
            views.append(int(data.train[0]["targets"]["side"]))
        assert set(views) == {0, 1}  # it was mirrored


def test_a_part_of_mixed_data_that_is_not_mirrored_leaves_the_mirror_to_the_others(tmp_path: Path) -> None:
    tasks = {"side": {"kind": "classification", "classes": ["left", "right"], "mirror": False}}
    own = {"name": "manifest", "root": str(sided_folder(tmp_path)), "options": {"tasks": tasks, "augment": AUGMENT}}
    rooms = {"name": "rooms", "options": {"train_scenes": 1, "test_scenes": 1, "augment": AUGMENT}}
    data = open_data("mixed", None, (16, 16), parts=[own, rooms])
    assert [("part 1 (manifest)" in note, "'side'" in note) for note in data.notes] == [(True, True)]

    def views(index: int) -> int:
        images = set()
        for draw in range(12):
            torch.manual_seed(draw)
            images.add(data.train[index]["image"].numpy().tobytes())
        return len(images)

    assert (views(0), views(10)) == (1, 2)


@pytest.mark.parametrize(
    ("augment", "kinds"),
    [
        (False, []),
        ({"mirror": False, "colour": False}, []),
        ({"mirror": False}, [v2.ColorJitter]),
        ({"colour": 0}, [Flip]),
        (True, [Flip, v2.ColorJitter]),
    ],
)
def test_each_change_has_a_switch(augment: Any, kinds: list[type]) -> None:
    data = open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1, augment=augment)
    steps = data.train.transform.transforms
    assert [type(step) for step in steps if isinstance(step, Flip | v2.ColorJitter)] == kinds
    assert [step.most for step in steps if isinstance(step, Zoom)] == [1.5 if augment else 1.0]


def test_a_zoom_without_a_crop_looks_at_the_middle() -> None:
    options = {"mirror": False, "colour": False, "crop": False, "zoom": 2}
    steps = open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1, augment=options).train.transform
    column = torch.arange(33).expand(33, 33)
    for draw in range(10):
        torch.manual_seed(draw)
        image = tv_tensors.Image(torch.zeros(3, 33, 33, dtype=torch.uint8))
        seen = steps({"image": image, "targets": {"parts": tv_tensors.Mask(column)}, "id": ""})["targets"]["parts"]
        assert abs(float(seen.double().mean()) - 16) <= 1


@pytest.mark.parametrize(
    ("augment", "said"),
    [
        ({"miror": False}, "unknown key of augment 'miror', did you mean 'mirror'"),
        ({"zoom": 0.5}, "'zoom' of augment is 0.5, which should be greater than or equal to 1"),
        ({"colour": 2}, "'colour' of augment is 2, which should be less than or equal to 1"),
        ("sometimes", "'augment' of data set 'rooms' is 'sometimes'"),
    ],
)
def test_a_wrong_switch_is_named(augment: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_data("rooms", size=(24, 32), augment=augment)


@pytest.mark.parametrize(
    ("swap", "said"),
    [
        ({"left": "rigth"}, "unknown class in swap of task 'side' 'rigth', did you mean 'right'"),
        ({"left": "right", "right": "both"}, "swap of task 'side' names 'right' twice"),
        ({"left": "left"}, "swap of task 'side' names 'left' twice"),
        (["left"], "'swap' of classification task 'side'"),
    ],
)
def test_a_wrong_swap_is_named(swap: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        declare_tasks({"side": {"kind": "classification", "classes": ["left", "both", "right"], "swap": swap}})
