"""Compares an exported file with its run on the same images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from afanet.errors import InputError

LIMIT = 1e-4
Answer = Callable[[Tensor], Mapping[str, Tensor]]  # normalised images (B, C, H, W) to estimates by task


def random_inputs(size: tuple[int, int], channels: int = 3, *, batch: bool, other_sizes: bool) -> list[Tensor]:
    """Normal noise, the same in every call: batches of one, two and three, at `size` and at two other sizes.

    >>> [tuple(images.shape) for images in random_inputs((96, 128), batch=True, other_sizes=True)]
    [(1, 3, 96, 128), (2, 3, 96, 128), (3, 3, 96, 128), (1, 3, 73, 161), (2, 3, 131, 97)]
    """
    height, width = size
    shapes = [(1, height, width)]
    if batch:
        shapes += [(2, height, width), (3, height, width)]
    if other_sizes:
        shapes += [(1, _odd(height * 3 // 4), _odd(width * 5 // 4)), (2, _odd(height + 34), _odd(width * 3 // 4))]
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(count, channels, *shape, generator=generator) for count, *shape in shapes]


def largest_errors(file: Answer, run: Answer, inputs: Sequence[Tensor]) -> dict[str, float]:
    """The largest max |a - b| / max |b| over the inputs, by task; a is the output of the file and b that of the run.

    The error is infinite if a has another shape or is not finite, if both are empty, and if all of b is 0 and a is not.
    Raises `InputError` if the file does not run on an input or has other outputs, and if the run's own outputs are not
    finite.

    >>> run = lambda images: {"depth": images}
    >>> largest_errors(lambda images: {"depth": images + 0.5}, run, [torch.ones(2), torch.full((2,), 2.0)])
    {'depth': 0.5}
    """
    errors: dict[str, float] = {}
    for images in inputs:
        with torch.no_grad():
            expected = run(images)
            try:
                outputs = file(images)
            except Exception as error:  # each runtime raises its own classes
                reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
                raise InputError(
                    f"the export does not run on images of shape {tuple(images.shape)} and was not written: {reason}"
                ) from error
        if set(outputs) != set(expected):
            given, wanted = (", ".join(sorted(names)) or "nothing" for names in (outputs, expected))
            raise InputError(f"the export gives {given}, expected {wanted}: it was not written")
        for name, b in expected.items():
            if not b.isfinite().all():
                raise InputError(
                    f"task '{name}' of the run has outputs that are not finite, so the export was not written: train "
                    "the run again with a lower optimizer.lr, or with optimizer.clip"
                )
            errors[name] = max(errors.get(name, 0.0), _relative(outputs[name], b))
    return errors


def require_same(errors: Mapping[str, float], file: Path) -> None:
    """Raise an `InputError` that names the task with the largest error if this error is above `LIMIT`.

    NaN counts as the largest error. It also raises if `errors` is empty, since nothing was compared.
    """
    if not errors:
        raise InputError(f"{file} was not written, because nothing in it was compared with the run")
    name = max(errors, key=lambda name: math.inf if math.isnan(errors[name]) else errors[name])
    if not errors[name] <= LIMIT:
        raise InputError(
            f"{file} was not written: task '{name}' differs from the run by {errors[name]:.1e} of its largest value, "
            f"expected at most {LIMIT:.0e}"
        )


def _relative(a: Tensor, b: Tensor) -> float:
    """max |a - b| / max |b| for finite `b`; infinite if it has no bound."""
    if a.shape != b.shape or not b.numel() or not a.isfinite().all():
        return math.inf
    # In float64 no difference overflows, and none is rounded away.
    difference, scale = (a.double() - b.double()).abs().max().item(), b.double().abs().max().item()
    if difference == 0:
        return 0.0
    return difference / scale if scale > 0 else math.inf


def _odd(pixels: int) -> int:
    return max(pixels, 33) | 1  # smaller images would leave the last features only padding
