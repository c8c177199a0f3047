"""Losses of classes against torch, torchvision and segmentation_models_pytorch, in float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from afanet.errors import InputError
from afanet.tasks import Classification, DenseTask, MultiLabel, MultiLabelSegmentation, Segmentation, Task
from afanet.tasks.binary_losses import LabelsTask
from afanet.tasks.class_weights import balanced_weights

CLASSES = ["floor", "wall", "bed", "lamp"]
PIXELS, IMAGES = Segmentation(CLASSES, name="x"), Classification("x", CLASSES)
LABELS, MASKS = MultiLabel("x", CLASSES), MultiLabelSegmentation(CLASSES, "x")
both = pytest.mark.parametrize(("task", "void", "axes"), [(PIXELS, 255, (5, 6)), (IMAGES, -1, ())], ids=["px", "im"])
some = settings(max_examples=20, deadline=None)
EVERY: list[tuple[Task, dict[str, Any]]] = [
    *((PIXELS, {"name": name}) for name in ("focal", "dice", "ce_dice")),
    (PIXELS, {"name": "focal", "gamma": 0.5, "class_weights": {"bed": 3}}),
    (PIXELS, {"name": "ce_dice", "dice": 3, "label_smoothing": 0.1, "class_weights": [1, 2, 3, 4]}),
    (IMAGES, {"label_smoothing": 0.1}),
    (IMAGES, {"name": "focal"}),
    (LABELS, {"name": "focal", "gamma": 0.5}),
    (LABELS, {"label_smoothing": 0.1, "class_weights": [1, 2, 3, 4]}),
    (MASKS, {"name": "focal", "class_weights": {"bed": 3}}),
]
every = pytest.mark.parametrize(("task", "options"), EVERY, ids=[f"{task.name}-{options}" for task, options in EVERY])


def batch(task: Task, seed: int, missing: float) -> tuple[Tensor, Tensor]:
    """Logits in float64 and a target with one label at least."""
    torch.manual_seed(seed)
    axes = (5, 6) if isinstance(task, DenseTask) else ()
    empty = torch.stack([task.unlabelled((5, 6))] * 4)
    target = torch.randint(2 if isinstance(task, LabelsTask) else len(CLASSES), empty.shape).to(empty.dtype)
    where = torch.rand(empty.shape) >= missing
    where.view(-1)[0] = True
    logits = 3 * torch.randn(4, len(CLASSES), *axes, dtype=torch.float64)
    return logits, torch.where(where, target, empty)


def agree(task: Task, options: dict[str, Any], logits: Tensor, target: Tensor, expected: Tensor) -> None:
    """The loss and its gradient are the expected ones, which follow from `logits` in float64."""
    of_task = task.with_loss(options).loss(logits, target)
    assert of_task.dtype == torch.float32
    torch.testing.assert_close(of_task.double(), expected, rtol=2e-6, atol=2e-7)
    ours, theirs = (torch.autograd.grad(loss, logits)[0] for loss in (of_task, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6 * theirs.abs().max().item())


@both
@some
@given(seed=st.integers(0, 2**31), missing=st.floats(0, 0.9), s=st.floats(0, 0.99), weighted=st.booleans())
def test_smoothed_cross_entropy_is_torchs(task, void, axes, seed, missing, s, weighted) -> None:
    logits, target = batch(task, seed, missing)
    options, w = {"label_smoothing": s}, None
    if weighted:
        options["class_weights"], w = [0.5, 1, 7, 2], torch.tensor([0.5, 1, 7, 2], dtype=torch.float64)
    logits.requires_grad_()
    expected = F.cross_entropy(logits, target, weight=w, ignore_index=void, label_smoothing=s)
    agree(task, options, logits, target, expected)


@both
@some
@given(seed=st.integers(0, 2**31), missing=st.floats(0, 0.9), gamma=st.sampled_from([0, 0.5, 1, 2, 5]), w=st.booleans())
def test_focal_is_weighted_cross_entropy_times_its_factor(task, void, axes, seed, missing, gamma, w) -> None:
    logits, target = batch(task, seed, missing)
    weights = torch.tensor([0.5, 1, 7, 2] if w else [1.0] * 4, dtype=torch.float64)
    logits.requires_grad_()
    known = target != void
    p = logits.softmax(1).movedim(1, -1)[known].gather(1, target[known][:, None])[:, 0]
    of_each = weights[target[known]]
    expected = (of_each * (1 - p) ** gamma * -p.log()).sum() / of_each.sum()
    agree(
        task,
        {"name": "focal", "gamma": gamma} | ({"class_weights": weights.tolist()} if w else {}),
        logits,
        target,
        expected,
    )


@some
@given(seed=st.integers(0, 2**31), gamma=st.sampled_from([0, 0.5, 1, 2, 5]))
def test_focal_of_two_classes_is_torchvisions(seed: int, gamma: float) -> None:
    torch.manual_seed(seed)
    z, y = 3 * torch.randn(9, dtype=torch.float64).requires_grad_(), torch.randint(2, (9,))
    expected = sigmoid_focal_loss(z, y.double(), alpha=-1, gamma=gamma, reduction="mean")
    actual = Classification("x", ["no", "yes"]).with_loss({"name": "focal", "gamma": gamma})
    loss = actual.loss(torch.stack([torch.zeros_like(z), z], 1), y)
    torch.testing.assert_close(loss.double(), expected, rtol=2e-6, atol=2e-7)
    torch.testing.assert_close(*(torch.autograd.grad(one, z)[0] for one in (loss, expected)), rtol=1e-5, atol=1e-7)


@some
@given(seed=st.integers(0, 2**31), missing=st.floats(0, 0.9))
def test_dice_is_that_of_segmentation_models_over_the_classes_that_occur(seed: int, missing: float) -> None:
    logits, target = batch(PIXELS, seed, missing)
    target[target == seed % 4] = (seed + 1) % 4  # a class does not occur
    logits.requires_grad_()
    theirs = smp.losses.DiceLoss("multiclass", ignore_index=255)  # counts an absent class as 0
    share = len(CLASSES) / len(set(target.unique().tolist()) - {255})
    agree(PIXELS, {"name": "dice"}, logits, target, share * theirs(logits, target))
    cross_entropy = F.cross_entropy(logits, target, ignore_index=255, label_smoothing=0.2)
    options = {"name": "ce_dice", "dice": 2.5, "label_smoothing": 0.2}
    agree(PIXELS, options, logits, target, cross_entropy + 2.5 * share * theirs(logits, target))


@pytest.mark.parametrize("task", [LABELS, MASKS], ids=type)
@some
@given(seed=st.integers(0, 2**31), missing=st.floats(0, 0.9), gamma=st.sampled_from([0, 0.5, 1, 2, 5]))
def test_focal_of_labels_is_torchvisions(task: Task, seed: int, missing: float, gamma: float) -> None:
    logits, target = batch(task, seed, missing)
    logits.requires_grad_()
    known = target >= 0
    expected = sigmoid_focal_loss(logits[known], target[known].double(), alpha=-1, gamma=gamma, reduction="mean")
    agree(task, {"name": "focal", "gamma": gamma}, logits, target, expected)


@pytest.mark.parametrize("task", [LABELS, MASKS], ids=type)
@some
@given(seed=st.integers(0, 2**31), missing=st.floats(0, 0.9), s=st.floats(0, 0.99))
def test_labels_are_smoothed_and_weighted_as_torch_does(task: Task, seed: int, missing: float, s: float) -> None:
    logits, target = batch(task, seed, missing)
    logits.requires_grad_()
    known, on = target >= 0, torch.tensor([0.5, 1, 7, 2], dtype=torch.float64)
    w = torch.where(target == 1, on.view(4, *[1] * (target.ndim - 2)), 1.0).masked_fill(~known, 0)
    smoothed = target.double().clamp(0) * (1 - s) + s / 2
    total = F.binary_cross_entropy_with_logits(logits, smoothed, weight=w, reduction="sum")
    agree(task, {"class_weights": on.tolist(), "label_smoothing": s}, logits, target, total / w.sum())


@given(counts=st.lists(st.integers(0, 10**9), min_size=2, max_size=6).filter(any))
def test_balanced_weights_are_scikit_learns(counts: list[int]) -> None:
    labels = np.repeat(np.arange(len(counts)), np.minimum(counts, 9))
    few = np.bincount(labels, minlength=len(counts))
    present = np.flatnonzero(few)
    weights = np.array(balanced_weights(few.tolist()))
    np.testing.assert_allclose(weights[present], compute_class_weight("balanced", classes=present, y=labels))
    assert (weights[few == 0] == 1).all()
    exact = np.array(balanced_weights(counts)) * counts  # the total of each class
    np.testing.assert_allclose(exact[exact > 0], sum(counts) / np.count_nonzero(counts))


def test_balanced_labels_give_on_and_off_the_same_total() -> None:
    task = MultiLabel("x", ["rare", "always"]).with_loss({"class_weights": "balanced"}).with_counts([10, 100, 90, 0])
    assert task.class_weights == pytest.approx((5, 1, 5 / 9, 1))
    target = torch.tensor([[1, 1]] + [[0, 1]] * 9)
    expected = F.binary_cross_entropy_with_logits(torch.zeros(2), torch.ones(2))
    torch.testing.assert_close(task.loss(torch.zeros(10, 2), target), expected)


def test_nothing_is_learnt_by_weights_that_wait_for_counts() -> None:
    task = IMAGES.with_loss({"class_weights": "balanced", "name": "focal"})
    assert (task.wants_counts, IMAGES.wants_counts) == (True, False)
    with pytest.raises(InputError, match="class_weights are balanced, but no class is counted yet"):
        task.loss(torch.zeros(1, 4), torch.tensor([0]))
    counted = task.with_counts([1, 2, 3, 0])
    assert (counted.class_weights, counted.wants_counts) == ((2, 1, 2 / 3, 1), False)
    assert counted.class_loss.name == "focal"


@every
@pytest.mark.parametrize("size", [1e4, -1e4, 1e30])
def test_huge_logits_have_a_finite_loss_and_gradient(task: Task, options: dict[str, Any], size: float) -> None:
    logits, target = batch(task, 5, 0.3)
    logits = (size * logits.sign()).float().requires_grad_()
    loss = task.with_loss(options).loss(logits, target)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


@every
def test_without_a_label_there_is_no_loss_and_a_gradient_of_zero(task: Task, options: dict[str, Any]) -> None:
    logits, _ = batch(task, 6, 0)
    loss = task.with_loss(options).loss(logits.requires_grad_(), torch.stack([task.unlabelled((5, 6))] * 4))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


@every
def test_nothing_waits_for_the_device(task: Task, options: dict[str, Any]) -> None:
    logits, target = batch(task, 8, 0.3)
    logits = logits.float().to("meta").requires_grad_()  # whose values nobody can read
    loss = task.with_loss(options).loss(logits, target.to("meta"))
    loss.backward()
    assert (loss.shape, loss.dtype, logits.grad.shape) == ((), torch.float32, logits.shape)


@every
def test_loss_is_float32_under_autocast(task: Task, options: dict[str, Any]) -> None:
    logits, target = batch(task, 7, 0.3)
    logits, task = logits.bfloat16(), task.with_loss(options)
    with torch.autocast("cpu", torch.bfloat16):
        loss = task.loss(logits, target)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, task.loss(logits.float(), target))


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        (IMAGES, {"name": "dice"}, r"unknown loss of task 'x' 'dice'.* \(known: cross_entropy, focal\)"),
        (IMAGES, {"dice": 2}, "unknown option of the loss of task 'x' 'dice'"),
        (PIXELS, {"name": "focl"}, "unknown loss of task 'x' 'focl', did you mean 'focal'"),
        (PIXELS, {"name": ["focal"]}, "unknown loss of task 'x'"),
        (PIXELS, {"gamma": 2}, "gamma of task 'x' is an option of the loss focal, not of cross_entropy: take it out"),
        (PIXELS, {"name": "focal", "label_smoothing": 0.1}, "of the loss cross_entropy or ce_dice, not of focal"),
        (
            PIXELS,
            {"name": "dice", "class_weights": "balanced"},
            "of the loss cross_entropy or focal or ce_dice, not of dice",
        ),
        (PIXELS, {"name": "focal", "gamma": -1}, "gamma of task 'x' is -1, expected a number from 0 to 100"),
        (PIXELS, {"name": "focal", "gamma": math.inf}, "gamma of task 'x' is inf, expected"),
        (PIXELS, {"label_smoothing": 1}, "label_smoothing of task 'x' is 1, expected a number from 0 to below 1"),
        (PIXELS, {"label_smoothing": math.nan}, "label_smoothing of task 'x' is nan, expected"),
        (PIXELS, {"name": "ce_dice", "dice": 0}, r"dice of task 'x' is 0, expected a number above 0 \("),
        (PIXELS, {"name": "ce_dice", "dice": True}, "dice of task 'x' is True, expected"),
        (LABELS, {"name": "ce_dice"}, "unknown loss of task 'x' 'ce_dice'"),
    ],
)
def test_what_cannot_be_is_said(task: Task, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        task.with_loss(options)
