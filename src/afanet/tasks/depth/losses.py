"""Losses of depth, over the measured pixels of all processes; p is the prediction and t the truth, in metres."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from afanet.tasks.across import ALONE, Across

THRESHOLD = 0.2  # the share of the largest error at which berHu turns from linear to quadratic
LEAST = 1e-12  # silog takes smaller values under its root as 0, where the slope of a root is unbounded


def l1(p: Tensor, t: Tensor, valid: Tensor, across: Across = ALONE) -> Tensor:
    """The mean of |p - t|, metres.

    >>> l1(torch.tensor([1.0, 4.0]), torch.tensor([2.0, 0.0]), torch.tensor([True, False]))
    tensor(1.)
    """
    return across.mean(_errors(p, t, valid).abs().sum(), valid.sum())


def berhu(p: Tensor, t: Tensor, valid: Tensor, across: Across = ALONE) -> Tensor:
    r"""The mean of |e| where |e| <= c and of (e^2 + c^2) / 2c beyond, e = p - t, metres.

    c is a fifth of the largest error in the batch and has no gradient (Laina et al., Deeper Depth Prediction with Fully
    Convolutional Residual Networks, 3DV 2016). The choice is made for each pixel; AFA's original code makes it for the
    whole batch.

    >>> berhu(torch.tensor([1.0, 0.1]), torch.zeros(2), torch.tensor([True, True]))  # c = 0.2: (2.6 + 0.1) / 2
    tensor(1.3500)
    """
    error = _errors(p, t, valid).abs()
    c = (THRESHOLD * across.max(error.max())).clamp(min=torch.finfo(error.dtype).tiny)
    terms = torch.where(error <= c, error, (error.square() + c.square()) / (2 * c))
    return across.mean(terms.sum(), valid.sum())


def silog(p: Tensor, t: Tensor, valid: Tensor, across: Across = ALONE, weight: float = 0.5) -> Tensor:
    r"""The scale-invariant error sqrt(E d^2 - lambda (E d)^2), d = ln p - ln t; lambda is `weight`.

    Eigen et al., Depth Map Prediction from a Single Image, NeurIPS 2014, who leave out the root and take 0.5; later
    work takes the root and 0.85. An error up to a millionth is 0, with a gradient of 0, which bounds the root's slope.

    >>> silog(torch.tensor([2.0, 2.0]), torch.ones(2), torch.tensor([True, True]), weight=0.0)  # ln 2
    tensor(0.6931)
    """
    d = torch.where(valid, p, 1).log() - torch.where(valid, t, 1).log()
    total, squares, count = across.sum(torch.stack([d.sum(), d.square().sum(), valid.sum().to(d.dtype)]))
    count = torch.where(count > 0, count, 1)
    variance: Tensor = squares / count - weight * (total / count).square()
    return torch.where(variance <= LEAST, 0, variance.clamp(min=LEAST).sqrt())  # NaN stays NaN


def _errors(p: Tensor, t: Tensor, valid: Tensor) -> Tensor:
    # `where` before the difference, not a product after it: a hole may be infinite or NaN.
    return torch.where(valid, p - torch.where(valid, t, 0), 0)


DEPTH_LOSSES: dict[str, Callable[..., Tensor]] = {"l1": l1, "berhu": berhu, "silog": silog}
