"""The cache: equal to the bit, found by content, whole or not there."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import resource
import shutil
import signal
from dataclasses import replace
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from afanet.data import Data, open_data
from afanet.data.cache import Cached, cache_root, config_folder, fingerprint, read_seen, use_cache
from afanet.data.checks.survey import survey_for_training
from afanet.data.prepare import abandoned, prepare
from afanet.data.steps import with_resize
from afanet.errors import InputError
from afanet.framing import Resize
from afanet.normalisation import Normalisation

SCENES = {"train_scenes": 5, "test_scenes": 3}


def same_samples(cached: Data, expected: Data) -> None:
    assert list(cached.splits) == list(expected.splits)
    for split, original in zip(cached.splits.values(), expected.splits.values(), strict=True):
        assert isinstance(split.read, Cached)
        assert len(split) == len(original)
        for index in range(len(original)):
            torch.manual_seed(index)
            sample = split[index]
            torch.manual_seed(index)
            expected_sample = original[index]
            assert sample["id"] == expected_sample["id"]
            assert torch.equal(sample["image"], expected_sample["image"])
            assert list(sample["targets"]) == list(expected_sample["targets"])
            for task, target in expected_sample["targets"].items():
                assert type(sample["targets"][task]) is type(target)
                assert sample["targets"][task].dtype == target.dtype
                assert torch.equal(sample["targets"][task], target)
            item, item_of_original = split.items[index], original.items[index]
            assert split.read.files(item) == original.read.files(item_of_original)
            assert split.read.group(item) == original.read.group(item_of_original)


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("augment", [True, False])
def test_samples_from_the_cache_are_the_same_to_the_bit(tmp_path: Path, workers: int, augment: bool) -> None:
    data = open_data("rooms", size=(24, 32), augment=augment, **SCENES)
    seen = []
    cache, new = prepare(data, tmp_path / "c", workers=workers, advance=lambda: seen.append(1))
    assert new
    assert len(seen) == 8
    cached, used = use_cache(data, tmp_path / "c")
    assert used == cache
    same_samples(cached, data)
    assert fingerprint(cached, tmp_path / "c") == fingerprint(data, tmp_path / "none") == cache.name
    assert prepare(data, tmp_path / "c") == (cache, False)


def test_frames_kept_as_they_are_or_resized_for_the_largest_zoom(folders: Path, tmp_path: Path) -> None:
    for size, kept in [((6, 8), (12, 16)), ((3, 4), (5, 6))]:
        data = open_data("nyuv2", folders, size)
        prepare(data, tmp_path / "c", workers=0)
        cached, _ = use_cache(data, tmp_path / "c")
        assert cached.train.read(cached.train.items[0])["image"].shape[-2:] == kept
        assert cached.test.read(cached.test.items[0])["image"].shape[-2:] == size
        assert torch.equal(cached.test[0]["targets"]["depth"], data.test[0]["targets"]["depth"])
        if kept == (12, 16):
            same_samples(cached, data)
        shutil.rmtree(tmp_path / "c")


def test_images_of_many_sizes_are_resized_to_one(adience: Path, tmp_path: Path) -> None:
    [photo, *_] = sorted((adience / "aligned").rglob("*.jpg"))[2:]
    Image.new("RGB", (16, 12), (1, 2, 3)).save(photo, "PNG")
    data = open_data("adience", adience, (8, 8))
    prepare(data, tmp_path / "c", workers=0)
    cached, _ = use_cache(data, tmp_path / "c")
    assert {cached.train.read(item)["image"].shape[-2:] for item in cached.train.items} == {(10, 10)}
    for index in range(len(data.train)):
        assert cached.train[index]["targets"] == data.train[index]["targets"]


@pytest.mark.parametrize("resize", ["letterbox", "crop"])
def test_images_that_are_not_stretched_are_scored_from_the_cache_to_the_same_bits(
    adience: Path, tmp_path: Path, resize: Resize
) -> None:
    photos = sorted((adience / "aligned").rglob("*.jpg"))
    for number, photo in enumerate(photos):
        pixels = np.random.default_rng(number).integers(0, 256, (20 + 3 * number, 31, 3), np.uint8)
        Image.fromarray(pixels).save(photo, "PNG")
    data = with_resize(open_data("adience", adience, (8, 12)), resize)
    prepare(data, tmp_path / "c", workers=0)
    cached, used = use_cache(data, tmp_path / "c")
    assert used
    for index in range(len(data.test)):
        assert torch.equal(cached.test[index]["image"], data.test[index]["image"])
    shapes = {tuple(sample["image"].shape) for sample in cached.train}
    assert shapes == {(3, 8, 12)}
    assert any((sample["image"][:, :, 0] == 0).all() for sample in cached.train) == (resize == "letterbox")


@pytest.mark.parametrize("size", [(6, 10), (10, 8)])
def test_maps_are_letterboxed_from_the_cache_as_without_it(
    folders: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    data = with_resize(open_data("nyuv2", folders, size, normals=True), "letterbox")
    prepare(data, tmp_path / "c", workers=0)
    cached, _ = use_cache(data, tmp_path / "c")
    for index in range(len(data.test)):
        sample, expected = cached.test[index], data.test[index]
        assert torch.equal(sample["image"], expected["image"])
        for task, target in expected["targets"].items():
            assert torch.equal(data.tasks[task].labelled(sample["targets"][task]), data.tasks[task].labelled(target))
            assert not data.tasks[task].labelled(target).reshape(size)[:, 0 if size[1] > 8 else 7].all()


def test_a_cache_is_found_by_what_the_files_hold(folders: Path, tmp_path: Path) -> None:
    data = open_data("nyuv2", folders, (6, 8))
    cache, _ = prepare(data, tmp_path / "c", workers=0)
    photo = folders / "rgb/0001.jpg"
    os.utime(photo, (1, 1))
    assert use_cache(data, tmp_path / "c")[1] == cache
    before = photo.read_bytes()
    photo.write_bytes((folders / "rgb/0002.jpg").read_bytes())
    assert use_cache(data, tmp_path / "c") == (data, None)
    changed, new = prepare(data, tmp_path / "c", workers=0)
    assert new
    assert changed != cache
    photo.write_bytes(before)
    assert use_cache(data, tmp_path / "c")[1] == cache
    photo.unlink()
    with pytest.raises(InputError, match=r"rgb/0001.jpg cannot be read"):
        use_cache(data, tmp_path / "c")


def test_a_cache_belongs_to_its_splits_and_labels(folders: Path, adience: Path, tmp_path: Path) -> None:
    prepare(open_data("nyuv2", folders, (6, 8)), tmp_path / "c", workers=0)
    columns = {"trainNdxs": np.array([[4], [2], [3]]), "testNdxs": np.array([[1]])}
    savemat(folders / "splits.mat", columns)
    swapped = open_data("nyuv2", folders, (6, 8))
    assert use_cache(swapped, tmp_path / "c") == (swapped, None)

    prepare(open_data("adience", adience, (8, 8)), tmp_path / "a", workers=0)
    fold = adience / "fold_1_data.txt"
    fold.write_text(fold.read_text().replace("(25, 32)", "(38, 43)"))
    mended = open_data("adience", adience, (8, 8))
    assert use_cache(mended, tmp_path / "a") == (mended, None)


def test_a_cache_is_opened_again_where_workers_are_not_forked(tmp_path: Path) -> None:
    data = open_data("rooms", size=(24, 32), **SCENES)
    prepare(data, tmp_path / "c", workers=0)
    cached, _ = use_cache(data, tmp_path / "c")
    pickled = pickle.dumps(cached.train.read)
    assert len(pickled) < 2000
    copy = pickle.loads(pickled)
    assert torch.equal(copy(cached.train.items[1])["image"], cached.train.read(cached.train.items[1])["image"])


def test_a_broken_memory_of_files_costs_time_only(folders: Path, tmp_path: Path) -> None:
    data = open_data("nyuv2", folders, (6, 8))
    cache, _ = prepare(data, tmp_path / "c", workers=0)
    assert len(read_seen(tmp_path / "c")) == 12
    for text in ("", "[1]", '{"a": 3}', "\x00"):
        (tmp_path / "c/files.json").write_text(text)
        assert read_seen(tmp_path / "c") == {}
        assert use_cache(data, tmp_path / "c")[1] == cache


def test_a_sample_that_cannot_be_read_leaves_nothing(folders: Path, tmp_path: Path) -> None:
    (folders / "depth_mm/0003.png").write_bytes(b"no image")
    for workers in (0, 1):
        with pytest.raises(InputError, match=r"0003.png cannot be read as an image"):
            prepare(open_data("nyuv2", folders, (6, 8)), tmp_path / "c", workers=workers)
        assert sorted(path.name for path in (tmp_path / "c").iterdir()) == ["files.json", "lock"]


def channels(folder: Path, *counts: int) -> Data:
    """Training images with so many channels each, and a test image with those of the first."""
    folder.mkdir()
    rows = ["image,split,kind"]
    for number, count in enumerate((*counts, counts[0])):
        np.save(folder / f"{number}.npy", np.full((8, 8 + number, count), number, np.uint8))
        rows.append(f"{number}.npy,{'train' if number < len(counts) else 'test'},{'ab'[number % 2]}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return open_data("manifest", folder, (8, 8), tasks={"kind": {"kind": "classification", "classes": ["a", "b"]}})


def test_images_of_several_channels_are_refused_by_name(tmp_path: Path) -> None:
    data = channels(tmp_path / "data", 3, 3, 1)
    with pytest.raises(InputError, match=r"2\.npy: the image has 1 channels?, but that of .*0\.npy has 3"):
        prepare(data, tmp_path / "c", workers=0)
    assert [path.name for path in (tmp_path / "c").iterdir() if path.is_dir()] == []


def test_channels_in_a_cache_are_compared_with_the_network_before_training(tmp_path: Path) -> None:
    data = channels(tmp_path / "data", 4, 4)
    prepare(data, tmp_path / "c", workers=0)
    cached = use_cache(data, tmp_path / "c")[0]
    messages = []
    for each in (data, cached):
        with pytest.raises(InputError, match=r"0\.npy: the image has 4 channels, and the network takes 3") as caught:
            survey_for_training(each, data.tasks, workers=0)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    four = replace(cached, normalisation=Normalisation((0.5,) * 4, (0.5,) * 4))
    assert survey_for_training(four, data.tasks, workers=0).splits["train"]["images"] == 2


def test_a_cache_with_a_part_missing_is_refused(tmp_path: Path) -> None:
    data = open_data("rooms", size=(24, 32), **SCENES)
    cache, _ = prepare(data, tmp_path / "c", workers=0)
    for name, content in [("image.npy", 1000), ("target.depth.npy", 0), ("index.json", 20)]:
        file = cache / "train" / name
        whole = file.read_bytes()
        file.write_bytes(whole[:content])
        with pytest.raises(InputError, match="is not a complete cache"):
            use_cache(data, tmp_path / "c")
        file.write_bytes(whole)
    same_samples(use_cache(data, tmp_path / "c")[0], data)


FORKED = multiprocessing.get_context("fork")  # which imports nothing again


def work(folder: Path, kill_after: int, limit: int, said: SimpleQueue[str]) -> None:
    """Prepare a cache, until so many samples are done, or with files of so many bytes at most."""
    seen = []

    def advance() -> None:
        seen.append(1)
        if len(seen) == kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        new = prepare(open_data("rooms", size=(24, 32), **SCENES), folder, workers=0, advance=advance)[1]
        said.put("new" if new else "there")
    except InputError as error:
        said.put(str(error))


def child(folder: Path, kill_after: int = 0, limit: int = 0) -> tuple[BaseProcess, SimpleQueue[str]]:
    """A process that works, and what it says at the end."""
    said: SimpleQueue[str] = FORKED.SimpleQueue()
    process = FORKED.Process(target=work, args=(folder, kill_after, limit, said))
    process.start()
    return process, said


def test_a_kill_leaves_no_cache_and_what_it_left_is_told(tmp_path: Path) -> None:
    killed, _ = child(tmp_path / "c", kill_after=7)
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    [left] = abandoned(tmp_path / "c")
    data = open_data("rooms", size=(24, 32), **SCENES)
    assert use_cache(data, tmp_path / "c")[1] is None
    cache, new = prepare(data, tmp_path / "c", workers=0)
    assert new
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == sorted(
        [cache.name, "files.json", left.name, "lock"]
    )
    same_samples(use_cache(data, tmp_path / "c")[0], data)


def test_two_processes_write_one_cache(tmp_path: Path) -> None:
    pair = [child(tmp_path / "c"), child(tmp_path / "c")]
    assert sorted(said.get() for _, said in pair) == ["new", "there"]


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    process, said = child(tmp_path / "c", limit=9000)
    assert f"cache {tmp_path / 'c'} cannot be written (File too large): make room" in said.get()
    process.join()
    assert [path.name for path in (tmp_path / "c").iterdir() if path.is_dir()] == []


def test_the_place_of_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("AFANET_CACHE", raising=False)
    assert cache_root() == tmp_path / "afanet"
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path / "here"))
    folder, same = (config_folder("rooms", json.loads(text)) for text in ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}'))
    assert folder == same
    assert folder.parent == tmp_path / "here"
    assert config_folder("rooms", {"a": 2}) != folder
