"""Batches of resident data are those that samples one by one give: the same draws, pixels and labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from afanet.data import Collate, Data, Reader, Sample, Split
from afanet.data.cache import use_cache
from afanet.data.prepare import prepare
from afanet.data.resident import resident
from afanet.data.sets.joined import Joined, JoinedReader, JoinedTransform
from afanet.data.sets.nyuv2.eigen import EigenCrop
from afanet.data.steps import with_normalisation, with_resize, with_sides
from afanet.data.transforms import DepthMap, NormalMap, evaluation, training
from afanet.errors import InputError
from afanet.normalisation import IMAGENET
from afanet.tasks import Task
from afanet.tasks.classification.task import Classification
from afanet.tasks.dense_regression.target import InverseMap
from afanet.tasks.dense_regression.task import DenseRegression
from afanet.tasks.depth.task import Depth
from afanet.tasks.maps import Map, Points
from afanet.tasks.multi_label.task import MultiLabel
from afanet.tasks.multi_label_segmentation.target import LabelMasks
from afanet.tasks.multi_label_segmentation.task import MultiLabelSegmentation
from afanet.tasks.normals.task import Normals
from afanet.tasks.ordinal.task import Ordinal
from afanet.tasks.regression.task import Regression
from afanet.tasks.segmentation.task import Segmentation
from afanet.tasks.vector.task import Vector
from afanet.training.loaders import Seeded, WholeBatches

CPU = torch.device("cpu")
SIZE = (12, 16)
LEVEL = 1.001 / 255 / min(IMAGENET.std)  # of 256, of an image as a network takes it
DRAWS = [(number, number % 6) for number in range(3, 15)]


class FlowMap(Map):
    """A map of somebody's own: vectors in the image, float32 (2, H, W)."""

    def mirrored(self) -> Self:
        mirrored: Self = tv_tensors.wrap(torch.cat([-self[:1], self[1:]]), like=self)
        return mirrored

    def nearer(self, scale: float) -> Self:
        nearer: Self = tv_tensors.wrap(self * scale, like=self)
        return nearer


class Flow(DenseRegression):
    """A kind of task of somebody's own, with a target that is a map."""

    kind = "flow"

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        return torch.full((2, *size), torch.nan)


class Grid(Vector):
    """A kind of task of somebody's own, with a target that is a tensor."""

    kind = "grid"


def sided(task: Any, swap: tuple[tuple[int, int], ...]) -> Any:
    task.swap = swap
    return task


TASKS: dict[str, Task] = {
    "classes": sided(Segmentation(["a", "b", "c"], name="classes"), ((0, 1),)),
    "depth": Depth(),
    "normals": Normals(),
    "disparity": DenseRegression("disparity", 0, 10, zoom="inverse"),
    "masks": MultiLabelSegmentation(["p", "q"], "masks"),
    "flow": Flow("flow", -5, 5),
    "side": sided(Classification("side", ["left", "right"]), ((0, 1),)),
    "labels": MultiLabel("labels", ["x", "y"]),
    "grade": Ordinal("grade", ["low", "mid", "high"]),
    "age": Regression("age", 0, 100),
    "eyes": Vector("eyes", ["x1", "y1", "x2", "y2"], points=True),
    "grid": Grid("grid", ["u", "v"], (0, 1)),
}


class Made(Reader):
    """Samples by number with a target of every kind, of which each lacks some."""

    def __init__(self, size: tuple[int, int] = (18, 26), lacking: bool = True, uneven: bool = False) -> None:
        self.size, self.lacking, self.uneven = size, lacking, uneven

    def __call__(self, item: int) -> Sample:
        random = np.random.default_rng(item)
        height, width = self.size[0] + 4 * self.uneven * (item % 3), self.size[1]
        area = (height, width)

        def numbers(*shape: int) -> Tensor:
            return torch.from_numpy(random.random(shape, dtype=np.float32))

        def whole(most: int, *shape: int) -> Tensor:
            return torch.from_numpy(random.integers(0, most, shape))

        targets: dict[str, Tensor] = {
            "classes": tv_tensors.Mask(whole(3, *area).to(torch.uint8)),
            "depth": DepthMap(1 + numbers(1, *area)),
            "normals": NormalMap(torch.nn.functional.normalize(numbers(3, *area) - 0.5, dim=0)),
            "disparity": InverseMap(numbers(1, *area)),
            "masks": LabelMasks(whole(2, 2, *area).to(torch.int8)),
            "flow": FlowMap(numbers(2, *area)),
            "side": whole(2),
            "labels": whole(2, 2),
            "grade": whole(3),
            "age": 100 * numbers(),
            "eyes": Points(numbers(4)),
            "grid": numbers(2),
        }
        if self.lacking:
            targets = {name: target for number, (name, target) in enumerate(targets.items()) if (item + number) % 4}
        image = tv_tensors.Image(whole(256, 3, *area).to(torch.uint8))
        return {"image": image, "targets": targets, "id": f"made/{item}"}


def made(reader: Reader, augment: bool = True) -> Data:
    train = Split(reader, range(6), training(SIZE, zoom=1.5, augment=augment))
    test = Split(reader, range(6, 9), evaluation(SIZE))
    return with_sides(Data(train=train, test=test, tasks=dict(TASKS), describe="made"))


def cached(data: Data, folder: Path) -> Data:
    prepare(data, folder, workers=0)
    return use_cache(data, folder)[0]


def batches(data: Data, crop: tuple[int, int] | None = None) -> tuple[Any, Any]:
    """A batch of draws sample by sample, and by resident data."""
    one_by_one, whole = Seeded(data.train, 5, crop), resident(data, data.tasks, CPU).train
    expected = Collate(data.tasks)([one_by_one[draw] for draw in DRAWS])
    before = torch.get_rng_state()
    batch = WholeBatches(whole, 5, crop).__getitems__(DRAWS)  # type: ignore[arg-type]
    assert torch.equal(torch.get_rng_state(), before)
    return expected, batch


def same(expected: Any, batch: Any) -> None:
    assert batch["id"] == expected["id"]
    assert batch["image"].dtype == expected["image"].dtype
    apart = (batch["image"] - expected["image"]).abs()
    assert apart.max() < LEVEL
    assert (apart > 1e-5).float().mean() < 1e-3
    assert list(batch["targets"]) == list(expected["targets"])
    for name, target in expected["targets"].items():
        assert batch["targets"][name].dtype == target.dtype, name
        assert torch.equal(batch["targets"][name].nan_to_num(-9), target.nan_to_num(-9)), name


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    return cached(made(Made()), tmp_path_factory.mktemp("cache"))


def test_targets_of_every_kind_are_those_of_the_samples(data: Data) -> None:
    expected, batch = batches(data)
    same(expected, batch)
    assert type(batch["targets"]["flow"]) is Tensor


def test_a_crop_is_the_same(data: Data) -> None:
    expected, batch = batches(data, crop=(7, 9))
    assert batch["image"].shape[-2:] == (7, 9)
    same(expected, batch)


@pytest.mark.parametrize("size", [(18, 40), (18, 13)])
@pytest.mark.parametrize("resize", ["letterbox", "crop"])
def test_images_of_other_proportions_fit_in_the_same_way(resize: Any, size: tuple[int, int], tmp_path: Path) -> None:
    data = cached(with_resize(made(Made(size)), resize), tmp_path)
    same(*batches(data))


def test_letterboxed_images_of_several_sizes_are_the_same(tmp_path: Path) -> None:
    data = cached(with_resize(made(Made(uneven=True)), "letterbox"), tmp_path)
    assert "extents" in data.train.read.index  # type: ignore[attr-defined]
    same(*batches(data))


def test_a_grey_network_sees_the_same(tmp_path: Path) -> None:
    same(*batches(with_normalisation(cached(made(Made()), tmp_path), IMAGENET.of_grey())))


def test_augmentation_can_be_off(tmp_path: Path) -> None:
    expected, batch = batches(cached(made(Made(lacking=False), augment=False), tmp_path))
    assert torch.equal(batch["image"], expected["image"])
    same(expected, batch)


def test_joined_parts_keep_their_own_steps(tmp_path: Path) -> None:
    parts = [made(Made()), made(Made(), augment=False)]
    tasks = [{"depth": TASKS["depth"], "eyes": TASKS["eyes"]}, {"classes": TASKS["classes"]}]

    def join(name: str) -> Split:
        splits = [part.splits[name] for part in parts]
        read = JoinedReader([split.read for split in splits], tasks, ["a", "b"])
        items = Joined([list(split.items)[:3] for split in splits])
        return Split(read, items, JoinedTransform([split.transform for split in splits]))

    joined = replace(parts[0], train=join("train"), test=join("test"), tasks=tasks[0] | tasks[1])
    same(*batches(cached(joined, tmp_path)))


def test_a_split_is_scored_by_the_same_batches(data: Data) -> None:
    plain, whole = data.test, resident(data, data.tasks, CPU).test
    batch = WholeBatches(whole).__getitems__([2, 0])  # type: ignore[arg-type]
    expected = Collate(data.tasks)([plain[2], plain[0]])
    assert torch.equal(batch["image"], expected["image"])
    same(expected, batch)


def test_a_crop_of_the_frame_is_the_same(tmp_path: Path) -> None:
    tasks = {name: TASKS[name] for name in ("classes", "depth", "normals")}
    data = replace(made(Made(lacking=False)), tasks=tasks)
    for name, place in ((None, -1), ("letterbox", 0)):
        steps = [*evaluation(SIZE).transforms]
        steps.insert(place % (len(steps) + 1), EigenCrop())
        train, test = (Split(Few(tasks), range(3), each) for each in (data.train.transform, v2.Compose(steps)))
        framed = replace(data, train=train, test=test)
        framed = cached(with_resize(framed, name) if name else framed, tmp_path / f"{name}")
        whole = resident(framed, tasks, CPU).test
        same(Collate(tasks)([framed.test[1]]), whole.batch([1]))  # type: ignore[attr-defined]


class Few(Made):
    """Samples with targets of some tasks."""

    def __init__(self, tasks: Sequence[str]) -> None:
        super().__init__(lacking=False)
        self.tasks = tasks

    def __call__(self, item: int) -> Sample:
        sample = super().__call__(item)
        sample["targets"] = {name: sample["targets"][name] for name in self.tasks}
        return sample


def test_only_the_tasks_that_are_trained_are_kept(data: Data) -> None:
    whole = resident(data, {"depth": TASKS["depth"]}, CPU).train
    assert list(whole.batch([0])["targets"]) == ["depth"]  # type: ignore[attr-defined]


def refusal(data: Data, tasks: Any = None) -> str:
    with pytest.raises(InputError) as error:
        resident(data, tasks or data.tasks, CPU)
    return str(error.value)


def test_data_without_a_cache_are_refused() -> None:
    assert "the train split has none: run `afanet data prepare`" in refusal(made(Made()))


def test_a_step_that_cannot_be_taken_is_named(data: Data) -> None:
    steps = [*data.train.transform.transforms[:-1], v2.RandomErasing(), data.train.transform.transforms[-1]]
    odd = replace(data, train=Split(data.train.read, data.train.items, v2.Compose(steps)))
    assert "cannot serve the step RandomErasing of the train split" in refusal(odd)
    steps = [step for step in data.train.transform.transforms if not isinstance(step, v2.Normalize)]
    lacking = replace(data, train=Split(data.train.read, data.train.items, v2.Compose(steps)))
    assert "with data.resident it needs Channels, Zoom" in refusal(lacking)
    hue = [v2.ColorJitter(hue=0.1) if isinstance(s, v2.ColorJitter) else s for s in data.train.transform.transforms]
    coloured = replace(data, train=Split(data.train.read, data.train.items, v2.Compose(hue)))
    assert "the step ColorJitter with hue" in refusal(coloured)


def test_a_task_with_other_targets_is_named(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    index: Any = data.train.read.index  # type: ignore[attr-defined]
    monkeypatch.setitem(index["kinds"], "eyes", "BoundingBoxes")
    assert "cannot serve task 'eyes', whose targets are 'BoundingBoxes'" in refusal(data)


def test_data_that_do_not_fit_say_how_much_they_need(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afanet.limits.available_memory", lambda: 20_000)
    message = refusal(data)
    assert re.search(
        r"data\.resident needs 0\.\d+ MB in the memory of cpu, and 0\.\d+ MB are free there: lower", message
    )
