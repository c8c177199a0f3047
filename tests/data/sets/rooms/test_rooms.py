from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from afanet.data.normals import Pinhole, normals_from_depth
from afanet.data.sets.rooms.furniture import CLASSES
from afanet.data.sets.rooms.raycast import FOCAL
from afanet.data.sets.rooms.rooms import Rooms, open_rooms
from afanet.errors import InputError

SIZE = (48, 64)


def test_a_scene_depends_on_seed_split_and_index_alone():
    first, again = Rooms(3, "train", SIZE), Rooms(3, "train", SIZE)
    again(7)  # having read others changes nothing
    sample, repeated = first(5), again(5)
    assert sample["id"] == repeated["id"]
    assert torch.equal(sample["image"], repeated["image"])
    assert all(torch.equal(sample["targets"][task], repeated["targets"][task]) for task in ("segmentation", "depth"))


def test_no_two_scenes_are_alike_within_and_across_splits_and_seeds():
    readers = [Rooms(seed, split, SIZE) for seed in (0, 1) for split in ("train", "test")]
    samples = [reader(index) for reader in readers for index in range(20)]
    assert len({sample["image"].numpy().tobytes() for sample in samples}) == len(samples)
    assert len({sample["targets"]["depth"].numpy().tobytes() for sample in samples}) == len(samples)
    assert len({sample["id"] for sample in samples}) == len(samples)


def test_every_class_occurs_and_depth_is_of_a_room():
    counts, reader = np.zeros(len(CLASSES)), Rooms(0, "train", SIZE)
    for index in range(40):
        targets = reader(index)["targets"]
        counts += np.bincount(targets["segmentation"].numpy().ravel(), minlength=len(CLASSES))
        assert 0.2 < targets["depth"].min() < targets["depth"].max() < 10
    assert (counts / counts.sum() > 0.002).all()


def test_colour_alone_does_not_tell_the_classes():
    """Naming each pixel by the commonest class of its colour must do poorly on other scenes."""

    def pixels(split: str, scenes: int) -> tuple[np.ndarray, np.ndarray]:
        samples = [Rooms(0, split, SIZE)(index) for index in range(scenes)]
        colours = torch.stack([sample["image"] // 32 for sample in samples]).long()
        bins = colours[:, 0] * 64 + colours[:, 1] * 8 + colours[:, 2]
        labels = torch.stack([sample["targets"]["segmentation"] for sample in samples])
        return bins.numpy().ravel(), labels.numpy().ravel()

    bins, labels = pixels("train", 80)
    commonest = np.histogram2d(bins, labels, bins=(512, 8), range=((0, 512), (0, 8)))[0].argmax(1)
    bins, labels = pixels("test", 30)
    named = commonest[bins]
    iou = [((named == c) & (labels == c)).sum() / ((named == c) | (labels == c)).sum() for c in range(8)]
    assert np.mean(iou) < 0.25


def test_open_rooms_gives_the_splits_asked_for():
    data = open_rooms(size=(24, 32), train_scenes=5, test_scenes=3, seed=2, augment=False)
    assert (len(data.train), len(data.test)) == (5, 3)
    sample = data.train[4]
    assert sample["image"].shape == (3, 24, 32)
    assert sample["image"].dtype == sample["targets"]["depth"].dtype == torch.float32
    assert sample["targets"]["segmentation"].dtype == torch.int64
    truth = Rooms(2, "train", (24, 32))(4)["targets"]
    assert torch.equal(sample["targets"]["depth"], truth["depth"])
    assert torch.equal(sample["targets"]["segmentation"], truth["segmentation"].long())
    assert data.tasks["segmentation"].output.channels == len(CLASSES)
    assert list(data.tasks) == list(sample["targets"])


def test_a_data_path_is_refused():
    with pytest.raises(InputError, match="leave --data out"):
        open_rooms(Path("somewhere"))


def test_normals_are_those_of_the_depth():
    """Where a plane can be fitted to the depth around a pixel, it has the pixel's normal."""
    reader, (height, width) = Rooms(0, "train", (96, 128), normals=True), (96, 128)
    camera = Pinhole(FOCAL * width, FOCAL * width, width / 2, height / 2)
    for index in range(3):
        targets = reader(index)["targets"]
        fitted = normals_from_depth(targets["depth"][0], camera, radius=1)
        flat = fitted.norm(dim=0) > 0
        cosine = (fitted * targets["normals"]).sum(0)[flat]
        assert targets["normals"].norm(dim=0).sub(1).abs().max() < 1e-3  # on the lamp, a small ball
        assert (cosine > 0.999).float().mean() > 0.9  # all but edges, where two surfaces meet at one depth
    assert list(open_rooms(normals=True).tasks) == ["segmentation", "depth", "normals"]
    assert "normals" not in Rooms(0, "train", (24, 32))(0)["targets"]
