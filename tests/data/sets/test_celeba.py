from __future__ import annotations

from pathlib import Path

import pytest
import torch

from afanet.data.sets.celeba import open_celeba
from afanet.errors import InputError
from afanet.tasks import Classification

SIZE = (8, 6)


@pytest.mark.parametrize("inside", ["", "celeba"])
def test_the_published_partitions(celeba: Path, inside: str):
    data = open_celeba(celeba / inside, SIZE)
    ids = {name: [split[i]["id"] for i in range(len(split))] for name, split in data.splits.items()}
    assert ids == {
        "train": ["celeba/000001.jpg", "celeba/000002.jpg"],
        "validation": ["celeba/000003.jpg", "celeba/000004.jpg"],
        "test": ["celeba/000005.jpg", "celeba/000006.jpg"],
    }
    assert not data.problems
    assert data.describe == "celeba: 2 training, 2 validation and 2 test faces with 40 attributes, at 8x6"


def test_each_face_has_its_own_attributes_and_person(celeba: Path):
    data = open_celeba(celeba, SIZE)
    assert data.tasks["attributes"].names == tuple(f"Attribute_{number}" for number in range(1, 41))
    for split in data.splits.values():
        for index in split.items:
            sample = split.read(index)
            worn = [int(number % (index + 1) == 0) for number in range(1, 41)]
            assert sample["targets"]["attributes"].tolist() == worn
            assert sample["image"][:, 0, 0].tolist() == [index + 1, 20, 30]
    assert [data.train.read.group(index) for index in range(6)] == [
        f"person {number}" for number in (2880, 2880, 17, 18, 19, 19)
    ]


def test_apart_each_attribute_is_a_task_with_the_same_labels(celeba: Path):
    attributes = celeba / "celeba/list_attr_celeba.txt"
    attributes.write_text(attributes.read_text().replace("Attribute_1 ", "5_o_Clock_Shadow "))
    joint, data = (open_celeba(celeba, SIZE, apart=apart, augment=False) for apart in (False, True))
    assert list(data.tasks) == ["has_5_o_Clock_Shadow", *(f"Attribute_{number}" for number in range(2, 41))]
    assert {(type(task), task.name, task.names) for task in data.tasks.values()} == {
        (Classification, name, ("no", "yes")) for name in data.tasks
    }
    assert data.describe.endswith("2 test faces with 40 attributes, a task each, at 8x6")
    for name, split in data.splits.items():
        for index in range(len(split)):
            sample, other = split[index], joint.splits[name][index]
            assert list(sample["targets"]) == list(data.tasks)
            assert torch.equal(torch.stack(list(sample["targets"].values())), other["targets"]["attributes"])
            assert all((target.shape, target.dtype) == ((), torch.int64) for target in sample["targets"].values())
            assert torch.equal(sample["image"], other["image"])
            assert sample["id"] == other["id"]


@pytest.mark.parametrize("name", ["training", "class", "Wearing-Hat"])
def test_apart_an_attribute_must_be_able_to_name_a_task(celeba: Path, name: str):
    attributes = celeba / "celeba/list_attr_celeba.txt"
    attributes.write_text(attributes.read_text().replace("Attribute_1 ", f"{name} "))
    assert open_celeba(celeba, SIZE).tasks["attributes"].names[0] == name
    with pytest.raises(InputError, match=rf"list_attr_celeba\.txt has the attribute {name}, which cannot name a task"):
        open_celeba(celeba, SIZE, apart=True)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("list_attr_celeba.txt", "000004.jpg", "000009.jpg", "is not about the photos of list_eval_partition.txt"),
        ("identity_CelebA.txt", "000004.jpg  18\n", "", "is not about the photos of list_eval_partition.txt"),
        ("identity_CelebA.txt", "18", "eighteen", "cannot be read as a list of CelebA (invalid literal for int()"),
        ("list_attr_celeba.txt", "Attribute_40", "", "has 39 names for 40 attributes"),
        ("list_attr_celeba.txt", "Attribute_40", "Attribute_39", "has an attribute twice"),
        ("list_attr_celeba.txt", "000004.jpg  -1", "000004.jpg  3", "has an attribute of 000004.jpg that is neither"),
        ("list_eval_partition.txt", "2.jpg  0", "2.jpg", "cannot be read as a list of CelebA (expected sequence of"),
        ("list_bbox_celeba.txt", "6\nimage_id x_1 y_1 width height\n", "", "is not about the photos of list_eval"),
    ],
)
def test_lists_that_cannot_be_used_are_named(celeba: Path, name: str, old: str, new: str, message: str):
    path = celeba / "celeba" / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(InputError) as caught:
        open_celeba(celeba, SIZE)
    assert str(caught.value).startswith(f"{path} {message}")
    assert "\n" not in str(caught.value)


def test_empty_lists(celeba: Path):
    for path in (celeba / "celeba").glob("*.txt"):
        path.write_text("")
    with pytest.raises(InputError, match=r"list_eval_partition\.txt has no numbers"):
        open_celeba(celeba, SIZE)


def test_a_missing_photo_is_a_problem_and_a_missing_list_is_named(celeba: Path):
    photo = celeba / "celeba/img_align_celeba/000005.jpg"
    photo.unlink()
    data = open_celeba(celeba, SIZE)
    assert [problem.partition(" is missing")[0] for problem in data.problems] == [str(photo)]
    assert [len(split) for split in data.splits.values()] == [2, 2, 1]
    (celeba / "celeba/identity_CelebA.txt").unlink()
    with pytest.raises(InputError, match=r"projects/CelebA\.html \(identity_CelebA\.txt is not there\)"):
        open_celeba(celeba, SIZE)


def test_a_folder_of_something_else(folders: Path):
    with pytest.raises(InputError, match="does not have the layout of 'celeba', found depth_mm, label40, rgb, splits"):
        open_celeba(folders, SIZE)
