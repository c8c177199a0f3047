"""Weights of classes against torch's own weighted cross-entropy."""

from __future__ import annotations

import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from afanet.errors import InputError
from afanet.tasks import Classification, Segmentation

CLASSES = ["floor", "wall", "bed"]
TASKS = [(Segmentation(CLASSES), 255, (5, 6)), (Classification("segmentation", CLASSES), -1, ())]
both = pytest.mark.parametrize(("task", "void", "axes"), TASKS, ids=["pixels", "images"])


@both
@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    weights=st.lists(st.floats(1e-3, 1e3), min_size=3, max_size=3),
    missing=st.floats(0, 0.9),
)
def test_loss_and_gradient_are_torchs_weighted_mean(task, void, axes, seed, weights, missing) -> None:
    torch.manual_seed(seed)
    logits, target = torch.randn(4, 3, *axes, requires_grad=True), torch.randint(3, (4, *axes))
    target[torch.rand(target.shape) < missing] = void
    target.view(-1)[0] = 1
    actual = task.with_loss({"class_weights": weights}).loss(logits, target)
    expected = F.cross_entropy(logits, target, weight=torch.tensor(weights), ignore_index=void)
    torch.testing.assert_close(actual, expected)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (actual, expected)))


@both
def test_weights_may_be_told_by_name_and_are_one_otherwise(task, void, axes) -> None:
    logits, target = torch.randn(4, 3, *axes), torch.randint(3, (4, *axes))
    listed, named = (task.with_loss({"class_weights": given}) for given in ([1, 4, 1], {"wall": 4}))
    assert torch.equal(listed.loss(logits, target), named.loss(logits, target))
    same = task.with_loss({"class_weights": [2, 2, 2]})
    torch.testing.assert_close(same.loss(logits, target), task.loss(logits, target))
    assert task.class_weights is None
    assert pickle.loads(pickle.dumps(named)).class_weights == (1, 4, 1)


def test_classes_called_by_numbers_may_be_written_as_yaml_reads_them() -> None:
    assert Classification("left", ["0", "1"]).with_loss({"class_weights": {1: 3}}).class_weights == (1, 3)


@both
def test_loss_is_float32_under_autocast(task, void, axes) -> None:
    task = task.with_loss({"class_weights": [1, 2, 3]})
    logits, target = torch.randn(4, 3, *axes).bfloat16(), torch.randint(3, (4, *axes))
    with torch.autocast("cpu", torch.bfloat16):
        loss = task.loss(logits, target)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, task.loss(logits.float(), target))


@both
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_weight": [1, 2, 3]}, "unknown option of the loss of task 'segmentation' 'class_weight', did you mean"),
        ({"class_weights": [1, 2]}, "are 2 numbers, expected one for each of its 3 classes"),
        ({"class_weights": "balance"}, "are 'balance', expected one for each of its 3 classes, .*, or balanced"),
        ({"class_weights": None}, "are None, expected one for each of its 3 classes"),
        ({}, "the loss of task 'segmentation' has no options, expected some of: name, class_weights, "),
        ({"class_weights": {"wal": 2}}, "unknown class of task 'segmentation' 'wal', did you mean 'wall'"),
        ({"class_weights": {"wall": 0}}, "of task 'segmentation' give 'wall' 0, expected a number above 0"),
        ({"class_weights": [1, -2, 3]}, "give 'wall' -2, expected a number above 0"),
        ({"class_weights": [1, 2, float("nan")]}, "give 'bed' nan, expected"),
        ({"class_weights": [1, 2, float("inf")]}, "give 'bed' inf, expected"),
        ({"class_weights": [1, 2, 10**400]}, "give 'bed' .*, expected"),
        ({"class_weights": [True, 2, 3]}, "give 'floor' True, expected"),
        ({"class_weights": ["1", 2, 3]}, "give 'floor' '1', expected"),
    ],
)
def test_what_cannot_be_is_said(task, void, axes, options, message) -> None:
    with pytest.raises(InputError, match=message):
        task.with_loss(options)
