"""The interface of every task; a new kind of task implements it in one file."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import MetricCollection

from afanet.errors import InputError
from afanet.framing import Framing
from afanet.networks.outputs import Output
from afanet.tasks.across import ALONE, Across
from afanet.tasks.described import Described
from afanet.tasks.legend import ColourBar as ColourBar
from afanet.tasks.legend import ErrorBins as ErrorBins
from afanet.tasks.legend import Legend as Legend
from afanet.tasks.legend import Readout as Readout
from afanet.tasks.legend import Swatches as Swatches
from afanet.tasks.sides import Pairs, swapped_order
from afanet.tasks.taught import Taught

NO_CLASS = -1  # the prediction of a class, or of a label, from outputs that are not finite


class Task(Taught):
    """One thing to learn from an image; a network's output and a sample's target share its `name`.

    `kind` is the name under which its kind is registered. `output` is what the network's head returns.
    `higher_is_better` has one entry for every metric, and `main_metric` represents the task where there is room for
    only one metric. `names` are its classes or labels; tasks with numbers as targets have none. `unusable` describes
    the predictions that `no_number` finds.

    Training multiplies the loss by `loss_weight`. Images with a label of the task may be mirrored, unless `mirror` is
    false; in a mirrored image, the names in each pair of `swap`, given by number, exchange sides.
    """

    kind: str
    name: str
    output: Output
    main_metric: str
    higher_is_better: dict[str, bool]
    names: tuple[str, ...] = ()
    unusable: str = "not finite"
    loss_weight: float = 1.0
    mirror: bool = True
    swap: Pairs = ()

    @abstractmethod
    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """The mean loss over all labels, in float32; 0 with zero gradient if there are none.

        The mean is over the labels of all processes, which `across` sums over.
        """

    def with_loss(self, options: Mapping[str, Any]) -> Self:
        """This task with the loss that `options` describe: a recipe's `losses` without `weight`, see `choose_loss`.

        Raises `InputError` for options that the kind does not have.
        """
        raise InputError(
            f"task '{self.name}' is of kind {type(self).__name__}, whose loss takes no option but weight, found "
            f"{', '.join(options) or 'none'}: take it out of losses"
        )

    @abstractmethod
    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """The target of one image of `size` = (H, W) in which nothing is labelled."""

    @abstractmethod
    def labelled(self, target: Tensor) -> Tensor:
        """Where a target, or a batch of them, is labelled: bool, of the target's shape or of one channel of it."""

    def tally(self, target: Tensor) -> Tensor:
        """How often each of `names` occurs in a target, int64 (len(names),)."""
        return torch.bincount(target[self.labelled(target)].flatten().long(), minlength=len(self.names))

    def fault(self, target: Tensor) -> str | None:
        """What makes a target on disk unusable, in words; None if nothing does."""
        values = target[self.labelled(target)]
        outside = values[(values < 0) | (values >= len(self.names))]
        return f"label {outside[0]}, expected 0 to {len(self.names) - 1}" if len(outside) else None

    def doubt(self, statistics: Mapping[str, Any]) -> str | None:
        """What is odd about all labels of a split together, in words; None if nothing is.

        The statistics are those of a data check: `counts` by name, or `min`, `max` and `percentiles` of the numbers.
        """
        present = [name for name, count in statistics.get("counts", {}).items() if count]
        return f"all its labels are {present[0]}" if len(present) == 1 < len(self.names) else None

    def swapped(self, target: Tensor) -> Tensor:
        """A target, or a batch of them, with the names of each pair in `swap` exchanged."""
        order = torch.tensor(swapped_order(len(self.names), self.swap), dtype=target.dtype)
        order = order.to(target.device, non_blocking=True)
        labelled = self.labelled(target)
        return torch.where(labelled, order[target.long().where(labelled, 0)], target)

    @property
    def sided(self) -> tuple[str, ...]:
        """The names that `swap` may exchange: its classes or labels, unless a kind has others."""
        return self.names

    @property
    def sides(self) -> dict[str, Any]:
        """`mirror` and `swap` as JSON, as far as they are not the default; a run keeps them beside the `meaning`."""
        return ({} if self.mirror else {"mirror": False}) | (
            {"swap": [[*pair] for pair in self.swap]} if self.swap else {}
        )

    @abstractmethod
    def predict(self, logits: Tensor) -> Tensor:
        """The prediction from `logits`, in the form and units of the target."""

    @abstractmethod
    def estimate(self, logits: Tensor) -> Tensor:
        """The estimate from `logits` before any decision, float32: probabilities, or values in the target's units.

        Estimates of several views of an image can be averaged; `predict` decides from them.
        """

    @property
    @abstractmethod
    def meaning(self) -> dict[str, Any]:
        """The description needed to read an estimate, as JSON: its `kind`, and the kind's names, units and colours."""

    @classmethod
    @abstractmethod
    def from_described(cls, described: Described) -> Self:
        """The task of a run's description, with the default loss; its `meaning` has been checked."""

    @abstractmethod
    def change(self, before: Tensor, after: Tensor) -> str:
        """The change between the logits of two passes over one image, as a clause such as "moved by 0.1 m"."""

    @abstractmethod
    def metrics(self) -> MetricCollection:
        """Fresh metrics, updated with `(predict(logits), target)` and computed over a whole set.

        Code that scores a network wraps them in `afanet.tasks.scores.TaskScores`, so they only see predictions that are
        numbers.
        """

    def no_number(self, prediction: Tensor) -> Tensor:
        """Where a batch of predictions is not a number, bool: not finite or, for classes and labels, -1.

        The result has the prediction's shape, or one channel of it.
        """
        if prediction.is_floating_point():
            return ~prediction.isfinite()
        return (prediction == NO_CLASS) if self.names else torch.zeros_like(prediction, dtype=torch.bool)

    def occurrences(self, target: Tensor) -> Tensor:
        """Counts in a batch of targets from which `unscorable` decides, such as of each class; int64 (one or more,)."""
        return torch.zeros(1, dtype=torch.int64, device=target.device)

    def unscorable(self, occurrences: Sequence[int]) -> str | None:
        """Why scores over a set with these `occurrences` say nothing, such as "only one of 2 classes occurs"."""
        return None


class DenseTask(Task):
    """A task with a value for every pixel, which can be drawn.

    Errors are drawn up to `error_limit`, in `error_unit`.
    """

    error_limit: float
    error_unit: str

    @property
    @abstractmethod
    def legend(self) -> Legend:
        """What the colours of `picture` mean."""

    @abstractmethod
    def picture(self, value: Tensor) -> NDArray[np.uint8]:
        """One prediction or one target as an RGB image (H, W, 3); unlabelled pixels are black."""

    def drawn_over(self, targets: Sequence[Tensor]) -> Self:
        """This task with colours that span these labels; unchanged if its colours have no range."""
        return self

    @abstractmethod
    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """How wrong one prediction is at each pixel, float32 (H, W); NaN where there is no label."""

    @property
    def bins(self) -> ErrorBins | None:
        """The bins of `binned_errors`; None for a kind that has none."""
        return None

    def binned_errors(self, prediction: Tensor, target: Tensor) -> Tensor:
        """For a batch, the sum of errors and the number of pixels in each of the `bins`, float64 (2, len(bins))."""
        raise NotImplementedError(f"{type(self).__name__} has no bins")

    def change(self, before: Tensor, after: Tensor) -> str:
        """The mean of the error of the second prediction, with the first as its target."""
        moved = self.error(self.predict(after)[0], self.predict(before)[0]).nanmean().item()
        return f"moved by {moved:.2f} {self.error_unit} on average"

    def readout(self, value: Tensor) -> Readout | None:
        """One prediction as numbers that a page reads out under the cursor; None if there is nothing to read out."""
        return None


class PooledTask(Task):
    """A task with one value for the whole image, which can be put in words."""

    unit = "of probability"  # of estimates, in a sentence

    def on_photo(self, value: Tensor, frame: Framing) -> Tensor:
        """One prediction for an input, turned into one for the photo that `frame` has placed in it."""
        return value

    @abstractmethod
    def caption(self, value: Tensor) -> str:
        """One prediction or one target in words."""

    def change(self, before: Tensor, after: Tensor) -> str:
        """The largest change of an estimate."""
        moved = (self.estimate(before) - self.estimate(after)).abs().max().item()
        return f"moved by {moved:.3f} {self.unit} at most".replace("  ", " ")
