"""A stream gives the samples of its data set, in an order that the seed decides, to several processes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from afanet.data.cache import fingerprint
from afanet.data.checks.kept import read_kept
from afanet.data.streams.write import write_stream
from afanet.errors import InputError
from afanet.runs.setup import data_cache, open_tasks, open_whole, stream_config
from afanet.training.loaders import scoring_loader, train_loader

from ...small import make_small
from .server import Served

pytestmark = pytest.mark.usefixtures("impatient")


def ids(stream: Path | str, epoch: int = 0, first: int = 0, rank: int = 0, world: int = 1, **keys: Any) -> list[Any]:
    recipe = make_small(**{"data.stream": str(stream)} | keys)
    loader = train_loader(open_tasks(recipe)[0], recipe, rank, world)
    order: Any = loader.batch_sampler
    order.epoch, order.first = epoch, first
    return [batch["id"] for batch in loader]


def test_samples_scores_and_survey_are_those_of_the_files(written: Path) -> None:
    recipe = make_small(**{"data.stream": str(written)})
    files, _ = open_tasks(make_small())
    data, tasks = open_tasks(recipe)
    assert list(tasks) == list(files.tasks)
    assert fingerprint(data, data_cache(recipe)) == fingerprint(files, data_cache(make_small()))
    assert (data.describe, read_kept(data) is not None) == (files.describe, True)
    for name in ("train", "test"):
        for number in (0, len(files.splits[name]) - 1):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(number)
                expected = files.splits[name][number]
                torch.manual_seed(number)
                sample = data.splits[name][number]
            assert sample["id"] == expected["id"]
            assert torch.equal(sample["image"], expected["image"])
            assert all(torch.equal(sample["targets"][task], expected["targets"][task]) for task in tasks)


def test_the_order_is_of_the_seed_and_goes_on_exactly(written: Path) -> None:
    order = ids(written)
    assert ids(written) == order
    assert ids(written, seed=1) != order
    assert ids(written, epoch=1) != order
    assert ids(written, first=1) == order[1:]
    assert ids(written, workers=1) == order
    assert len({name for batch in order for name in batch}) == 8


def test_two_processes_share_every_batch_without_overlap(written: Path) -> None:
    parts = [ids(written, rank=rank, world=2) for rank in (0, 1)]
    for whole, *shares in zip(ids(written), *parts, strict=True):
        assert sorted(whole) == sorted([*shares[0], *shares[1]])
    recipe = make_small(**{"data.stream": str(written)})
    data, _ = open_tasks(recipe)
    scored = [name for rank in (0, 1) for b in scoring_loader(data, data.test, recipe, rank, 2) for name in b["id"]]
    assert sorted(scored) == sorted(data.test[number]["id"] for number in range(7))


def test_the_same_over_http(written: Path, served: Served) -> None:
    assert ids(served.url, workers=1) == ids(written)
    assert ids(served.url, epoch=1) == ids(written, epoch=1)
    fetched = {name: count for name, count in served.asked.items() if name.startswith("train")}
    assert set(fetched.values()) == {1}, "workers and epochs find in the cache what was fetched"


def test_writing_again_finds_it_there_and_other_data_are_refused(written: Path, tmp_path: Path) -> None:
    from afanet.data.prepare import prepare

    for scenes, new in ((10, None), (9, "has a stream of other data")):
        recipe = make_small(**{"data.options.train_scenes": scenes})
        data = open_whole(recipe)
        cache, _ = prepare(data, data_cache(recipe), workers=0)
        if new is None:
            assert not write_stream(data, cache, stream_config(recipe), str(written), print)[1]
        else:
            with pytest.raises(InputError, match=new):
                write_stream(data, cache, stream_config(recipe), str(written), print)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"data.size": [48, 64]}, r"has data.size \[24, 32\], but this run takes \[48, 64\]"),
        ({"data.options.augment": False}, "has data.options"),
        ({"data.stream_cache": 1e-6}, "data.stream_cache is 1e-06 GB, but training reads .* give it at least"),
        ({"data.resident": True}, "data.resident keeps all samples in memory, but data.stream keeps a few shards"),
        ({"network.in_chans": 1}, "was written for a network with 3 channels, but this one takes 1"),
        ({"data.stream": "ftp://example.org/rooms"}, "begins with ftp://, expected a folder, http://"),
        ({"data.stream": "https://me:secret@example.org/rooms"}, "at example.org has a password"),
        ({"data.stream": "nowhere"}, r"nowhere/index.json cannot be read: there is no such file \(404\)"),
    ],
)
def test_streams_that_do_not_fit_are_refused(written: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_whole(make_small(**{"data.stream": str(written)} | keys))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (["version"], 2, "is of version 2, written by afanet .* but this one reads version 1"),
        (["train", "shards", 0, "name"], "../../secret", "is damaged: 'train.shards.0.name'"),
        (["train", "shards", 0, "size"], 7, "is damaged: 'train' has shards of other sizes"),
        (["train", "arrays", "image", "dtype"], "|O", "is damaged: 'train.arrays.image.dtype'"),
        (["train", "steps", 0, "step"], "exec", "has an unknown step"),
        (["tasks", "depth", "meaning", "kind"], "evil.py:KIND", "of the kind evil.py:KIND, which is code"),
        (["content"], None, "is damaged: 'content'"),
    ],
)
def test_an_index_of_another_version_or_a_damaged_one(
    written: Path, tmp_path: Path, key: list[Any], value: Any, message: str
) -> None:
    index: Any = json.loads((written / "index.json").read_text())
    inner = index
    for part in key[:-1]:
        inner = inner[part]
    inner[key[-1]] = value
    folder = tmp_path / "changed"
    folder.mkdir()
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=message):
        open_whole(make_small(**{"data.stream": str(folder)}))


def test_a_cut_index_is_refused(written: Path, tmp_path: Path) -> None:
    shutil.copytree(written, tmp_path / "cut")
    text = (written / "index.json").read_text()
    (tmp_path / "cut/index.json").write_text(text[: len(text) // 2])
    with pytest.raises(InputError, match="is not JSON"):
        open_whole(make_small(**{"data.stream": str(tmp_path / "cut")}))


def test_a_sampler_by_classes_is_refused(written: Path) -> None:
    from afanet.training.sampler import require_sampler

    recipe = make_small(**{"data.stream": str(written), "sampler.tasks": ["depth"], "sampler.classes": False})
    data, tasks = open_tasks(recipe)
    with pytest.raises(InputError, match="a stream is read shard by shard"):
        require_sampler(recipe, data, tasks)
