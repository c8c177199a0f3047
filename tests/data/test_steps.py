"""Labels follow a mirror, and padding is labelled for no task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from afanet.data import Data, Sample, open_data
from afanet.data.sets.manifest.kinds import declare_tasks
from afanet.data.steps import mirrors, with_normalisation, with_resize
from afanet.data.transforms import DepthMap, Flip, NormalMap, Zoom, evaluation
from afanet.errors import InputError
from afanet.framing import framing
from afanet.normalisation import IMAGENET, Normalisation
from afanet.tasks import Task

PARTS = ["arm_l", "arm_r", "body", "leg_l", "leg_r"]
DECLARED: dict[str, dict[str, Any]] = {
    "side": {"kind": "classification", "classes": ["left", "both", "right"], "swap": {"left": "right"}},
    "parts": {"kind": "segmentation", "classes": PARTS, "swap": {"arm_l": "arm_r", "leg_l": "leg_r"}},
    "marks": {"kind": "multi_label", "labels": ["left", "right", "old"], "swap": {"right": "left", "left": "right"}},
    "lane": {"kind": "ordinal", "classes": ["left", "middle", "right"], "swap": {"left": "right"}},
    "depth": {"kind": "depth"},
    "normals": {"kind": "normals"},
}
TASKS: dict[str, Task] = {name: task for name, (_, task) in declare_tasks(DECLARED).items()}
AUGMENT = {"zoom": False, "colour": False}


def labelled(seed: int, height: int = 6, width: int = 9) -> Sample:
    """A sample with a label of every kind, some of them void."""
    rng = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 6, (height, width), generator=rng)
    normals = torch.nn.functional.normalize(torch.randn(3, height, width, generator=rng), dim=0)
    return {
        "image": tv_tensors.Image(torch.randint(0, 256, (3, height, width), generator=rng, dtype=torch.uint8)),
        "targets": {
            "side": torch.randint(-1, 3, (), generator=rng),
            "parts": tv_tensors.Mask(torch.where(ids == 5, 255, ids).byte()),
            "marks": torch.randint(-1, 2, (3,), generator=rng),
            "lane": torch.randint(-1, 3, (), generator=rng),
            "depth": DepthMap(torch.rand(1, height, width, generator=rng)),
            "normals": NormalMap(normals),
        },
        "id": "x",
    }


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


def sided_folder(root: Path) -> Path:
    """Twelve images, bright at the left or at the right, with the side in the table."""
    lines = ["image,split,side"]
    for number in range(12):
        side, pixels = ("left", "right")[number % 2], np.zeros((16, 16, 3), np.uint8)
        pixels[:, :8] = 255 * (side == "left")
        pixels[:, 8:] = 255 * (side == "right")
        Image.fromarray(pixels).save(root / f"{number}.png")
        lines.append(f"{number}.png,{'train' if number < 10 else 'test'},{side}")
    (root / "manifest.csv").write_text("\n".join(lines))
    return root


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


def all_of(tasks: dict[str, Task], sample: Sample) -> Data:
    """Data of one sample, mirrored and zoomed in training."""
    from afanet.data import Reader, Split
    from afanet.data.transforms import training

    class One(Reader):
        def __call__(self, item: Any) -> Sample:
            return {**sample, "targets": dict(sample["targets"])}

    size = (12, 12)
    return Data(
        train=Split(One(), [0], training(size, zoom=1.5)),
        test=Split(One(), [0], evaluation(size)),
        tasks=tasks,
        describe="one",
    )


@given(seed=st.integers(0, 999), height=st.integers(2, 40), width=st.integers(2, 40))
@settings(max_examples=60, deadline=None)
def test_padding_counts_for_no_task(seed: int, height: int, width: int) -> None:
    sample = labelled(seed, height, width)
    sample["targets"]["parts"] = tv_tensors.Mask(torch.full((height, width), 3, dtype=torch.uint8))
    sample["targets"]["depth"] = DepthMap(torch.ones(1, height, width))
    data = with_resize(all_of(TASKS, sample), "letterbox")
    filled = framing((height, width), (12, 12), "letterbox").filled
    for split in (data.train, data.test):
        torch.manual_seed(seed)
        seen = split[0]
        inside = seen["targets"]["parts"].as_subclass(Tensor) != 255
        assert inside.sum() == filled.height * filled.width
        assert (seen["image"].as_subclass(Tensor)[:, ~inside] == 0).all()
        for name in ("parts", "depth", "normals"):
            known = TASKS[name].labelled(seen["targets"][name].as_subclass(Tensor))
            assert torch.equal(known.reshape(12, 12), inside), name
        assert set(seen["targets"]) == set(sample["targets"])
    assert torch.equal(data.test[0]["targets"]["marks"], sample["targets"]["marks"])


def test_padding_is_void_whatever_number_a_task_has_for_it() -> None:
    tasks: dict[str, Task] = dict(TASKS)
    tasks["parts"] = type(TASKS["parts"])(PARTS, void=77)  # type: ignore[call-arg]
    sample = labelled(0, 12, 6)
    sample["targets"]["parts"] = tv_tensors.Mask(torch.zeros(12, 6, dtype=torch.uint8))
    seen = with_resize(all_of(tasks, sample), "letterbox").test[0]["targets"]["parts"]
    assert seen[0].tolist() == [77] * 3 + [0] * 6 + [77] * 3


def test_what_cannot_be_letterboxed_is_refused() -> None:
    data = open_data("rooms", size=(24, 32), train_scenes=2, test_scenes=1)
    with pytest.raises(InputError, match=r"unknown data.resize 'letterbok', did you mean 'letterbox'"):
        with_resize(data, "letterbok")  # type: ignore[arg-type]
    bare = Data(data.train, type(data.test)(data.test.read, [0], v2.Compose([v2.Identity()])), data.tasks, "bare")
    with pytest.raises(InputError, match="does not resize its images by afanet"):
        with_resize(bare, "crop")


def test_parts_of_mixed_data_are_letterboxed_too(tmp_path: Path) -> None:
    tasks = {"side": {"kind": "classification", "classes": ["left", "right"]}}
    own = {"name": "manifest", "root": str(sided_folder(tmp_path)), "options": {"tasks": tasks}}
    rooms = {"name": "rooms", "options": {"train_scenes": 1, "test_scenes": 1}}
    data = with_resize(open_data("mixed", None, (16, 24), parts=[own, rooms]), "letterbox")
    for split, index in ((data.train, 0), (data.test, 0)):
        assert (split[index]["image"][:, :, :4] == 0).all()
        assert (split[index]["image"][:, :, 4] != 0).any()
    assert (data.train[10]["targets"]["segmentation"] != 255).all()  # rendered at the size itself


HALF = Normalisation((0.5,) * 3, (0.5,) * 3)


def normalising(by: Normalisation | None, stated: Normalisation = IMAGENET) -> Data:
    """Data of one sample that has a step for `by`, and says that it does what is `stated`."""
    data = all_of(TASKS, labelled(0))
    step = v2.Identity() if by is None else v2.Normalize(by.mean, by.std)
    splits: dict[str, Any] = {
        name: type(split)(split.read, split.items, v2.Compose([*split.transform.transforms[:-1], step]))
        for name, split in data.splits.items()
    }
    return replace(data, **splits, normalisation=stated)


@pytest.mark.parametrize("taken", [IMAGENET, HALF])
@pytest.mark.parametrize(("by", "stated"), [(IMAGENET, IMAGENET), (HALF, HALF)])
def test_images_are_as_the_network_takes_them(by: Normalisation, stated: Normalisation, taken: Normalisation) -> None:
    given = normalising(by, stated)
    data = with_normalisation(given, taken)
    assert (data is given) == (taken == stated)
    assert torch.equal(data.test[0]["image"], normalising(taken).test[0]["image"])
    assert data.normalisation == taken
    assert not data.notes


def test_data_that_normalise_otherwise_than_they_say_are_refused() -> None:
    with pytest.raises(InputError, match=r"makes its images less \[0.5.*the network takes them less \[0.485"):
        with_normalisation(normalising(HALF), IMAGENET)
    assert with_normalisation(normalising(HALF), HALF).normalisation == HALF


def test_data_without_the_step_are_refused_or_noted() -> None:
    with pytest.raises(InputError, match=r"takes images less \[0.5.*add this step"):
        with_normalisation(normalising(None), HALF)
    [note] = with_normalisation(normalising(None), IMAGENET).notes
    assert note.startswith("the data set has no step v2.Normalize: its images must be less [0.485, 0.456, 0.406]")


@pytest.mark.parametrize("channels", [1, 4])
def test_a_note_says_that_colours_are_not_changed(channels: int) -> None:
    data = with_normalisation(normalising(IMAGENET), Normalisation((0.5,) * channels, (0.5,) * channels))
    changed = [step for step in data.train.transform.transforms if isinstance(step, v2.ColorJitter)]
    assert (len(changed), len(data.notes)) == ((1, 0) if channels == 1 else (0, 1))
    assert all("images of 4 channels are neither RGB nor grey" in note for note in data.notes)
