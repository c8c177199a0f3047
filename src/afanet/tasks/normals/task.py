"""Surface normals: the direction that the surface at each pixel faces."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import MetricCollection

from afanet.errors import unknown
from afanet.networks.outputs import Dense
from afanet.tasks.across import ALONE, Across
from afanet.tasks.described import Described
from afanet.tasks.loss_options import require_options
from afanet.tasks.normals.metrics import WITHIN, NormalsScores, known
from afanet.tasks.scores import TaskScores
from afanet.tasks.task import DenseTask, Swatches

SHORTEST = 1e-3
LOSSES = ("cosine", "l1")
DIRECTIONS = {"left": (-1, 0, 0), "right": (1, 0, 0), "up": (0, 1, 0), "down": (0, -1, 0), "to the camera": (0, 0, 1)}


class Normals(DenseTask):
    """A unit normal for every pixel, learnt by 1 - cosine by default; 0, 0, 0 in the target means not labelled.

    The axes are the camera's: x to the right, y up, z towards the camera; so a wall that faces the camera is (0, 0, 1).
    Target float32 (B, 3, H, W); logits (B, 3, H, W) of any length; prediction float32 (B, 3, H, W) of unit length.

    >>> task = Normals()
    >>> logits = torch.tensor([0.0, 3.0, 4.0])[None, :, None, None]
    >>> task.predict(logits).flatten().tolist()
    [0.0, 0.6000..., 0.8000...]
    >>> round(task.loss(logits, torch.tensor([0.0, 0.0, 1.0])[None, :, None, None]).item(), 3)
    0.2
    """

    kind = "normals"
    main_metric = "mean"
    error_limit = 60.0
    error_unit = "°"
    unusable = "not finite, or have no direction,"
    loss_name = "cosine"

    def __init__(self, name: str = "normals") -> None:
        self.name = name
        self.output = Dense(3)
        self.higher_is_better = dict.fromkeys(("mean", "median", "rmse"), False) | dict.fromkeys(WITHIN, True)

    def loss(self, logits: Tensor, target: Tensor, across: Across = ALONE) -> Tensor:
        """The chosen loss, averaged over the labelled pixels of the batch; by default 1 - cosine, from 0 to 2.

        `l1` is the sum of the differences of x, y and z between the two unit vectors, from 0 to 2 sqrt 3. Both treat
        shorter logits as if they were 0.001 long, which bounds the gradient.
        """
        where = known(target)
        # `where` before the cosine, not a product after it: a hole may be NaN.
        truth = torch.where(where, target, 0).float()
        if self.loss_name == "l1":
            terms = (F.normalize(logits.float(), dim=1, eps=SHORTEST) - truth).abs().sum(1)
        else:
            terms = 1 - F.cosine_similarity(logits.float(), truth, dim=1, eps=SHORTEST)
        return across.mean(torch.where(where[:, 0], terms, 0).sum(), where.sum())

    def with_loss(self, options: Mapping[str, Any]) -> Self:
        """This task with the loss `name`, `cosine` or `l1`; raises `InputError` for another loss or option.

        >>> task = Normals().with_loss({"name": "l1"})
        >>> logits, truth = torch.tensor([0.0, 3.0, 4.0]), torch.tensor([0.0, 0.0, 1.0])
        >>> round(task.loss(logits[None, :, None, None], truth[None, :, None, None]).item(), 3)  # 0.6 + 0.2
        0.8
        """
        require_options(self.name, options, ["name"])
        name = str(options.get("name", self.loss_name))
        if name not in LOSSES:
            raise unknown(f"loss of task '{self.name}'", name, LOSSES)
        changed = copy.copy(self)
        changed.loss_name = name
        return changed

    def unlabelled(self, size: tuple[int, int]) -> Tensor:
        """Nothing known anywhere: zeros, float32 (3, H, W)."""
        return torch.zeros(3, *size)

    def labelled(self, target: Tensor) -> Tensor:
        """Pixels with a normal, (..., 1, H, W)."""
        return known(target)

    def fault(self, target: Tensor) -> str | None:
        """A vector whose length is neither 0 nor within a hundredth of 1."""
        length = target.norm(dim=-3)
        wrong = length[~((length == 0) | ((length - 1).abs() < 0.01))]
        return f"a normal of length {wrong[0]:.3g}, expected 1, or 0 for none" if len(wrong) else None

    def predict(self, logits: Tensor) -> Tensor:
        """Unit vectors, float32 (B, 3, H, W)."""
        return F.normalize(logits.float(), dim=1)

    def no_number(self, prediction: Tensor) -> Tensor:
        """See `Task`, (B, 1, H, W); a vector of length 0 counts too, since it has no direction."""
        return ~prediction.isfinite().all(1, keepdim=True) | (prediction == 0).all(1, keepdim=True)

    def estimate(self, logits: Tensor) -> Tensor:
        """Unit vectors: the prediction itself. An average of several is shorter; its direction is what counts."""
        return self.predict(logits)

    @property
    def meaning(self) -> dict[str, Any]:
        """`normals`, with `directions` and their `colours`."""
        return {"kind": self.kind, "directions": list(self.legend.names), "colours": self.legend.colours.tolist()}

    @classmethod
    def from_described(cls, described: Described) -> Self:
        """See `Task`."""
        return cls(described.name)

    def metrics(self) -> MetricCollection:
        """Six metrics: see `NormalsScores`."""
        return TaskScores(self, [NormalsScores()])

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The angle between the two in degrees."""
        cosine = (prediction * target).sum(0).clamp(-1, 1)
        return cosine.acos().rad2deg().masked_fill(~known(target)[0], torch.nan)

    @property
    def legend(self) -> Swatches:
        """The colour of a surface that faces left, right, up, down or the camera."""
        return Swatches(tuple(DIRECTIONS), shades(np.array(list(DIRECTIONS.values()))))

    def picture(self, value: Tensor) -> NDArray[np.uint8]:
        """Normals (3, H, W), components from -1 to 1 as red, green and blue from 0 to 255; unlabelled in black."""
        picture = shades(value.detach().cpu().permute(1, 2, 0).numpy())
        picture[~known(value).cpu()[0].numpy()] = 0
        return picture


def shades(normals: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The colour (n + 1) / 2 of unit vectors (..., 3)."""
    colours: NDArray[np.uint8] = ((np.nan_to_num(normals).clip(-1, 1) + 1) / 2 * 255).round().astype(np.uint8)
    return colours
