"""Metrics of saliency, over a whole set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

# InvPT and MTMamba compare sigmoid(p), not p, with 0.05, 0.1, ... 0.95. Since p is from 0 to 1, it reaches only 0.5 and
# the four levels above it. A level t for sigmoid(p) is ln(t / (1 - t)) for p.
LEVELS = (0.0, *(torch.tensor(t, dtype=torch.float64).logit().item() for t in (0.55, 0.6, 0.65, 0.7)))
ATRC_LEVELS = tuple(step / 20 for step in range(1, 20))
IOU_LEVELS = tuple((20 + 5 * step) / 100 for step in range(15))  # 0.2 to 0.9


class SaliencyScores(Metric):
    """Maximal F-measure and maximal mean IoU over levels from which a probability counts as salient.

    - `max_f`: the maximum over `levels` of (1 + b) P R / (b P + R), with b = `beta_squared`, and precision P and
      recall R over all pixels of the set that have a label; a pixel is salient from the level on. The default is what
      InvPT and MTMamba report (their code puts a probability through a second sigmoid, hence the levels 0, 0.20,
      0.41, 0.62 and 0.85); `ATRC_LEVELS`, 0.05 to 0.95, is what ATRC reports.
    - `miou`: the maximum over 0.2, 0.25, ... 0.9 of the mean over images of |A and B| / |A or B|, where A is what is
      above the level and B what is salient; 1 for an image where both are empty. ASTMT and MTI-Net report this.

    Fractions, 0 to 1; NaN where the set has no label. Pixels of -1 are ignored.

    Args:
        levels: the probabilities of `max_f`, 0 to 1.
        beta_squared: the weight of precision against recall.

    >>> scores = SaliencyScores()
    >>> scores.update(torch.tensor([[[[0.9, 0.3, 0.3]]]]), torch.tensor([[[[1, 0, 1]]]]))
    >>> {name: round(value.item(), 3) for name, value in scores.compute().items()}
    {'max_f': 0.812, 'miou': 0.667}
    """

    full_state_update = False
    counts: Tensor
    overlaps: Tensor
    images: Tensor

    def __init__(self, levels: Sequence[float] = LEVELS, beta_squared: float = 0.3) -> None:
        super().__init__()
        self.levels, self.beta_squared = tuple(levels), beta_squared
        self.add_state("counts", default=torch.zeros(3, len(levels), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("overlaps", default=torch.zeros(len(IOU_LEVELS), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("images", default=torch.tensor(0), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Count a batch: probabilities, and masks of 1, 0 and -1, both (B, 1, H, W)."""
        prediction, target = prediction.flatten(1), target.flatten(1)
        known, salient = target >= 0, target > 0.5
        for number, level in enumerate(self.levels):
            found = (prediction >= level) & known
            self.counts[:, number] += torch.stack([(found & salient).sum(), found.sum(), salient.sum()])
        labelled = known.any(1)
        self.images += labelled.sum()
        for number, level in enumerate(IOU_LEVELS):
            found = (prediction > level) & known
            both, either = (found & salient).sum(1), (found | salient).sum(1)
            self.overlaps[number] += torch.where(either > 0, both.double() / either.clamp(min=1), 1.0)[labelled].sum()

    def compute(self) -> dict[str, Tensor]:
        """Both scores."""
        both, found, salient = self.counts.double()
        precision, recall = both / found, both / salient
        f = (1 + self.beta_squared) * precision * recall / (self.beta_squared * precision + recall)
        scores = {"max_f": f.nan_to_num(0).max(), "miou": (self.overlaps / self.images).max()}
        return {name: torch.where(self.images > 0, score, torch.nan) for name, score in scores.items()}
