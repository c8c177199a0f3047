"""The census of a training split against a count of its samples one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from afanet.data import Data, Split, open_data
from afanet.data.cache import use_cache
from afanet.data.census import Census, take_census
from afanet.data.prepare import prepare
from afanet.data.sets.digits import Pairs
from afanet.errors import InputError
from afanet.tasks import MultiLabel, PooledTask


@pytest.fixture(scope="module")
def rooms() -> Data:
    return open_data("rooms", size=(24, 32), train_scenes=5, test_scenes=1)


def by_hand(data: Data, name: str) -> Census:
    """Of the training images as evaluation sees them."""
    task, split = data.tasks[name], Split(data.train.read, data.train.items, data.test.transform)
    targets = [sample["targets"].get(name) for sample in split]
    values = [torch.empty(0) if x is None else x[task.labelled(x)] for x in targets]
    per_image = [np.bincount(x.long().numpy(), minlength=len(task.names)) for x in values]
    pairs = [(image, number) for image, counts in enumerate(per_image) for number in np.flatnonzero(counts)]
    samples = [image for image, x in enumerate(values) if len(x)]
    return Census(np.sum(per_image, 0), np.array(samples), np.array(pairs).reshape(-1, 2))


def same(one: Census, other: Census) -> bool:
    return all(np.array_equal(getattr(one, key), getattr(other, key)) for key in ("counts", "samples", "pairs"))


def test_it_counts_pixels_as_evaluation_sees_them(rooms: Data, tmp_path: Path) -> None:
    [census] = take_census(rooms, ["segmentation"], tmp_path, 0).values()
    assert same(census, by_hand(rooms, "segmentation"))
    assert census.counts.sum() <= 5 * 24 * 32
    [depth] = take_census(rooms, ["depth"], tmp_path, 0).values()
    assert (depth.counts.tolist(), depth.samples.tolist(), depth.pairs.shape) == ([0], [0, 1, 2, 3, 4], (0, 2))


def test_the_cache_of_samples_and_workers_change_nothing(rooms: Data, tmp_path: Path) -> None:
    expected = by_hand(rooms, "segmentation")
    prepare(rooms, tmp_path, workers=0)
    cached, folder = use_cache(rooms, tmp_path)
    assert folder is not None
    assert same(take_census(cached, ["segmentation"], tmp_path, 2)["segmentation"], expected)


def test_it_is_counted_once_and_again_where_its_file_is_damaged(rooms: Data, tmp_path: Path) -> None:
    def read(data: Data) -> int:
        seen: list[int] = []
        assert same(take_census(data, ["segmentation"], tmp_path, 0, lambda: seen.append(1))["segmentation"], first)
        return len(seen)

    first = take_census(rooms, ["segmentation"], tmp_path, 0)["segmentation"]
    assert read(rooms) == 0
    [file] = tmp_path.glob("*-labels-*.npz")
    content = file.read_bytes()
    damaged: list[bytes] = [b"", content[:-40], content[:200] + b"\0" * 20 + content[220:], b"PK\x03\x04" + bytes(80)]
    for broken in damaged:
        file.write_bytes(broken)
        assert read(rooms) == 5
        assert file.read_bytes() != broken
    assert len(list(tmp_path.glob("*-labels-*"))) == 1
    other = open_data("rooms", size=(24, 32), train_scenes=6, test_scenes=1)
    assert len(take_census(other, ["segmentation"], tmp_path, 0)["segmentation"].samples) == 6


def test_values_of_images_are_counted_without_the_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = open_data("digits", train_pairs=40, test_pairs=1)
    expected = {side: by_hand(data, side) for side in ("left", "right")}

    def refuse(*arguments: Any) -> Any:
        raise AssertionError("an image is read")

    monkeypatch.setattr(Pairs, "__call__", refuse)
    census = take_census(data, ["left", "right"], tmp_path, 2)
    assert all(same(census[side], expected[side]) for side in expected)


def test_joined_data_are_counted_part_by_part(tmp_path: Path) -> None:
    digits = {"name": "digits", "options": {"train_pairs": 6, "test_pairs": 1}}
    rooms = {"name": "rooms", "options": {"train_scenes": 3, "test_scenes": 1}}
    parts = [{**digits, "tasks": ["left"]}, {**rooms, "tasks": ["segmentation"]}]
    data = open_data("mixed", size=(24, 32), parts=parts)
    census = take_census(data, ["left", "segmentation"], tmp_path, 0)
    assert census["left"].samples.tolist() == [0, 1, 2, 3, 4, 5]
    assert census["segmentation"].samples.tolist() == [6, 7, 8]
    assert all(same(census[name], by_hand(data, name)) for name in census)
    [left] = take_census(data, ["left"], tmp_path / "other", 0).values()
    assert same(left, census["left"])


def test_labels_that_are_on_and_off_are_counted_apart(tmp_path: Path) -> None:
    data = open_data("digits", train_pairs=4, test_pairs=1)

    class Faces(Pairs):
        def values(self, index: int) -> dict[str, torch.Tensor]:
            return {"face": torch.tensor([[1, 0], [1, -1], [0, 0], [-1, -1]][index])}

    task = MultiLabel("face", ["hat", "smile"])
    faces = replace(data, tasks={"face": task}, train=Split(Faces(0, "train"), range(4), data.train.transform))
    census = take_census(faces, ["face"], tmp_path, 0)["face"]
    assert census.counts.tolist() == [2, 0, 1, 2]  # on, on, off, off
    assert (census.samples.tolist(), census.pairs.tolist()) == ([0, 1, 2], [[0, 0], [1, 0]])


def test_a_folder_that_cannot_be_written_is_said(rooms: Data, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be kept in .*file/cache .*set AFANET_CACHE"):
        take_census(rooms, ["depth"], tmp_path / "file" / "cache", 0)


DATA = ["digits", "celeba", "adience", "pets"]


@pytest.mark.parametrize("name", DATA)
def test_values_are_the_targets_of_the_sample(name: str, request: pytest.FixtureRequest) -> None:
    data = open_data(name, None if name == "digits" else request.getfixturevalue(name), (12, 16))

    def pooled(split: Split) -> Iterator[tuple[dict[str, Any], Any]]:
        for item in split.items[:3]:
            targets = split.read(item)["targets"]
            expected = {task: x for task, x in targets.items() if isinstance(data.tasks[task], PooledTask)}
            yield expected, split.read.values(item)

    for expected, values in (pair for split in data.splits.values() for pair in pooled(split)):
        assert list(values) == list(expected)
        assert all(torch.equal(values[task], target) for task, target in expected.items())
