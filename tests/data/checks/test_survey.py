"""A check of a data set against sets whose faults the test makes itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from afanet.data import Data, Reader, Sample, Split, open_data
from afanet.data.checks.survey import survey
from afanet.data.transforms import DepthMap
from afanet.errors import InputError
from afanet.tasks import Classification, Depth, MultiLabel, Segmentation

TASKS = {
    "segmentation": Segmentation(["floor", "wall"], void=9),
    "depth": Depth(),
    "age": Classification("age", ["young", "old"]),
}


class Listed(Reader):
    """Samples given as dictionaries; what is an error is raised."""

    def __call__(self, item: Any) -> Sample:
        if isinstance(item, Exception):
            raise item
        rng = np.random.default_rng(item["seed"])
        image = tv_tensors.Image(torch.from_numpy(rng.integers(0, 256, (3, *item.get("size", (2, 4))), np.uint8)))
        return {"image": image, "targets": item.get("targets", {}), "id": f"toy/{item['seed']}"}

    def group(self, item: Any) -> str | None:
        return None if isinstance(item, Exception) else item.get("group")


def toy(train: list[Any], test: list[Any], **options: Any) -> Data:
    splits = [Split(Listed(), items, v2.Identity()) for items in (train, test)]
    return Data(*splits, tasks=dict(TASKS), describe="toy", **options)


def labels(*rows: list[int]) -> Tensor:
    return tv_tensors.Mask(torch.tensor(rows, dtype=torch.uint8))


def test_figures_are_those_of_the_targets() -> None:
    depth = DepthMap(torch.tensor([[[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 0.0, 0.0]]]))
    train = [
        {"seed": 0, "targets": {"segmentation": labels([0, 0, 1, 9], [9, 9, 9, 9]), "depth": depth}},
        {"seed": 1, "size": (6, 6), "targets": {"age": torch.tensor(1)}},
        {"seed": 2, "targets": {"age": torch.tensor(-1)}},
    ]
    result = survey(toy(train, [{"seed": 3, "targets": {"age": torch.tensor(0)}}]), workers=0)
    assert result.errors == []
    statistics = result.splits["train"]
    assert (statistics["images"], statistics["sizes"]) == (3, {"2x4": 2, "6x6": 1})
    assert statistics["tasks"]["segmentation"] == {
        "labelled": 1,
        "labelled_share": 3 / 8,
        "counts": {"floor": 2, "wall": 1},
        "total": 3,
    }
    assert statistics["tasks"]["age"] == {
        "labelled": 1,
        "labelled_share": 1.0,
        "counts": {"young": 0, "old": 1},
        "total": 1,
    }
    assert statistics["tasks"]["depth"]["labelled_share"] == 5 / 8
    assert (statistics["tasks"]["depth"]["min"], statistics["tasks"]["depth"]["max"]) == (1.0, 5.0)
    expected = np.percentile([1, 2, 3, 4, 5], [1, 5, 25, 50, 75, 95, 99])
    assert list(statistics["tasks"]["depth"]["percentiles"].values()) == pytest.approx(expected.tolist())
    assert result.warnings == [
        "split train has no age of class young: all its labels are old",
        "split test has no label for segmentation",
        "split test has no label for depth",
        "split test has no age of class old: all its labels are young",
    ]
    assert json.loads(json.dumps(result.plain()))["splits"]["train"] == statistics


@pytest.mark.parametrize("workers", [0, 1])
def test_every_fault_is_listed(workers: int) -> None:
    train = [
        InputError("a.png cannot be read"),
        {"seed": 0, "targets": {"segmentation": labels([7, 0, 1, 9], [0, 0, 0, 0])}, "group": "ann"},
        {"seed": 1, "targets": {"depth": DepthMap(torch.full((1, 2, 4), float("nan")))}},
        {"seed": 2, "targets": {"depth": DepthMap(torch.ones(1, 4, 2)), "age": torch.tensor(2)}, "group": "bob"},
        InputError("b.png cannot be read"),
    ]
    test = [{"seed": 0, "group": "ann"}, {"seed": 5, "group": "eve"}]
    advanced = []
    result = survey(toy(train, test, problems=["row 7 is odd"]), workers=workers, advance=lambda: advanced.append(1))
    assert len(advanced) == 7
    assert result.errors == [
        "row 7 is odd",
        "ann is in split train and split test: keep it in one",
        "a.png cannot be read",
        "toy/0: segmentation has label 7, expected 0 to 1",
        "toy/1: depth has depth nan, expected metres, or 0 for none",
        "toy/2: depth is 4x2 pixels, expected 2x4 as the image",
        "toy/2: age has label 2, expected 0 to 1",
        "b.png cannot be read",
    ]
    assert "toy/0 (train) and toy/0 (test) are the same image" in result.warnings
    assert result.splits["train"]["images"] == 3


def test_twins_within_a_split_are_no_leak() -> None:
    result = survey(toy([{"seed": 1}, {"seed": 1}], [{"seed": 2}]), workers=0)
    assert not any("same image" in line for line in result.warnings)


def test_all_splits_are_read_and_warnings_kept() -> None:
    data = toy([{"seed": 0}], [{"seed": 1}], warnings=["three odd ages"])
    data = replace(data, validation=Split(Listed(), [{"seed": 2}, {"seed": 0}], v2.Identity()))
    result = survey(data, workers=0)
    assert {name: split["images"] for name, split in result.splits.items()} == {"train": 1, "validation": 2, "test": 1}
    assert result.warnings[0] == "three odd ages"
    assert result.warnings[-1] == "toy/0 (train) and toy/0 (validation) are the same image"


def test_percentiles_of_many_numbers_come_from_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afanet.data.checks.look.KEPT_VALUES", 40)
    rng = np.random.default_rng(0)
    values = torch.from_numpy(rng.uniform(1, 9, (4, 1, 20, 30)).astype(np.float32))
    train = [{"seed": i, "size": (20, 30), "targets": {"depth": DepthMap(value)}} for i, value in enumerate(values)]
    result = survey(toy(train, [{"seed": 9}]), workers=0).splits["train"]["tasks"]["depth"]
    assert (result["min"], result["max"]) == (values.min().item(), values.max().item())
    assert result["percentiles"]["50"] == pytest.approx(5, abs=1.5)


def test_real_frames_pass(folders: Path) -> None:
    result = survey(open_data("nyuv2", folders, (6, 8)), workers=0)
    assert result.errors == []
    assert result.splits["train"]["tasks"]["depth"]["labelled_share"] == pytest.approx(191 / 192)


def test_labels_that_go_together_are_counted_by_images() -> None:
    task = MultiLabel("tags", ["dark", "wet", "old"])
    train = [
        {"seed": 0, "targets": {"tags": torch.tensor([1, 1, 0])}},
        {"seed": 1, "targets": {"tags": torch.tensor([1, -1, 0])}},
    ]
    data = replace(toy(train, [{"seed": 2}]), tasks={"tags": task})
    statistics = survey(data, workers=0).splits["train"]["tasks"]["tags"]
    assert (statistics["counts"], statistics["total"]) == ({"dark": 2, "wet": 1, "old": 0}, 2)
