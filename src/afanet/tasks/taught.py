"""What a task learns from a teacher, another network: its estimate, where there is no label or everywhere."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

from afanet.errors import InputError
from afanet.tasks.across import ALONE, Across

SMALLEST = 1e-12  # the smallest probability that goes into a logarithm
CLOSEST = 1e-7  # how close to 0 and 1 a float32 probability may be before its logit


class Taught(ABC):
    """A task's loss towards a teacher's estimate; this default is for estimates in the form of the target.

    Kinds that estimate probabilities have a `taught` of their own.
    """

    name: str
    names: tuple[str, ...]

    @abstractmethod
    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor: ...

    @abstractmethod
    def unlabelled(self, size: tuple[int, int]) -> Tensor: ...

    @property
    def teachable(self) -> bool:
        """Whether the task can learn from a teacher: a kind with names must say how."""
        return not self.names or type(self).taught is not Taught.taught

    def taught(
        self, logits: Tensor, estimate: Tensor, where: Tensor, across: Across = ALONE, temperature: float = 1.0
    ) -> Tensor:
        """The mean loss towards a teacher's `estimate` where `where` is true; 0 with zero gradient if it never is.

        By default it is the task's own loss, with the estimate in place of labels; `temperature` has no effect.

        Args:
            logits: the network's output, with gradients.
            estimate: what `Task.estimate` gives for the teacher's output, (B, ...) float32, of the same size.
            where: what to learn from, bool, of the target's shape or one channel of it.
            across: sums over the processes that train together.
            temperature: softens both sides' probabilities, above 0.

        Raises:
            InputError: for a kind with names that does not say how it learns from probabilities.
        """
        if not self.teachable:
            raise InputError(
                f"task '{self.name}' is of kind {type(self).__name__}, which cannot learn from a teacher: leave the "
                "task out of the teachers, or give its kind a method `taught`"
            )
        absent = self.unlabelled((logits.shape[-2], logits.shape[-1]) if logits.ndim == 4 else (1, 1))
        return self.loss(logits, torch.where(where, estimate, absent.to(estimate)), across)


class TaughtClasses(Taught):
    """For kinds with one class of several: the estimate is the probability p of each class.

    With temperature T, q = softmax(z / T) of the logits z, and p_T = softmax(ln p / T), the loss is

        T^2 KL(p_T || q) = T^2 sum_c p_T,c (ln p_T,c - ln q_c),

    whose gradient keeps its size whatever T (Hinton, Vinyals & Dean, 2015, arXiv:1503.02531).
    """

    def taught(
        self, logits: Tensor, estimate: Tensor, where: Tensor, across: Across = ALONE, temperature: float = 1.0
    ) -> Tensor:
        """See `Taught`: logits and estimate (B, C, ...), `where` (B, ...)."""
        ours = (logits.float() / temperature).log_softmax(1)
        theirs = (estimate.clamp(min=SMALLEST).log() / temperature).log_softmax(1)
        terms = F.kl_div(ours, theirs, reduction="none", log_target=True).sum(1)
        return temperature**2 * across.mean(torch.where(where, terms, 0).sum(), where.sum())


class TaughtLabels(Taught):
    """For kinds with independent labels: the estimate is the probability of each.

    As in `TaughtClasses`, over the two outcomes of each label: T^2 KL of sigmoid(logit(p) / T) and sigmoid(z / T).
    """

    def taught(
        self, logits: Tensor, estimate: Tensor, where: Tensor, across: Across = ALONE, temperature: float = 1.0
    ) -> Tensor:
        """See `Taught`: logits, estimate and `where` (B, L, ...)."""
        terms = binary_divergence(logits, estimate, temperature)
        return temperature**2 * across.mean(torch.where(where, terms, 0).sum(), where.sum())


def binary_divergence(logits: Tensor, probability: Tensor, temperature: float) -> Tensor:
    """KL(s || q) of two outcomes, elementwise: q = sigmoid(z / T), s = sigmoid(logit(p) / T).

    >>> binary_divergence(torch.tensor([0.0, 0.0]), torch.tensor([0.5, 1.0]), 1.0)  # 0 and ln 2
    tensor([0.0000, 0.6931])
    """
    scaled = logits.float() / temperature
    theirs = probability.float().logit(eps=CLOSEST) / temperature
    yes, no = theirs.sigmoid(), (-theirs).sigmoid()
    return yes * (F.logsigmoid(theirs) - F.logsigmoid(scaled)) + no * (F.logsigmoid(-theirs) - F.logsigmoid(-scaled))
