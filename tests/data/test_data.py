"""The table of data sets and `open_data`, and their samples behind a `DataLoader`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from afanet.data import DATA_SETS, Collate, open_data
from afanet.data.cache import fingerprint
from afanet.errors import InputError
from afanet.training.order import epoch_order

from ..bounds import bounded


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("room", {}, "unknown data set 'room', did you mean 'rooms'"),
        ("rooms", {"train_scene": 3}, "unknown option of data set 'rooms' 'train_scene', did you mean 'train_scenes'"),
        ("rooms", {"root_": "x"}, "unknown option of data set 'rooms' 'root_'"),
        (
            "rooms",
            {"train_scenes": 0},
            "'train_scenes' of data set 'rooms' is 0: input should be greater than or equal",
        ),
        ("rooms", {"seed": "abc"}, "'seed' of data set 'rooms' is 'abc': input should be a valid integer"),
        ("rooms", {"size": (0, 4)}, "'size' of data set 'rooms' is 0: input should be greater"),
        ("nyuv2", {"classes": 14}, "'classes' of data set 'nyuv2' is 14: input should be 13 or 40"),
        ("adience", {"fold": 5}, "'fold' of data set 'adience' is 5: input should be less than or equal to 4"),
        ("adience", {"fold": -1}, "'fold' of data set 'adience' is -1: input should be greater than or equal to 0"),
        ("nyuv2", {}, "data set 'nyuv2' reads files and got no path: give it with --data"),
        ("adience", {"root": "/nowhere/at/all"}, "data path '/nowhere/at/all' does not exist"),
    ],
)
def test_one_sentence_for_what_cannot_be_used(name, options, message):
    with pytest.raises(InputError) as caught:
        open_data(name, **options)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in DATA_SETS if name not in ("manifest", "mixed")])  # have no own
def test_every_data_set_gives_what_its_tasks_expect(name, request: pytest.FixtureRequest):
    root = {"rooms": None, "digits": None, "nyuv2": "folders"}.get(name, name)
    data = open_data(name, root and str(request.getfixturevalue(root)), (12, 16))
    for split in (data.train, data.test):
        sample = split[0]
        assert list(sample["targets"]) == list(data.tasks)
        assert (sample["image"].shape, sample["image"].dtype) == ((3, 12, 16), torch.float32)
        for task, target in sample["targets"].items():
            assert data.tasks[task].name == task
            blank = data.tasks[task].unlabelled((12, 16))
            assert (target.shape, target.dtype) == (blank.shape, blank.dtype)
    assert "\n" not in data.describe
    assert data.describe.startswith(f"{name}: ")


@pytest.mark.parametrize("layout", ["folders", "mat"])
def test_workers_read_what_one_process_reads(layout, request: pytest.FixtureRequest):
    data = open_data("nyuv2", request.getfixturevalue(layout), (12, 16), augment=False)
    data.train[0]  # the parent has read before the workers start
    [alone] = DataLoader(data.train, batch_size=3, collate_fn=Collate(data.tasks))
    [first, second] = DataLoader(data.train, batch_size=2, num_workers=2, collate_fn=Collate(data.tasks))
    assert alone["id"] == first["id"] + second["id"]
    assert torch.equal(alone["image"], torch.cat([first["image"], second["image"]]))
    for task, target in alone["targets"].items():
        assert torch.equal(target, torch.cat([first["targets"][task], second["targets"][task]]))


def test_a_loader_seeded_alike_augments_alike():
    data = open_data("rooms", size=(24, 32), train_scenes=4)

    def epoch(seed: int) -> torch.Tensor:
        loader = DataLoader(
            data.train,
            batch_size=4,
            num_workers=1,
            collate_fn=Collate(data.tasks),
            generator=torch.Generator().manual_seed(seed),
        )
        [batch] = loader
        return batch["image"]

    first = epoch(1)
    assert torch.equal(first, epoch(1))
    assert not torch.equal(first, epoch(2))


def test_an_input_error_in_a_worker_arrives_with_its_sentence(folders: Path):
    path = folders / "rgb/0002.jpg"
    path.write_bytes(path.read_bytes()[:-60])
    data = open_data("nyuv2", folders, (12, 16))
    batches = iter(DataLoader(data.train, batch_size=3, num_workers=1, collate_fn=Collate(data.tasks)))
    with pytest.raises(InputError) as caught:
        next(batches)
    assert not list(batches)  # drained, so that torch need not wait for its worker
    sentence = str(caught.value).rstrip().rsplit("InputError: ", 1)[-1]
    assert sentence.startswith(f"{path} is cut short or broken")
    assert "\n" not in sentence


@pytest.mark.parametrize("count", [1_000_001, 10**12, 10**30])
@pytest.mark.parametrize(
    ("name", "option"),
    [("rooms", "train_scenes"), ("rooms", "test_scenes"), ("digits", "train_pairs"), ("digits", "test_pairs")],
)
def test_a_made_split_has_an_end(name: str, option: str, count: int) -> None:
    with bounded(), pytest.raises(InputError, match=f"'{option}' of data set '{name}' is 10.*equal to 1000000"):
        open_data(name, **{option: count})


@pytest.mark.parametrize("size", [(10**9, 10**9), (4097, 1), (1, 10**30)])
def test_no_image_is_larger_than_a_network_could_see(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"'size' of data set 'rooms' is .* less than or equal to 4096"):
        open_data("rooms", size=size)


def test_the_largest_made_split_opens_at_once() -> None:
    with bounded():
        data = open_data("rooms", size=(24, 32), train_scenes=10**6, test_scenes=1)
        assert len(epoch_order(len(data.train), None, 0, 0)) == 10**6
        fingerprint(data, Path("none"))
