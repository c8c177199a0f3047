"""Masks that may overlap, against scikit-learn and through files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import f1_score, jaccard_score

from afanet.declared import declare
from afanet.errors import InputError
from afanet.tasks import MultiLabelSegmentation
from afanet.tasks.kinds import read_estimate
from afanet.tasks.multi_label_segmentation.column import MultiLabelSegmentationColumn

TASK = MultiLabelSegmentation(["road", "wet", "car"], "layers")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), on=st.floats(0, 1), missing=st.floats(0, 1))
def test_metrics_equal_scikit_learn_label_by_label_whatever_the_batches(seed: int, on: float, missing: float) -> None:
    rng = np.random.default_rng(seed)
    shape = (6, 3, 2, 4)
    predicted = rng.integers(0, 2, shape).astype(np.int8)
    truth = np.where(rng.random(shape) < missing, -1, rng.random(shape) < on).astype(np.int8)
    metrics = TASK.metrics()
    for batch in (slice(0, 3), slice(3, 4), slice(4, 6)):
        metrics.update(torch.from_numpy(predicted[batch]), torch.from_numpy(truth[batch]))
    known = [(truth[:, i][truth[:, i] >= 0], predicted[:, i][truth[:, i] >= 0]) for i in range(3)]
    occurring = [(t, p) for t, p in known if t.any() or p.any()]
    assume(occurring)
    every_truth, every_prediction = (np.concatenate(part) for part in zip(*occurring, strict=True))
    expected = {
        "miou": np.mean([jaccard_score(t, p) for t, p in occurring]),
        "macro_f1": np.mean([f1_score(t, p) for t, p in occurring]),
        "micro_f1": f1_score(every_truth, every_prediction),
    }
    assert {key: float(value) for key, value in metrics.compute().items()} == pytest.approx(expected, abs=1e-12)


def test_loss_is_the_mean_over_labelled_entries_and_they_alone_have_a_gradient() -> None:
    logits = torch.randn(2, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    target = torch.randint(-1, 2, (2, 3, 2, 4), dtype=torch.int8)
    TASK.loss(logits, target).backward()
    chance = 1 / (1 + np.exp(-logits.detach().numpy()))
    terms = -np.log(np.where(target == 1, chance, 1 - chance))[target.numpy() >= 0]
    assert TASK.loss(logits, target).item() == pytest.approx(terms.mean(), rel=1e-6)
    assert logits.grad is not None
    assert torch.equal(logits.grad != 0, target >= 0)


def column(**keys: Any) -> MultiLabelSegmentationColumn:
    return declare(MultiLabelSegmentationColumn, {"labels": ["road", "wet"], **keys}, "x")


MASK = np.array([[0, 1, 1]], np.uint8)


def save(file: Path, values: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix in (".npy", ".npz"):
        np.save(file, values) if file.suffix == ".npy" else np.savez(file, values)
    else:
        Image.fromarray(values).save(file)


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif", ".npy", ".npz"])
@pytest.mark.parametrize("values", [MASK, MASK * 255, MASK.astype(bool)])
def test_a_mask_for_each_label_of_which_one_may_be_missing(values: Any, ending: str, tmp_path: Path) -> None:
    save(tmp_path / f"1_road{ending}", values)
    read = column().read(tmp_path / f"1_{{label}}{ending}")
    assert (read.dtype, read.tolist()) == (torch.int8, [[[0, 1, 1]], [[-1, -1, -1]]])
    save(tmp_path / f"1_wet{ending}", values)
    assert column().read(tmp_path / f"1_{{label}}{ending}").tolist() == [[[0, 1, 1]]] * 2


def test_an_array_of_all_masks_with_unknown_entries(tmp_path: Path) -> None:
    save(tmp_path / "a.npy", np.array([[[0, 1]], [[-1, 1]]], np.int8))
    assert column().read(tmp_path / "a.npy").tolist() == [[[0, 1]], [[-1, 1]]]
    save(tmp_path / "a.npy", np.array([[[0, 1]], [[7, 1]]], np.uint8))
    assert column(void=7).read(tmp_path / "a.npy").tolist() == [[[0, 1]], [[-1, 1]]]
    with pytest.raises(
        InputError, match=r"a\.npy has the value 7 at 1 pixels, expected 0 \(off\), 1 or 255 \(on\): mend"
    ):
        column().read(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"m_{label}\.png names no file that exists, expected one for some of: road, wet"),
        (
            {"m_road.png": MASK, "m_wet.png": MASK.T.copy()},
            r"m_wet\.png is 3x1 pixels, expected 1x3 as m_road\.png",
        ),
        ({"m_wet.png": MASK * 7}, r"m_wet\.png has the value 7 at 2 pixels"),
        ({"m_wet.png": np.zeros((2, 2, 3), np.uint8)}, r"m_wet\.png is an image of mode RGB, expected 1 or L or P"),
    ],
)
def test_what_cannot_be_used_is_named(files: dict[str, Any], message: str, tmp_path: Path) -> None:
    for name, values in files.items():
        save(tmp_path / name, values)
    with pytest.raises(InputError, match=message):
        column().read(tmp_path / "m_{label}.png")


def test_an_array_of_another_number_of_masks_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.npy", np.zeros((3, 2, 2)))
    with pytest.raises(
        InputError, match=r"a\.npy has the shape \(3, 2, 2\), expected \(2, H, W\): a mask for each label"
    ):
        column().read(tmp_path / "a.npy")


def test_cells_are_paths_with_a_place_for_the_label_or_of_an_array() -> None:
    cells = ["m/1_{label}.png", "{label}/1.PNG", "a.npy", "A.NPZ", "m/1.png", "../{label}.png", "anpy"]
    assert column().encode(pa.array(cells))[1].tolist() == [True, True, True, True, False, False, False]
    assert "with {label} for the name of each label" in column().complain("layers", "m/1.png")
    assert "without '..'" in column().complain("layers", "../{label}.png")


@pytest.mark.parametrize("name", ["a/b", "..", "a\\b"])
def test_a_label_that_is_no_part_of_a_path_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot be a part of a file's name"):
        column(labels=["road", name])


def test_a_result_is_saved_as_labels_that_are_read_back(tmp_path: Path) -> None:
    logits = torch.randn(1, 3, 4, 5)
    result = read_estimate("layers", TASK.meaning, TASK.estimate(logits)[0].numpy(), (4, 5))
    files = result.save(tmp_path, "photo")
    assert len(files) == 4
    read = column(labels=list(TASK.labels)).read(tmp_path / "layers" / "{label}" / "photo.png")
    assert torch.equal(read.to(torch.int8), TASK.predict(logits)[0])
    assert np.array_equal(result.picture(), TASK.picture(read))
    likely = TASK.estimate(logits)[0].numpy()
    np.testing.assert_allclose(result.certainty, np.maximum(likely, 1 - likely).min(0), rtol=1e-6)


def test_faults_and_counts_of_targets() -> None:
    target = torch.tensor([[[1, 0]], [[-1, 1]], [[0, 0]]], dtype=torch.int8)
    assert TASK.fault(target) is None
    assert TASK.tally(target).tolist() == [1, 1, 0]
    assert TASK.fault(target + 1) == "label 2, expected 1 (on), 0 (off) or -1 (unlabelled)"
    assert TASK.fault(target[:2]) == "2 masks, expected one for each of its 3 labels"
    assert TASK.error(target, target).tolist() == [[0, 0]]
    assert TASK.unscorable([0, 3, 0, 5, 0, 7]) == "no label is both on and off"
    assert TASK.unscorable([0, 3, 0, 5, 1, 7]) is None
