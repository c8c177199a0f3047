"""Multi-label classification: several attributes of one image, each on or off independently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torchmetrics import MetricCollection

from afanet.networks.outputs import Pooled
from afanet.tasks.across import ALONE, Across
from afanet.tasks.binary_losses import LabelsTask, binary_loss
from afanet.tasks.described import Described
from afanet.tasks.multi_label.metrics import UNLABELLED, MultiLabelScores
from afanet.tasks.scores import TaskScores
from afanet.tasks.sides import swapped_order
from afanet.tasks.task import NO_CLASS, PooledTask


class MultiLabel(LabelsTask, PooledTask):
    """Labels that an image has or lacks, learnt by binary cross-entropy by default; -1 means not labelled.

    Target int64 (B, L) of 0, 1 and -1; logits (B, L); prediction int64 (B, L), 1 where the probability is above one
    half.

    >>> import torch
    >>> task = MultiLabel("face", ["smiling", "glasses", "hat"])
    >>> logits = torch.tensor([[2.0, -1.0, 3.0]])
    >>> task.caption(task.predict(logits)[0])
    'smiling, hat'
    >>> round(task.loss(logits, torch.tensor([[-1, 0, -1]])).item(), 4)  # ln(1 + exp(-1))
    0.3133
    """

    kind = "multi_label"
    main_metric = "accuracy"

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        self.name = name
        self.labels = self.names = tuple(labels)
        self.output = Pooled(len(self.labels))
        self.higher_is_better = dict.fromkeys(("accuracy", "macro_f1", "micro_f1"), True)

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """The chosen loss over the labelled entries of the batch, see `binary_loss`; by default cross-entropy."""
        return binary_loss(logits, target, self.labelled(target), self.class_loss, across)

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """-1 for every label, int64 (L,)."""
        return torch.full((len(self.labels),), UNLABELLED)

    def labelled(self, target: Tensor) -> Tensor:
        """Entries that are on or off."""
        return target != UNLABELLED

    def swapped(self, target: Tensor) -> Tensor:
        """A target in which the entries of each pair in `swap` are exchanged."""
        return target[..., swapped_order(len(self.labels), self.swap)]

    def tally(self, target: Tensor) -> Tensor:
        """In how many images each label is on."""
        return (target.reshape(-1, len(self.labels)) == 1).sum(0)

    def doubt(self, statistics: Mapping[str, Any]) -> str | None:
        """Labels that are on in every image."""
        always = [name for name, count in statistics["counts"].items() if count == statistics["labelled"]]
        return f"every labelled image has {', '.join(always)}" if always else None

    def fault(self, target: Tensor) -> str | None:
        """An entry that is neither on, off nor unlabelled."""
        wrong = target[(target < UNLABELLED) | (target > 1)]
        return f"label {wrong[0]}, expected 1 (on), 0 (off) or {UNLABELLED} (unlabelled)" if len(wrong) else None

    def predict(self, logits: Tensor) -> Tensor:
        """1 for labels more probable than not, else 0, int64 (B, L); -1 where the logit is not finite."""
        return (logits > 0).long().masked_fill(~logits.isfinite(), NO_CLASS)

    def occurrences(self, target: Tensor) -> Tensor:
        """How often each label is on, and then how often each is off, (2 L,)."""
        return torch.cat([(target == value).sum(0) for value in (1, 0)])

    def unscorable(self, occurrences: Sequence[int]) -> str | None:
        """Scores say nothing where no label is both on and off."""
        on, off = occurrences[: len(self.labels)], occurrences[len(self.labels) :]
        return None if any(map(min, on, off)) else "no label is both on and off"

    def estimate(self, logits: Tensor) -> Tensor:
        """The probability of each label, float32 (B, L)."""
        return logits.float().sigmoid()

    @property
    def meaning(self) -> dict[str, Any]:
        """`multi_label`, with its `labels`."""
        return {"kind": self.kind, "labels": list(self.labels)}

    @classmethod
    def from_described(cls, described: Described) -> Self:
        """See `Task`."""
        return cls(described.name, described.meaning["labels"])

    def metrics(self) -> MetricCollection:
        """`accuracy`, `macro_f1` and `micro_f1`: see `MultiLabelScores`."""
        return TaskScores(self, [MultiLabelScores(len(self.labels))])

    def caption(self, value: Tensor) -> str:
        """The labels that are on, `none` where all are off, and `name?` for unlabelled ones."""
        entries = zip(self.labels, value.tolist(), strict=True)
        parts = [label if entry == 1 else f"{label}?" for label, entry in entries if entry != 0]
        return ", ".join(parts) or "none"
