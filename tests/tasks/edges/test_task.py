"""Edges: the loss in float64, files, results that are read back, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from afanet.declared import declare
from afanet.errors import InputError
from afanet.tasks import Edges
from afanet.tasks.edges.column import EdgesColumn
from afanet.tasks.kinds import read_estimate

TASK = Edges()


@pytest.mark.parametrize("weight", [0.95, 0.5])
def test_loss_weighs_edges_and_the_rest_over_labelled_pixels_alone(weight: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 1, 3, 4, dtype=torch.float64, generator=generator).requires_grad_()
    target = torch.randint(-1, 2, (2, 1, 3, 4), dtype=torch.int8, generator=generator)
    loss = TASK.with_loss({"positive_weight": weight}).loss(logits, target)
    loss.backward()
    p, y = 1 / (1 + np.exp(-logits.detach().numpy())), target.numpy()
    terms = np.where(y == 1, -weight * np.log(p), -(1 - weight) * np.log(1 - p))[y >= 0]
    assert loss.item() == pytest.approx(terms.mean(), rel=1e-6)
    assert logits.grad is not None
    assert torch.equal(logits.grad != 0, target >= 0)


@pytest.mark.parametrize("weight", [0, 1, -1, "much", True])
def test_a_weight_that_is_no_share_is_refused(weight: Any) -> None:
    with pytest.raises(
        InputError, match=r"positive_weight of task 'edges' is .*, expected a number above 0 and below 1"
    ):
        TASK.with_loss({"positive_weight": weight})
    with pytest.raises(InputError, match="did you mean 'positive_weight'"):
        TASK.with_loss({"positive_weigth": weight})


def column(**keys: Any) -> EdgesColumn:
    return declare(EdgesColumn, keys, "x")


EDGES = np.array([[0, 1, 1]], np.uint8)


@pytest.mark.parametrize("ending", [".png", ".npy", ".npz"])
@pytest.mark.parametrize("values", [EDGES, EDGES * 255, EDGES.astype(bool), EDGES.astype(np.float32)])
def test_maps_of_edges_are_read_from_pictures_and_arrays(values: Any, ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"1{ending}"
    if ending == ".png":
        Image.fromarray(values.astype(bool) if values.dtype == bool else values.astype(np.uint8)).save(file)
    else:
        np.save(file, values) if ending == ".npy" else np.savez(file, values)
    read = column().read(file)
    assert (read.dtype, read.tolist()) == (torch.int8, [[[0, 1, 1]]])


def test_other_values_are_refused_unless_they_are_void(tmp_path: Path) -> None:
    file = tmp_path / "1.png"
    Image.fromarray(np.array([[0, 255, 128]], np.uint8)).save(file)
    with pytest.raises(
        InputError, match=r"1\.png has the value 128 at 1 pixels, expected 255 or 1 \(edge\), 0 \(none\): save edges as"
    ):
        column().read(file)
    assert column(void=128).read(file).tolist() == [[[0, 1, -1]]]
    np.save(tmp_path / "1.npy", np.zeros((2, 3, 3)))
    with pytest.raises(InputError, match=r"1\.npy holds float64 \(2, 3, 3\), expected a map of edges \(H, W\)"):
        column().read(tmp_path / "1.npy")
    with pytest.raises(InputError, match="max_distance"):
        column(max_distance=0)


def test_a_set_without_an_edge_is_doubted_and_cannot_be_scored() -> None:
    nothing = torch.zeros(1, 1, 2, 2, dtype=torch.int8)
    counts = dict(zip(TASK.names, TASK.tally(nothing).tolist(), strict=True))
    assert TASK.doubt({"counts": counts}) == "all its labels are no edge"
    assert TASK.unscorable(TASK.occurrences(nothing).tolist()) == "no pixel is an edge"
    assert TASK.unscorable([4, 1]) is None
    assert TASK.fault(nothing + 2) == "label 2, expected 0 to 1"


def test_a_result_is_saved_as_the_benchmark_reads_it_and_labels_are_read_back(tmp_path: Path) -> None:
    logits = torch.randn(1, 1, 4, 5)
    estimate = TASK.estimate(logits)[0].numpy()
    result = read_estimate("edges", TASK.meaning, estimate, (4, 5))
    grey, _ = result.save(tmp_path, "photo")
    assert np.array_equal(np.array(Image.open(grey)), (estimate[0] * 255).round().astype(np.uint8))
    label = result.as_label(known=np.arange(20).reshape(4, 5) > 4)
    (tmp_path / "label.npy").write_bytes(label.content)
    read = column().read(tmp_path / "label.npy")
    assert (read[0, 0] == -1).all()
    assert torch.equal(read[0, 1:] == 1, logits[0, 0, 1:] > 0)
    assert np.array_equal(result.picture(), TASK.picture(TASK.predict(logits)[0]))


def test_errors_pictures_and_readouts_are_of_the_probability() -> None:
    target = torch.tensor([[[1, 0, -1]]], dtype=torch.int8)
    prediction = torch.tensor([[[0.75, 0.25, 0.5]]])
    torch.testing.assert_close(TASK.error(prediction, target), torch.tensor([[0.25, 0.25, torch.nan]]), equal_nan=True)
    assert TASK.picture(target)[0].tolist() == [*TASK.legend.colours[[255, 0]].tolist(), [0, 0, 0]]
    readout = TASK.readout(prediction)
    assert readout is not None
    assert (readout.values.tolist(), readout.steps) == ([[75, 25, 50]], 100)
