"""Losses of two processes against one with the joint batch: every task, any split, labels anywhere or nowhere."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import afanet.tasks
from afanet.networks.outputs import Dense
from afanet.tasks import (
    Classification,
    DenseRegression,
    Depth,
    Edges,
    HumanParts,
    MultiLabel,
    MultiLabelSegmentation,
    Normals,
    Ordinal,
    Regression,
    Saliency,
    Segmentation,
    Task,
    Vector,
)
from afanet.tasks.across import ALONE, Across
from afanet.tasks.depth.losses import DEPTH_LOSSES

Loss = Callable[[Tensor, Tensor, Across], Tensor]
IMAGES, SIZE, CLASSES = 6, (3, 4), ["a", "b", "c"]
KINDS: dict[str, Task] = {
    "segmentation": Segmentation(CLASSES),
    "weighted segmentation": Segmentation(CLASSES).with_loss({"class_weights": [0.1, 1, 30]}),
    "l1": Depth(),
    "berhu": Depth().with_loss({"name": "berhu"}),
    "silog": Depth().with_loss({"name": "silog"}),
    "silog 0.85": Depth().with_loss({"name": "silog", "lambda": 0.85}),
    "normals": Normals(),
    "normals by l1": Normals().with_loss({"name": "l1"}),
    "classification": Classification("x", CLASSES),
    "weighted classification": Classification("x", CLASSES).with_loss({"class_weights": {"b": 7}}),
    "focal segmentation": Segmentation(CLASSES).with_loss({"name": "focal", "class_weights": {"b": 7}}),
    "dice": Segmentation(CLASSES).with_loss({"name": "dice"}),
    "cross-entropy and dice": Segmentation(CLASSES).with_loss({"name": "ce_dice", "label_smoothing": 0.1}),
    "focal classification": Classification("x", CLASSES).with_loss({"name": "focal"}),
    "multi-label": MultiLabel("x", CLASSES),
    "weighted multi-label": MultiLabel("x", CLASSES).with_loss({"class_weights": {"b": 7}}),
    "focal multi-label": MultiLabel("x", CLASSES).with_loss({"name": "focal"}),
    "ordinal": Ordinal("x", CLASSES),
    "regression": Regression("x", 0, 1),
    "dense_regression": DenseRegression("x", 0, 1),
    "vector": Vector("x", CLASSES, [(0, 1), (0, 2), (-3, 3)]),
    "multi_label_segmentation": MultiLabelSegmentation(CLASSES, "x"),
    "edges": Edges(),
    "saliency": Saliency(),
    "human_parts": HumanParts(CLASSES),
    "focal masks": MultiLabelSegmentation(CLASSES, "x").with_loss({"name": "focal", "class_weights": {"b": 7}}),
}


class Process(Across):
    """One of several processes, each a thread, that wait for each other as all-reduce does."""

    def __init__(self, rank: int, slots: list[Tensor], barrier: Barrier) -> None:
        self.rank, self.slots, self.barrier, self.sums, self.maxima = rank, slots, barrier, 0, 0

    def gather(self, values: Tensor) -> Tensor:
        self.slots[self.rank] = values.detach()
        self.barrier.wait()
        every = torch.stack(self.slots)
        self.barrier.wait()  # nobody writes before all have read
        return every

    def sum(self, values: Tensor) -> Tensor:
        """The total; gradients are those of one process times their number, since they are averaged later."""
        self.sums += 1
        return self.gather(values).sum(0) + len(self.slots) * (values - values.detach())

    def max(self, values: Tensor) -> Tensor:
        self.maxima += 1
        return self.gather(values).amax(0)


def loss_and_gradient(
    loss_of: Loss, logits: Tensor, target: Tensor, part: slice, across: Across
) -> tuple[Tensor, Tensor]:
    """Of one part of a batch, the gradient by all of its logits, which here stand for the parameters that all share."""
    leaf = logits.clone().requires_grad_()
    loss = loss_of(leaf[part], target[part], across)
    (gradient,) = torch.autograd.grad(loss, leaf)
    return loss.detach(), gradient


def in_parts(loss_of: Loss, logits: Tensor, target: Tensor, parts: list[slice]) -> tuple[list[Tensor], Tensor]:
    """Each process's loss, and the mean of their gradients."""
    slots, barrier = [torch.empty(0)] * len(parts), Barrier(len(parts), timeout=20)
    processes = [Process(rank, slots, barrier) for rank in range(len(parts))]
    with ThreadPoolExecutor(len(parts)) as pool:
        work = zip(parts, processes, strict=True)
        jobs = [pool.submit(loss_and_gradient, loss_of, logits, target, *one) for one in work]
        losses, gradients = zip(*(job.result() for job in jobs), strict=True)
    assert all((process.sums, process.maxima <= 1) == (1, True) for process in processes)  # each is a wait for others
    return list(losses), torch.stack(gradients).mean(0)


def batch(task: Task, seed: int, labelled: list[bool], share: float) -> tuple[Tensor, Tensor]:
    """Random logits and targets; labels are in `labelled` images alone, and there in about `share` of the elements."""
    torch.manual_seed(seed)
    axes = SIZE if isinstance(task.output, Dense) else ()
    logits = 2 * torch.randn(IMAGES, task.output.channels, *axes)
    empty = torch.stack([task.unlabelled(SIZE)] * IMAGES)
    match task:
        case Normals():
            full = task.predict(torch.randn(empty.shape))
        case Depth() | Regression() | DenseRegression() | Vector():
            full = 0.5 + 4 * torch.rand(empty.shape)
        case _:
            of_two = isinstance(task, MultiLabel | MultiLabelSegmentation | Edges | Saliency)
            full = torch.randint(2 if of_two else len(CLASSES), empty.shape)
    where = task.labelled(full)
    kept = torch.tensor(labelled).view(-1, *[1] * (where.ndim - 1)) & (torch.rand(where.shape) < share)
    return logits, torch.where(kept, full, empty)


def test_every_kind_of_task_is_here() -> None:
    assert {type(task) for task in KINDS.values()} == {kind.task_class for kind in afanet.tasks.KINDS.values()}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    labelled=st.lists(st.booleans(), min_size=IMAGES, max_size=IMAGES),
    share=st.floats(0.1, 1),
    cuts=st.sampled_from([(1,), (2,), (5,), (1, 3)]),
)
def test_parts_compute_the_loss_and_the_gradient_of_the_joint_batch(
    kind: str, seed: int, labelled: list[bool], share: float, cuts: tuple[int, ...]
) -> None:
    logits, target = batch(KINDS[kind], seed, labelled, share)
    parts = [slice(*ends) for ends in zip((0, *cuts), (*cuts, IMAGES), strict=True)]
    losses, gradient = in_parts(KINDS[kind].loss, logits, target, parts)
    joint, expected = loss_and_gradient(KINDS[kind].loss, logits, target, slice(None), ALONE)
    assert all(torch.equal(loss, losses[0]) for loss in losses)
    torch.testing.assert_close(losses[0], joint, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-6 * max(1e-6, expected.abs().max().item()))


@pytest.mark.parametrize("name", DEPTH_LOSSES)
def test_in_float64_they_do_so_to_its_precision(name: str) -> None:
    def loss_of(p: Tensor, t: Tensor, across: Across) -> Tensor:
        return DEPTH_LOSSES[name](p, t, t > 0, across)

    torch.manual_seed(7)
    p, t = 0.1 + torch.rand(2, IMAGES, 5, dtype=torch.float64)
    t[torch.rand(t.shape) < 0.4] = 0
    losses, gradient = in_parts(loss_of, p, t, [slice(0, 1), slice(1, None)])
    joint, expected = loss_and_gradient(loss_of, p, t, slice(None), ALONE)
    torch.testing.assert_close(losses[1], joint, rtol=1e-13, atol=0)
    torch.testing.assert_close(gradient, expected, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side", [slice(0, 2), slice(2, None)])
def test_a_part_without_a_label_takes_no_share_of_the_mean(kind: str, side: slice) -> None:
    labelled = [True] * IMAGES
    labelled[side] = [False] * len(labelled[side])
    logits, target = batch(KINDS[kind], 3, labelled, 1)
    losses, gradient = in_parts(KINDS[kind].loss, logits, target, [slice(0, 2), slice(2, None)])
    joint, expected = loss_and_gradient(KINDS[kind].loss, logits, target, slice(None), ALONE)
    assert joint > 0
    assert (gradient[side] == 0).all()
    torch.testing.assert_close(losses[0], joint)
    torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_label_anywhere_there_is_no_loss_and_no_gradient(kind: str) -> None:
    logits, target = batch(KINDS[kind], 4, [False] * IMAGES, 1)
    losses, gradient = in_parts(KINDS[kind].loss, logits, target, [slice(0, 1), slice(1, None)])
    assert [loss.item() for loss in losses] == [0, 0]
    assert (gradient == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_logits_that_are_no_numbers_give_no_loss_of_zero(kind: str) -> None:
    logits, target = batch(KINDS[kind], 5, [True] * IMAGES, 1)
    assert KINDS[kind].loss(torch.full_like(logits, torch.nan), target).isnan()


def test_the_mean_is_over_all_elements_and_not_over_processes() -> None:
    slots, barrier = [torch.empty(0)] * 2, Barrier(2, timeout=20)
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(Process(rank, slots, barrier).mean, torch.tensor(total), torch.tensor(count))
            for rank, (total, count) in enumerate([(6.0, 1), (0.0, 2)])
        ]
        assert [job.result().item() for job in jobs] == [2, 2]
