"""Ordinal regression: one class for the whole image, of classes in an order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassCohenKappa

from afanet.errors import InputError
from afanet.networks.outputs import Pooled
from afanet.tasks.across import ALONE, Across
from afanet.tasks.classes import count_classes, decided, too_few_classes
from afanet.tasks.classification.metrics import UNLABELLED, OneOff
from afanet.tasks.described import Described
from afanet.tasks.ordinal.metrics import OrdinalScores
from afanet.tasks.scores import TaskScores
from afanet.tasks.task import PooledTask
from afanet.tasks.taught import SMALLEST, binary_divergence


class Ordinal(PooledTask):
    """One of K ordered classes, learnt by conditional ordinal regression; a target of -1 means not labelled.

    CORN (Shi, Cao & Raschka, 2021, arXiv:2111.08851). Logit k of the K - 1 gives the probability that the class y lies
    beyond k, given that it lies beyond k - 1: f_k = P(y > k | y > k - 1). So

        P(y > k) = f_0 f_1 ... f_k,

    which never rises with k: the prediction, the number of k with P(y > k) > 1/2, contradicts none of them. Logit k
    learns by binary cross-entropy, and only from the samples for which its condition holds, y >= k.

    Target int64 (B,); logits (B, K - 1); prediction int64 (B,). Fewer than two classes raise `InputError`.

    >>> import torch
    >>> task = Ordinal("age", ["child", "adult", "old"])
    >>> logits = torch.tensor([[-1.0, 9.0], [2.0, -1.0], [2.0, 2.0]])
    >>> [task.caption(value) for value in task.predict(logits)]
    ['child', 'adult', 'old']
    >>> round(task.loss(logits, torch.tensor([0, -1, -1])).item(), 4)  # ln(1 + exp(-1)), the 9 never asked
    0.3133
    """

    kind = "ordinal"
    main_metric = "mae"

    def __init__(self, name: str, classes: Sequence[str]) -> None:
        if len(classes) < 2:
            raise InputError(f"ordinal task '{name}' has {len(classes)} classes, expected at least two in their order")
        self.name = name
        self.classes = self.names = tuple(classes)
        self.output = Pooled(len(self.classes) - 1)
        self.higher_is_better = {"accuracy": True, "mae": False, "one_off": True, "kappa": True}

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """Binary cross-entropy in nats, averaged over the logits whose condition holds, of all labelled samples."""
        index = torch.arange(logits.shape[1], device=logits.device)
        asked = target[:, None] >= index  # nothing of an unlabelled sample, -1
        beyond = (target[:, None] > index).float()
        terms = F.binary_cross_entropy_with_logits(logits.float(), beyond, reduction="none")
        return across.mean(torch.where(asked, terms, 0).sum(), asked.sum())

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """-1, int64, of no axes."""
        return torch.tensor(UNLABELLED)

    def labelled(self, target: Tensor) -> Tensor:
        """Images with a class."""
        return target != UNLABELLED

    def predict(self, logits: Tensor) -> Tensor:
        """How many classes the true class lies beyond, more probably than not, int64 (B,); see `decided`."""
        return decided((logits.float().sigmoid().cumprod(1) > 0.5).sum(1), logits)

    def occurrences(self, target: Tensor) -> Tensor:
        """How often each class occurs."""
        return count_classes(target, self.labelled(target), len(self.names))

    def unscorable(self, occurrences: Sequence[int]) -> str | None:
        """Scores over a single class say nothing: whoever always answers it is always right."""
        return too_few_classes(occurrences)

    def estimate(self, logits: Tensor) -> Tensor:
        """The probability of each class, P(y > k - 1) - P(y > k), float32 (B, K)."""
        beyond = F.pad(logits.float().sigmoid().cumprod(1), (1, 0), value=1.0)
        return beyond - F.pad(beyond[:, 1:], (0, 1))

    def taught(
        self, logits: Tensor, estimate: Tensor, where: Tensor, across: Across = ALONE, temperature: float = 1.0
    ) -> Tensor:
        """See `Taught`: for each logit, T^2 KL of the teacher's probability and ours, as in `TaughtClasses`.

        The average weights logit k by the teacher's probability of its condition, P(y > k - 1). At T = 1 the sum is KL
        of the probabilities of the classes, by its chain rule.
        """
        beyond = estimate.flip(1).cumsum(1).flip(1)  # P(y > k - 1), the first of which is 1
        asked = torch.where(where[:, None], beyond[:, :-1], 0)
        answer = (beyond[:, 1:] / beyond[:, :-1].clamp(min=SMALLEST)).clamp(max=1)
        terms = binary_divergence(logits, answer, temperature)
        return temperature**2 * across.mean((asked * terms).sum(), asked.sum())

    @property
    def meaning(self) -> dict[str, Any]:
        """`ordinal`, with its `classes` in their order; the answer is their median."""
        return {"kind": self.kind, "classes": list(self.classes)}

    @classmethod
    def from_described(cls, described: Described) -> Self:
        """See `Task`."""
        return cls(described.name, described.meaning["classes"])

    def metrics(self) -> MetricCollection:
        """`accuracy`, `mae` (in classes), `one_off` (the share at most one class off) and `kappa`, over the set.

        `kappa` is Cohen's, weighted by the square of the distance: 1 is perfect, 0 is chance.
        """
        # Validation would search every batch for its distinct values.
        known: dict[str, Any] = {
            "num_classes": len(self.classes),
            "ignore_index": UNLABELLED,
            "validate_args": False,
        }
        rest: dict[str, Metric | MetricCollection] = {
            "one_off": OneOff(**known),
            "kappa": MulticlassCohenKappa(weights="quadratic", **known),
        }
        return TaskScores(self, [OrdinalScores(**known), MetricCollection(rest)])

    def caption(self, value: Tensor) -> str:
        """The class's name, `?` where there is no label."""
        return "?" if value.item() == UNLABELLED else self.classes[int(value.item())]
