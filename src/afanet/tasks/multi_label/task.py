"""Multi-label classification: several attributes of one image, each of which is on or off by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MetricCollection
from torchmetrics.classification import MultilabelConfusionMatrix

from afanet.networks.outputs import Pooled
from afanet.tasks.across import ALONE, Across
from afanet.tasks.task import PooledTask

UNLABELLED = -1


class MultiLabelScores(MultilabelConfusionMatrix):
    """Accuracy and F1 of several labels over the set, from a confusion matrix each; -1 in the truth counts nowhere.

    With tp, fp, fn, tn the counts of a label:

    - `accuracy`: the mean over labels of (tp + tn) / (tp + fp + fn + tn), a label nowhere labelled left out
    - `macro_f1`: the mean over labels of F1 = 2 tp / (2 tp + fp + fn), a label that is nowhere on, in
      truth or prediction, left out
    - `micro_f1`: F1 of the counts summed over labels

    Fractions, 0 to 1; not a number where there is nothing to take the mean of. (torchmetrics' own macro averages
    count a label without a single entry as 0.)

    >>> import torch
    >>> scores = MultiLabelScores(num_labels=2)
    >>> scores.update(torch.tensor([[1, 0], [1, 1]]), torch.tensor([[1, -1], [0, 1]]))
    >>> {name: round(value.item(), 3) for name, value in scores.compute().items()}
    {'accuracy': 0.75, 'macro_f1': 0.833, 'micro_f1': 0.8}
    """

    def __init__(self, num_labels: int) -> None:
        # Checking the values would search every batch for its distinct ones.
        super().__init__(num_labels, ignore_index=UNLABELLED, validate_args=False)

    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        tn, fp, fn, tp = self.confmat.double().flatten(1).unbind(1)
        known, occurs = tn + fp + fn + tp > 0, tp + fp + fn > 0
        accuracy, f1 = (tp + tn) / (tn + fp + fn + tp), 2 * tp / (2 * tp + fp + fn)
        return {
            "accuracy": accuracy[known].mean(),
            "macro_f1": f1[occurs].mean(),
            "micro_f1": 2 * tp.sum() / (2 * tp + fp + fn).sum(),
        }


class MultiLabel(PooledTask):
    """Labels that an image has or has not, by binary cross-entropy; an entry of -1 means not labelled.

    Target int64 (B, L) of 0 and 1, each entry masked by itself; logits (B, L); prediction int64 (B, L), 1 where the
    probability is above one half.

    >>> import torch
    >>> task = MultiLabel("face", ["smiling", "glasses", "hat"])
    >>> logits = torch.tensor([[2.0, -1.0, 3.0]])
    >>> task.caption(task.predict(logits)[0])
    'smiling, hat'
    >>> round(task.loss(logits, torch.tensor([[-1, 0, -1]])).item(), 4)  # ln(1 + exp(-1))
    0.3133
    """

    main_metric = "accuracy"

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        self.name = name
        self.labels = self.names = tuple(labels)
        self.output = Pooled(len(self.labels))
        self.higher_is_better = dict.fromkeys(("accuracy", "macro_f1", "micro_f1"), True)

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """Binary cross-entropy in nats, averaged over the labelled entries of the batch."""
        known = self.labelled(target)
        # A weight of 0 would do but for logits so large that the loss is infinite: 0 times that is no number.
        terms = F.binary_cross_entropy_with_logits(logits.float(), target.clamp(min=0).float(), reduction="none")
        return across.mean(torch.where(known, terms, 0).sum(), known.sum())

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """-1 for every label, int64 (L,)."""
        return torch.full((len(self.labels),), UNLABELLED)

    def labelled(self, target: Tensor) -> Tensor:
        """Entries that say on or off."""
        return target != UNLABELLED

    def tally(self, target: Tensor) -> Tensor:
        """In how many images each label is on."""
        return (target.reshape(-1, len(self.labels)) == 1).sum(0)

    def fault(self, target: Tensor) -> str | None:
        """An entry that is neither on, off nor unlabelled."""
        wrong = target[(target < UNLABELLED) | (target > 1)]
        return f"label {wrong[0]}, expected 1 (on), 0 (off) or {UNLABELLED} (unlabelled)" if len(wrong) else None

    def predict(self, logits: Tensor) -> Tensor:
        """1 for labels more probable than not, else 0, int64 (B, L)."""
        return (logits > 0).long()

    def estimate(self, logits: Tensor) -> Tensor:
        """The probability of each label, float32 (B, L)."""
        return logits.float().sigmoid()

    @property
    def meaning(self) -> dict[str, Any]:
        """`multi_label`, with its `labels`."""
        return {"kind": "multi_label", "labels": list(self.labels)}

    def metrics(self) -> MetricCollection:
        """`accuracy`, `macro_f1` and `micro_f1`: see `MultiLabelScores`."""
        return MetricCollection([MultiLabelScores(len(self.labels))])

    def caption(self, value: Tensor) -> str:
        """The labels that are on, `none` where all are off, and `name?` for what is not labelled."""
        entries = zip(self.labels, value.tolist(), strict=True)
        said = [label if entry == 1 else f"{label}?" for label, entry in entries if entry != 0]
        return ", ".join(said) or "none"
