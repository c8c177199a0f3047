"""Classification: one class for the whole image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from afanet.networks.outputs import Pooled
from afanet.tasks.across import ALONE, Across
from afanet.tasks.class_losses import ClassTask, class_loss
from afanet.tasks.classes import count_classes, decided, too_few_classes
from afanet.tasks.classification.metrics import UNLABELLED, ClassScores, OneOff
from afanet.tasks.described import Described
from afanet.tasks.scores import TaskScores
from afanet.tasks.task import PooledTask


class Classification(ClassTask, PooledTask):
    """One class of several for an image, learnt by cross-entropy by default; a target of -1 means not labelled.

    Target int64 (B,); logits (B, classes); prediction int64 (B,). `ordinal` says that the classes have an
    order, as age groups do, and adds the metric `one_off`.

    >>> import torch
    >>> task = Classification("gender", ["female", "male"])
    >>> logits = torch.tensor([[1.0, 0.0], [0.0, 5.0]])
    >>> [task.caption(value) for value in task.predict(logits)]
    ['female', 'male']
    >>> round(task.loss(logits, torch.tensor([0, -1])).item(), 4)  # ln(1 + exp(-1))
    0.3133
    """

    kind = "classification"
    main_metric = "accuracy"

    def __init__(self, name: str, classes: Sequence[str], ordinal: bool = False) -> None:
        self.name = name
        self.classes = self.names = tuple(classes)
        self.ordinal = ordinal
        self.output = Pooled(len(self.classes))
        self.higher_is_better = dict.fromkeys(("accuracy", "macro_f1", "micro_f1"), True)
        if ordinal:
            self.higher_is_better["one_off"] = True

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """The chosen loss over the labelled samples of the batch, see `class_loss`; by default cross-entropy."""
        return class_loss(logits, target, self.class_loss, UNLABELLED, across)

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """-1, an int64 scalar."""
        return torch.tensor(UNLABELLED)

    def labelled(self, target: Tensor) -> Tensor:
        """Images with a class."""
        return target != UNLABELLED

    def predict(self, logits: Tensor) -> Tensor:
        """The most probable class, int64 (B,); -1 where a logit is not finite."""
        return decided(logits.argmax(1), logits)

    def occurrences(self, target: Tensor) -> Tensor:
        """How often each class occurs."""
        return count_classes(target, self.labelled(target), len(self.names))

    def unscorable(self, occurrences: Sequence[int]) -> str | None:
        """Scores over a single class say nothing: whoever always answers it is always right."""
        return too_few_classes(occurrences)

    def estimate(self, logits: Tensor) -> Tensor:
        """The probability of each class, float32 (B, classes)."""
        return logits.float().softmax(1)

    @property
    def meaning(self) -> dict[str, Any]:
        """`classification`, with its `classes`."""
        return {"kind": self.kind, "classes": list(self.classes)}

    @classmethod
    def from_described(cls, described: Described) -> Self:
        """See `Task`; the classes are ordered if the run has the metric `one_off`."""
        ordinal = "one_off" in described.higher_is_better
        return cls(described.name, described.meaning["classes"], ordinal)

    def metrics(self) -> MetricCollection:
        """`accuracy`, `macro_f1`, `micro_f1` (equal to the accuracy, since an image has one class) and `one_off`.

        All are over the set. `macro_f1` averages over the classes that occur in truth or prediction, as
        scikit-learn does.
        """
        # Validation would search every batch for its distinct values.
        known: dict[str, Any] = {
            "num_classes": len(self.classes),
            "ignore_index": UNLABELLED,
            "validate_args": False,
        }
        scores: list[Metric | MetricCollection] = [ClassScores(**known)]
        if self.ordinal:
            scores.append(MetricCollection({"one_off": OneOff(**known)}))
        return TaskScores(self, scores)

    def caption(self, value: Tensor) -> str:
        """The class's name, `?` where there is no label."""
        return "?" if value.item() == UNLABELLED else self.classes[int(value.item())]
