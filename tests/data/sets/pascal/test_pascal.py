"""PASCAL-Context as a tree that is written here: what is read of it, and what is missing or wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from afanet.data.checks.survey import survey
from afanet.data.recognise import recognise
from afanet.data.sets.pascal import open_pascal
from afanet.data.sets.pascal.tree import KNOWN_TO_NYU
from afanet.errors import InputError

from ...conftest import write_parts

SIZE = (24, 32)
LEFT = torch.arange(32)[None].repeat(24, 1) < 16


def test_five_tasks_are_read_as_written(pascal: Path) -> None:
    data = open_pascal(pascal, SIZE)
    assert recognise(pascal) == "pascal"
    assert (data.train.items, data.test.items) == (["2008_000001", "2008_000002", "2008_000003"], ["2008_000004"])
    assert "pascal: 3 training and 1 test images (val) of PASCAL-Context, five tasks, at 24x32" in data.describe
    sample = data.test[0]
    assert sample["id"] == "JPEGImages/2008_000004.jpg"
    targets = sample["targets"]
    assert torch.equal(targets["segmentation"], torch.where(LEFT, 15, 255))
    assert torch.equal(targets["human_parts"], torch.where(LEFT, 1, 6))
    assert torch.equal(targets["saliency"], LEFT[None].to(torch.int8))
    known = targets["normals"].as_subclass(torch.Tensor)
    torch.testing.assert_close(known[:, LEFT], torch.tensor([0.0, 0, 1])[:, None].repeat(1, 384), atol=0.005, rtol=0)
    assert not known[:, ~LEFT].any()  # aeroplanes are unknown to NYUv2
    edges = targets["edges"].as_subclass(torch.Tensor)
    assert edges.sum(0).sum(1)[2:-2].unique().tolist() == [1]
    assert set(edges[0, 2:-2].nonzero()[:, 1].tolist()) <= {15, 16}
    assert not data.problems


def test_an_image_without_people_is_not_labelled_for_their_parts(pascal: Path) -> None:
    data = open_pascal(pascal, SIZE)
    labelled = [bool(data.tasks["human_parts"].labelled(data.train[i]["targets"]["human_parts"]).any()) for i in (0, 2)]
    assert labelled == [True, False]


def test_the_classes_that_normals_are_known_of_are_in_order_and_in_the_published_range() -> None:
    assert len(set(KNOWN_TO_NYU)) == len(KNOWN_TO_NYU) == 170
    assert sorted(KNOWN_TO_NYU) == KNOWN_TO_NYU.tolist()
    assert {284, 427, 440} <= set(KNOWN_TO_NYU)  # person, tvmonitor, wall


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["sal_distill"], "has no labels of saliency, expected sal_distill/NAME.png for every image"),
        (["human_parts"], "has no labels of human_parts, expected human_parts/NAME.mat"),
        (["semseg"], r"segmentation, expected semseg/VOC12/NAME.png or semseg/pascal-context/NAME.png for every image"),
        (["normals_distill"], "has no labels of normals, expected normals_distill/NAME.png"),
        (["pascal-context"], "has no labels of edges, expected pascal-context/trainval/NAME.mat"),
        (["JPEGImages"], "does not have the layout of 'pascal', found .*: give the folder of PASCAL_MT.tgz"),
        (["ImageSets"], r"ImageSets/Context/train\.txt cannot be read"),
    ],
)
def test_a_modality_that_is_missing_is_named_with_its_files(pascal: Path, folders: list[str], message: str) -> None:
    for folder in folders:
        shutil.rmtree(pascal / folder)
    with pytest.raises(InputError, match=message):
        open_pascal(pascal, SIZE)


def test_a_file_that_is_missing_is_a_problem_and_whole_images_stay(pascal: Path) -> None:
    (pascal / "sal_distill/2008_000002.png").unlink()
    data = open_pascal(pascal, SIZE)
    assert data.train.items == ["2008_000001", "2008_000003"]
    assert data.problems == [
        f"{pascal / 'sal_distill/2008_000002.png'} is missing, and its sample needs it: copy or unpack it again"
    ]


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("sal_distill", np.full(SIZE, 1, np.uint8), "has values 0 and 1, expected 0 to 255, of which more than 127 is"),
        ("sal_distill", np.full(SIZE, 9000, np.uint16), "is an image of mode I;16, expected L for a map of saliency"),
        ("semseg/VOC12", np.full(SIZE, 21, np.uint8), r"has label 21, expected 0 to 20, or 255 \(void\)"),
        ("normals_distill", np.zeros(SIZE, np.uint8), "is an image of mode L, expected RGB for a map of normals"),
        ("normals_distill", np.zeros((8, 8, 3), np.uint8), "is 8x8 pixels, expected 24x32 as its photo"),
    ],
)
def test_files_of_wrong_content_are_named(pascal: Path, file: str, values: np.ndarray, message: str) -> None:
    path = pascal / file / "2008_000004.png"
    Image.fromarray(values).save(path)
    with pytest.raises(InputError, match=f"{path.name} {message}"):
        open_pascal(pascal, SIZE).test[0]


def test_probabilities_of_saliency_are_cut_at_one_half(pascal: Path) -> None:
    values = np.full(SIZE, 127, np.uint8)
    values[0] = 128
    Image.fromarray(values).save(pascal / "sal_distill/2008_000004.png")
    salient = open_pascal(pascal, SIZE).test[0]["targets"]["saliency"][0]
    assert salient.sum(1).tolist() == [32] + 23 * [0]


def test_a_set_without_an_edge_is_doubted_and_one_without_people_is_refused(pascal: Path) -> None:
    for name in range(1, 5):
        savemat(pascal / f"pascal-context/trainval/2008_00000{name}.mat", {"LabelMap": np.full(SIZE, 284, np.uint16)})
        write_parts(pascal / f"human_parts/2008_00000{name}.mat", [])
    found = survey(open_pascal(pascal, SIZE), workers=0)
    assert "split train has no edges of class edge: all its labels are no edge" in found.warnings
    [error] = found.errors
    assert error.startswith("split train has no label for human_parts, so that it cannot be learnt")


def test_labels_of_another_size_are_named(pascal: Path) -> None:
    savemat(pascal / "pascal-context/trainval/2008_000004.mat", {"LabelMap": np.ones((4, 4), np.uint16)})
    with pytest.raises(InputError, match=r"2008_000004\.mat is 4x4 pixels, expected 24x32 as its photo"):
        open_pascal(pascal, SIZE).test[0]
