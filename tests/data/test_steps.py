"""Padding is labelled for no task, and images are as the network takes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from afanet.data import Data, Sample, open_data
from afanet.data.steps import with_normalisation, with_resize, with_unlabelled
from afanet.data.transforms import DepthMap, evaluation
from afanet.errors import InputError
from afanet.framing import framing
from afanet.normalisation import IMAGENET, Normalisation
from afanet.tasks import Task

from .labelled import PARTS, TASKS, labelled, sided_folder


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
        assert torch.equal(seen.get("padding", torch.zeros(12, 12, dtype=torch.bool)), ~inside)
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
    with pytest.raises(
        InputError, match=r"has images normalised with mean \[0.5.*the network takes them normalised with mean \[0.485"
    ):
        with_normalisation(normalising(HALF), IMAGENET)
    assert with_normalisation(normalising(HALF), HALF).normalisation == HALF


def test_data_without_the_step_are_refused_or_noted() -> None:
    with pytest.raises(InputError, match=r"takes images normalised with mean \[0.5.*add this step"):
        with_normalisation(normalising(None), HALF)
    [note] = with_normalisation(normalising(None), IMAGENET).notes
    assert note.startswith("the data set has no step v2.Normalize: its images must be normalised with mean [0.485, ")


@pytest.mark.parametrize("channels", [1, 4])
def test_a_note_says_that_colours_are_not_changed(channels: int) -> None:
    data = with_normalisation(normalising(IMAGENET), Normalisation((0.5,) * channels, (0.5,) * channels))
    changed = [step for step in data.train.transform.transforms if isinstance(step, v2.ColorJitter)]
    assert (len(changed), len(data.notes)) == ((1, 0) if channels == 1 else (0, 1))
    assert all("images of 4 channels are neither RGB nor grey" in note for note in data.notes)


def test_images_without_a_label_train_for_teachers_unless_data_are_drawn_by_shares() -> None:
    data = open_data("rooms", size=(24, 32), train_scenes=3, test_scenes=1)
    bare = replace(data, unlabelled=[0, 1])
    joined = with_unlabelled(bare)
    assert (len(joined.train), len(joined.unlabelled)) == (5, 0)
    assert joined.notes == ["2 training images without any label: only teachers have answers for them"]
    mixed = with_unlabelled(replace(bare, shares=[(3, 1.0)]))
    assert len(mixed.train) == 3
    assert mixed.notes == [
        "2 training images without any label are left out: mixed data draw by shares, teachers or not"
    ]
    assert with_unlabelled(data) is data
