"""Vectors: several numbers for the whole image, such as key points, the corners of a box, or a pose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, cast

import torch
from torch import Tensor
from torchmetrics import MetricCollection

from afanet.errors import InputError
from afanet.framing import Framing
from afanet.networks.outputs import Pooled
from afanet.tasks.across import ALONE, Across
from afanet.tasks.described import Described
from afanet.tasks.ranges import decimals_of, require_range, smooth_l1
from afanet.tasks.scores import TaskScores
from afanet.tasks.sides import swapped_order
from afanet.tasks.task import PooledTask
from afanet.tasks.vector.frame import on_photo
from afanet.tasks.vector.metrics import VectorScores

Range = tuple[float, float]
WHOLE: Range = (0.0, 1.0)  # the range of points: the whole image
SHOWN = 8  # numbers of a caption


class Vector(PooledTask):
    """Numbers with names, learnt by the smooth L1 loss; an entry of NaN means not labelled.

    `ranges` is the usual range of each number in `unit`, or one pair for all; with centre c and half-width h, the
    prediction is c + h logit, not clipped, and the loss is Huber's loss of (prediction - target) / h. With `points`,
    the numbers are x and y of points in turn, as fractions of the image's width and height, in the range 0 to 1; they
    move with the image in a mirror and a crop. `unit` px then says that people write and read them in pixels.

    Target float32 (B, N); logits (B, N); prediction float32 (B, N). Raises `InputError` for a range that is empty or
    not finite, if there are not as many ranges as names, and for points with an odd number of names or ranges.

    >>> task = Vector("pose", ["yaw", "pitch"], (-90, 90), unit="degrees")
    >>> logits = torch.tensor([[0.5, 0.0]])
    >>> task.caption(task.predict(logits)[0])
    'yaw 45, pitch 0 degrees'
    >>> task.loss(logits, torch.tensor([[0.0, torch.nan]])).item()  # 0.5^2 / 2
    0.125
    """

    kind = "vector"
    main_metric = "mae"

    def __init__(
        self,
        name: str,
        names: Sequence[str],
        ranges: Range | Sequence[Range] = WHOLE,
        unit: str = "",
        points: bool = False,
    ) -> None:
        self.name = name
        self.numbers = tuple(names)
        self.shared = not isinstance(ranges[0], Sequence)  # one range for all
        self.ranges = cast(list[Range], [ranges] * len(self.numbers) if self.shared else list(ranges))
        if len(self.ranges) != len(self.numbers):
            raise InputError(
                f"task '{name}' has {len(self.ranges)} ranges, expected one for all or one for each of its "
                f"{len(self.numbers)} numbers"
            )
        for low, high in self.ranges:
            require_range(name, low, high)
        if points and (len(self.numbers) % 2 or any(tuple(one) != WHOLE for one in self.ranges)):
            raise InputError(
                f"task '{name}' has points with {len(self.numbers)} numbers, expected x and y of each point, and no "
                "range: they are within the image"
            )
        self.unit = unit
        self.points = points
        self.decimals = [decimals_of(low, high) for low, high in self.ranges]
        self.output = Pooled(len(self.numbers))
        self.higher_is_better = dict.fromkeys(("mae", "rmse", *(["distance"] if points else [])), False)

    @property
    def sided(self) -> tuple[str, ...]:
        """The names of the numbers."""
        return self.numbers

    def _limits(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """The centres and half-widths of the ranges, (N,)."""
        limits = torch.tensor(self.ranges, dtype=torch.float32).to(like.device, non_blocking=True)
        return (limits[:, 0] + limits[:, 1]) / 2, (limits[:, 1] - limits[:, 0]) / 2

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """Huber's loss in units of half of each range, averaged over the labelled numbers of the batch."""
        return smooth_l1(logits, target, self.labelled(target), *self._limits(logits), across)

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """NaN for every number, float32 (N,)."""
        return torch.full((len(self.numbers),), torch.nan)

    def labelled(self, target: Tensor) -> Tensor:
        """Finite numbers."""
        return target.isfinite()

    def swapped(self, target: Tensor) -> Tensor:
        """A target in which the numbers of each pair in `swap` are exchanged."""
        return target[..., swapped_order(len(self.numbers), self.swap)]

    def fault(self, target: Tensor) -> str | None:
        """An infinite number, or too few or many numbers; a number outside its usual range is no fault."""
        if target.shape[-1] != len(self.numbers):
            return f"{target.shape[-1]} numbers, expected {len(self.numbers)}"
        return "an infinite value, expected numbers, or NaN for none" if target.isinf().any() else None

    def doubt(self, statistics: Mapping[str, Any]) -> str | None:
        """Whether most numbers lie outside the usual range, if all share one."""
        (low, high), median = self.ranges[0], statistics["percentiles"]["50"]
        if not self.shared or low <= median <= high:
            return None
        return (
            f"most numbers lie outside their range of {low:g} to {high:g} (median {median:.4g}): is it in another unit?"
        )

    def predict(self, logits: Tensor) -> Tensor:
        """The numbers in the target's units, float32 (B, N)."""
        centre, half = self._limits(logits)
        return centre + half * logits.float()

    def estimate(self, logits: Tensor) -> Tensor:
        """The numbers in the target's units: the prediction itself."""
        return self.predict(logits)

    @property
    def meaning(self) -> dict[str, Any]:
        """`vector`, with its `names`, `ranges`, `unit`, `decimals` worth showing, and whether it has `points`."""
        return {
            "kind": self.kind,
            "names": list(self.numbers),
            "ranges": [*self.ranges[0]] if self.shared else [[*limits] for limits in self.ranges],
            "unit": self.unit,
            "decimals": self.decimals,
            "points": self.points,
        }

    @classmethod
    def from_described(cls, described: Described) -> Self:
        """See `Task`."""
        meaning = described.meaning
        return cls(described.name, meaning["names"], meaning["ranges"], meaning["unit"], meaning["points"])

    def metrics(self) -> MetricCollection:
        """`mae`, `rmse`, and `distance` of points: see `VectorScores`.

        In the unit if all numbers share one range, else as shares of each number's range.
        """
        scales = [1.0 if self.shared else high - low for low, high in self.ranges]
        return TaskScores(self, [VectorScores(scales, self.points)])

    def on_photo(self, value: Tensor, frame: Framing) -> Tensor:
        """Points as fractions of the photo."""
        return torch.from_numpy(on_photo(value.numpy(), frame)) if self.points else value

    def caption(self, value: Tensor) -> str:
        """The first numbers by name, with their unit; `?` for unlabelled ones. Points are fractions."""
        parts = [
            f"{name} {number:.{decimals}f}" if known else f"{name} ?"
            for name, number, known, decimals in zip(
                self.numbers, value.tolist(), value.isfinite().tolist(), self.decimals, strict=True
            )
        ]
        more = f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else ""
        unit = "of the image" if self.points else self.unit
        return f"{', '.join(parts[:SHOWN])}{more} {unit}".strip()
