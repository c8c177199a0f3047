"""Several data sets at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from afanet.data import open_data
from afanet.data.cache import use_cache
from afanet.data.prepare import prepare
from afanet.errors import InputError

from ...bounds import bounded

ROOMS = {"name": "rooms", "options": {"train_scenes": 3, "test_scenes": 2}}


def open_parts(*parts: object):
    return open_data("mixed", size=(12, 16), parts=list(parts))


def test_parts_stand_behind_one_another_with_the_tasks_that_are_taken(folders: Path, adience: Path):
    nyuv2 = {"name": "nyuv2", "root": str(folders), "options": {"augment": False}, "tasks": ["depth"]}
    faces = {"name": "adience", "root": str(adience), "options": {"fold": 0, "augment": False}, "share": 2}
    data = open_parts(nyuv2, faces)
    assert list(data.tasks) == ["depth", "gender", "age"]
    alone = [open_data(part["name"], part["root"], (12, 16), **part["options"]) for part in (nyuv2, faces)]
    for name in ("train", "test"):
        joined, separate = getattr(data, name), [getattr(part, name) for part in alone]
        assert len(joined) == sum(map(len, separate))
        expected = [(number, sample) for number, split in enumerate(separate, start=1) for sample in split]
        for index, (number, sample) in enumerate(expected):
            mixed = joined[index]
            assert mixed["id"] == f"{number}: {sample['id']}"
            assert torch.equal(mixed["image"], sample["image"])
            assert mixed["targets"].keys() == sample["targets"].keys() & (
                {"depth"} if number == 1 else {"gender", "age"}
            )
            item = joined.items[index]
            inner = separate[number - 1].items[index if number == 1 else index - len(separate[0])]
            assert joined.read.files(item) == separate[number - 1].read.files(inner)
    assert data.train.read.group(data.train.items[-1]).endswith(f" of adience {adience}")
    assert data.validation is None
    assert data.describe.startswith("mixed: nyuv2: ")
    with pytest.raises(IndexError):
        data.train.items[len(data.train)]


def test_each_part_keeps_its_own_transform():
    still = {**ROOMS, "options": {**ROOMS["options"], "augment": False}}
    data = open_parts(ROOMS, still)
    first, second = (torch.stack([data.train[index]["image"] for _ in range(4)]) for index in (0, 3))
    assert first.std(0).max() > 0
    assert second.std(0).max() == 0


def test_a_mixture_within_a_mixture_keeps_its_parts_transforms():
    still = {**ROOMS, "options": {**ROOMS["options"], "augment": False}}
    data = open_parts(still, {"name": "mixed", "options": {"parts": [ROOMS, still]}})
    assert [data.train[index]["id"].partition("rooms")[0] for index in (0, 3, 6)] == ["1: ", "2: 1: ", "2: 2: "]
    for index, moves in ((0, False), (3, True), (6, False)):
        assert data.train[index].keys() == {"image", "targets", "id"}
        views = torch.stack([data.train[index]["image"] for _ in range(4)])
        assert bool(views.std(0).max() > 0) == moves


def test_a_transform_is_not_chosen_by_what_an_id_says():
    data = open_parts(ROOMS, {**ROOMS, "options": {**ROOMS["options"], "augment": False}})
    sample = data.train.read(data.train.items[0])
    views = [data.train.transform({**sample, "id": "7: no number", "origin": (1,)})["image"] for _ in range(4)]
    assert torch.stack(views).std(0).max() == 0


def test_each_part_is_drawn_by_its_share():
    data = open_parts({**ROOMS, "share": 3}, {"name": "rooms", "options": {"train_scenes": 5, "test_scenes": 1}})
    assert data.shares == [(3, 3), (5, 1)]


def test_a_validation_split_of_any_part_is_kept(own_breeds: Path):
    tasks = {"breed": {"kind": "classification", "classes": ["cat", "dog"]}}
    own = {"name": "manifest", "root": own_breeds, "options": {"tasks": tasks}}
    data = open_parts(ROOMS, own)
    assert [len(split) for split in data.splits.values()] == [4, 1, 3]
    # parts are numbered as in the recipe, whichever of them have the split
    assert data.validation[0]["id"] == "2: manifest.csv, line 3: a.png"
    own["options"]["tasks"]["breed"]["classes"] = ["cat", "cow"]
    [problem] = open_parts(ROOMS, own).problems
    assert problem.startswith("part 2 (manifest): ")


@pytest.fixture
def own_breeds(tmp_path: Path) -> Path:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    rows = ["image,split,breed", "a.png,train,cat", "a.png,val,cat", "a.png,test,dog"]
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    return tmp_path


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "has no 'parts'"),
        ([3], "part 1 is 3, expected its keys: name, root"),
        ([ROOMS, {"nam": "rooms"}], "unknown key of part 2 'nam', did you mean 'name'"),
        ([ROOMS, {"root": "x"}], "part 2 lacks 'name'"),
        ([{**ROOMS, "share": 0}], "'share' of part 1 is 0, which should be greater than 0"),
        ([{**ROOMS, "name": "room"}], "part 1: unknown data set 'room', did you mean 'rooms'"),
        ([{**ROOMS, "tasks": ["dept"]}], "unknown task of data set rooms 'dept', did you mean 'depth'"),
        ([{**ROOMS, "options": {"scenes": 3}}], "part 1: unknown option of data set 'rooms' 'scenes'"),
        ([{"name": "nyuv2", "root": "nowhere"}], "part 1: data path 'nowhere' does not exist"),
    ],
)
def test_one_sentence_for_parts_that_cannot_be_used(parts, message):
    with pytest.raises(InputError) as caught:
        open_parts(*parts)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_for_the_whole_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="each part has its own"):
        open_data("mixed", tmp_path, parts=[ROOMS])


def test_tasks_of_one_name_must_mean_the_same(folders: Path):
    nyuv2 = {"name": "nyuv2", "root": folders}
    with pytest.raises(InputError, match="task 'segmentation' of part 2 has "):
        open_parts(ROOMS, nyuv2)
    assert list(open_parts(ROOMS, {**nyuv2, "tasks": ["depth"]}).tasks) == ["segmentation", "depth"]


def test_a_cache_of_a_mixture_gives_back_every_part(folders: Path, tmp_path: Path):
    data = open_parts({**ROOMS, "tasks": ["segmentation"]}, {"name": "nyuv2", "root": folders, "tasks": ["depth"]})
    prepare(data, tmp_path / "cache", workers=0)
    cached, cache = use_cache(data, tmp_path / "cache")
    assert cache is not None
    assert cached.shares == data.shares
    for fresh, kept in zip(data.test, cached.test, strict=True):
        assert kept["id"] == fresh["id"]
        assert torch.equal(kept["image"], fresh["image"])
        assert kept["targets"].keys() == fresh["targets"].keys()
        assert all(torch.equal(kept["targets"][name], target) for name, target in fresh["targets"].items())


def test_made_parts_have_an_end_together() -> None:
    part = {"name": "rooms", "options": {"train_scenes": 1_000_000, "test_scenes": 1}}
    inner = {"name": "mixed", "options": {"parts": [part] * 11}}
    with bounded(20), pytest.raises(InputError, match="110,000,000 training samples, expected at most 100,000,000"):
        open_parts(*[inner] * 10)
