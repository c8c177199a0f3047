"""Boundary scores in closed form: shifted and thick lines, empty maps, all edges, several annotators, batches."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from afanet.errors import InputError
from afanet.tasks.edges.metrics import BoundaryScores, average_precision, best_f

SIZE = (60, 80)  # the diagonal is 100
ROWS = slice(10, 50)  # 40 pixels, clear of the border


def line(column: int, width: int = 1, value: float = 1.0) -> Tensor:
    edges = torch.zeros(1, 1, *SIZE)
    edges[..., ROWS, column : column + width] = value
    return edges


def scores(
    predictions: Tensor, truths: Tensor, max_distance: float = 0.03, nms: bool = False, processes: int = 1
) -> dict[str, float]:
    metric = BoundaryScores(max_distance, nms, processes)
    metric.update(predictions, truths.to(torch.int8))
    return {name: float(value) for name, value in metric.compute().items()}


@pytest.mark.parametrize(("shift", "f"), [(0, 1.0), (2, 1.0), (3, 1.0), (4, 0.0), (30, 0.0)])
def test_a_shifted_line_is_found_up_to_the_distance(shift: int, f: float) -> None:
    found = scores(line(30 + shift), line(30))
    assert (found["odsf"], found["oisf"]) == pytest.approx((f, f))


@pytest.mark.parametrize("shift", [0, 5, 9])
def test_a_line_shifted_along_itself_misses_what_is_out_of_reach_at_the_ends_alone(shift: int) -> None:
    moved = torch.zeros(1, 1, *SIZE)
    moved[..., 10 + shift : 50 + shift, 30] = 1
    pairs = 40 - max(0, shift - 3)  # a chain: each pixel moves up by at most 3
    overlap = scores(moved, line(30))["odsf"]
    assert overlap == pytest.approx(pairs / 40)


def test_a_thick_line_counts_once() -> None:
    thick = scores(line(29, width=3), line(30))
    assert thick["odsf"] == pytest.approx(2 * 1 * (38 / 40) / (1 + 38 / 40))  # thinning takes a pixel at each end


def test_a_blurred_line_is_found_once_more_by_suppression() -> None:
    blurred = torch.zeros(1, 1, *SIZE)
    for offset in range(-4, 5):
        blurred[..., ROWS, 30 + offset] = math.exp(-(offset**2) / 8)
    found = scores(blurred, line(30), max_distance=0.011, nms=True)
    assert found["odsf"] == pytest.approx(1)


def test_nothing_predicted_and_all_predicted() -> None:
    assert scores(torch.zeros(1, 1, *SIZE), line(30)) == {"odsf": 0, "oisf": 0, "ap": 0}
    metric = BoundaryScores(0.03, nms=False)
    metric.update(torch.ones(1, 1, *SIZE), line(30).int())
    recalled, edges, right, predicted = metric.counts[0].tolist()
    assert edges == 40
    assert recalled == right <= predicted < 80 + 60  # all edges thin to a skeleton


def test_without_an_edge_in_the_truth_there_is_no_score() -> None:
    assert np.isnan(list(scores(line(3), torch.zeros(1, 1, *SIZE)).values())).all()


def test_what_nobody_knows_counts_nowhere() -> None:
    truth = line(30)
    truth[..., 40:] = -1
    assert scores(line(30) + line(60), truth)["odsf"] == pytest.approx(1)


def test_a_pixel_is_right_if_any_annotator_has_it_and_each_annotators_edges_are_recalled() -> None:
    found = BoundaryScores(0.03, nms=False)
    found.update(line(30), torch.cat([line(31), line(60)], 1).int())
    assert found.counts[50].tolist() == [40, 80, 40, 40]  # recall 1/2, precision 1
    assert float(found.compute()["odsf"]) == pytest.approx(2 / 3)


def test_for_each_annotator_the_nearest_pixels_match_and_not_the_most_probable_ones() -> None:
    found = BoundaryScores(0.03, nms=False)
    found.update(line(30, value=0.9) + line(32, value=0.5), torch.cat([line(32), line(29)], 1).int())
    assert found.counts[70].tolist() == [80, 80, 40, 40]  # the line at 30 is within reach of both
    assert found.counts[30].tolist() == [80, 80, 80, 80]  # the one at 32 is where the first annotator has it


def test_one_threshold_for_all_images_and_one_for_each() -> None:
    noisy = (line(30, value=0.9) + line(60, value=0.5), line(30, value=0.3))
    found = scores(torch.cat(noisy), torch.cat([line(30)] * 2))
    assert found["odsf"] == pytest.approx(0.8)  # at 0.3: all 80 found, 80 of 120 right; above 0.5: 40 found, all right
    assert found["oisf"] == pytest.approx(1)


GENERATOR = torch.Generator().manual_seed(0)
MAPS = torch.rand(3, 1, 12, 16, generator=GENERATOR)
TRUTHS = (torch.rand(3, 2, 12, 16, generator=GENERATOR) < 0.2).int()


def test_scores_of_a_set_do_not_depend_on_its_batches() -> None:
    parts = BoundaryScores(0.1)
    for image in range(3):
        parts.update(MAPS[image : image + 1], TRUTHS[image : image + 1])
    assert {name: float(value) for name, value in parts.compute().items()} == scores(MAPS, TRUTHS, 0.1, nms=True)


@pytest.mark.slow  # each process imports what it needs
def test_processes_count_what_one_counts() -> None:
    assert scores(MAPS, TRUTHS, 0.1, nms=True, processes=2) == scores(MAPS, TRUTHS, 0.1, nms=True)


def test_f_is_interpolated_between_thresholds_and_precision_over_recall() -> None:
    recall, precision = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    assert best_f(recall, precision) == pytest.approx(0.5, abs=1e-4)
    assert average_precision(recall, precision) == pytest.approx(0.505)  # 101 places, divided by 100
    assert average_precision(np.array([0.5, 0.5]), precision) == 0


@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        (torch.zeros(1, 1, 4, 5), torch.zeros(1, 4, 5), r"truth \(1, 4, 5\), expected \(B, 1, H, W\) and"),
        (torch.zeros(1, 1, 4, 5), torch.zeros(1, 1, 5, 4), r"expected \(B, 1, H, W\) and"),
        (torch.full((1, 1, 4, 5), 9.0), torch.zeros(1, 1, 4, 5), "divide maps of 8 bits by 255"),
        (torch.zeros(1, 1, 4, 5), torch.full((1, 1, 4, 5), 255), r"other than 1 \(edge\), 0 \(none\)"),
    ],
)
def test_other_shapes_and_values_are_refused(prediction: Tensor, target: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        BoundaryScores().update(prediction, target)
