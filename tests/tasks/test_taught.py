"""What tasks learn from a teacher's estimate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from afanet.errors import InputError
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

TASKS: list[Task] = [
    Segmentation(["floor", "wall", "bed"]),
    Depth(),
    Normals(),
    Classification("age", ["young", "old", "older"]),
    MultiLabel("tags", ["wet", "indoor", "dark"]),
    Ordinal("grade", ["low", "mid", "high", "top"]),
    Regression("years", 0, 100),
    DenseRegression("height", 0, 10),
    Vector("nose", ["x", "y"], points=True),
    MultiLabelSegmentation(["road", "wet"], "surface"),
    Edges(),
    Saliency(),
    HumanParts(),
]
PROBABLE = [task for task in TASKS if task.names]
VALUES = [task for task in TASKS if not task.names]


def logits_of(task: Task, seed: int) -> Tensor:
    torch.manual_seed(seed)
    size = (4, 5) if isinstance(task.output, Dense) else ()
    return 2 * torch.randn(6, task.output.channels, *size)


def everywhere(task: Task) -> Tensor:
    """All true, in the shape of where a batch is labelled."""
    target = torch.stack([task.unlabelled((4, 5))] * 6)
    return torch.ones_like(task.labelled(target))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_who_answers_as_the_teacher_has_nothing_to_learn(task: Task) -> None:
    logits = logits_of(task, 0).requires_grad_()
    loss = task.taught(logits, task.estimate(logits.detach()), everywhere(task), temperature=2)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad is not None
    assert logits.grad.abs().max() < (1e-6 if task.names else 0.1)  # of depth: the sign of a rounding


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_nothing_selected_is_0_with_zero_gradient(task: Task) -> None:
    logits = logits_of(task, 0).requires_grad_()
    loss = task.taught(logits, task.estimate(logits_of(task, 1)), ~everywhere(task))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
def test_what_is_not_selected_has_no_gradient(task: Task) -> None:
    logits, where = logits_of(task, 0).requires_grad_(), everywhere(task)
    where[:2] = False
    task.taught(logits, task.estimate(logits_of(task, 1)), where, temperature=3).backward()
    assert logits.grad is not None
    assert not logits.grad[:2].any()
    assert logits.grad[2:].any()


@pytest.mark.parametrize("task", VALUES, ids=lambda task: task.kind)
def test_values_are_learnt_by_their_own_loss_as_if_they_were_labels(task: Task) -> None:
    logits, teacher = logits_of(task, 0), logits_of(task, 1)
    taught = task.taught(logits, task.estimate(teacher), everywhere(task), temperature=5)
    assert torch.equal(taught, task.loss(logits, task.predict(teacher)))


@pytest.mark.parametrize("temperature", [1, 2.5])
@pytest.mark.parametrize("task", [TASKS[0], TASKS[3]], ids=lambda task: task.kind)
def test_classes_are_learnt_by_divergence_of_softened_probabilities(task: Task, temperature: float) -> None:
    """Against NumPy's formula in float64, from logits, of which the estimate is softmax at T = 1."""
    z, teacher = logits_of(task, 0), logits_of(task, 1)
    where = everywhere(task)
    where[3] = False
    p, q = ((x.double().numpy() / temperature).swapaxes(0, 1) for x in (teacher, z))
    p, q = (torch.tensor(x).exp().numpy() for x in (p, q))
    p, q = p / p.sum(0), q / q.sum(0)
    terms = temperature**2 * (p * np.log(p / q)).sum(0)
    expected = terms[where.numpy()].mean()
    taught = task.taught(z, task.estimate(teacher), where, temperature=temperature)
    assert taught.item() == pytest.approx(expected, rel=1e-5)


def test_labels_are_learnt_each_for_itself() -> None:
    task = TASKS[4]
    z, teacher = logits_of(task, 0).double(), logits_of(task, 1).double()
    p, q = (teacher / 2).sigmoid(), (z / 2).sigmoid()
    expected = 4 * (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()
    taught = task.taught(z.float(), task.estimate(teacher.float()), everywhere(task), temperature=2)
    assert taught.item() == pytest.approx(expected.item(), rel=1e-4)


def test_questions_of_ordered_classes_add_up_to_the_divergence_of_their_probabilities() -> None:
    """The chain rule: the sum over questions, each counted as often as the teacher asks it."""
    task = TASKS[5]
    z, teacher = logits_of(task, 0), logits_of(task, 1)
    p, q = task.estimate(teacher).double(), task.estimate(z).double()
    asked = p.flip(1).cumsum(1).flip(1)[:, :-1].sum()
    expected = (p * (p / q).log()).sum() / asked
    assert task.taught(z, p.float(), everywhere(task)).item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize("task", PROBABLE, ids=lambda task: task.kind)
def test_a_teacher_that_is_certain_keeps_everything_finite(task: Task) -> None:
    logits = (20 * logits_of(task, 0)).requires_grad_()
    certain = task.estimate(1000 * logits_of(task, 1))
    loss = task.taught(logits, certain, everywhere(task))
    loss.backward()
    assert logits.grad is not None
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_a_kind_with_names_says_how_it_learns() -> None:
    class Own(Depth):
        names = ("a", "b")

    own = Own()
    assert not own.teachable
    with pytest.raises(InputError, match="task 'depth' is of kind Own, which cannot learn from a teacher"):
        own.taught(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2, dtype=torch.bool))
