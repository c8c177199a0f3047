"""The gradient guard: a branch keeps its own gradient where the fused one would swamp it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable

from afanet.errors import InputError


class GradientGuard(nn.Module):
    r"""Passes on the fused gradient of a branch, unless it is much larger than the branch's own.

    Let :math:`\delta_i` be the gradient that arrives at output i of a module, and :math:`g_i` the fused gradient that
    leaves at its input i. The guard passes :math:`g_i` on unless :math:`\|g_i\| > limit \cdot \|\delta_i\|`; then it
    passes :math:`\delta_i`, as if the branch had not met the others. The module's own parameters always get the joint
    gradient of the deltas that reach it. The forward pass is unchanged.

    If :math:`\delta_i` is zero (a task without labels in this batch), :math:`g_i` passes. If a norm is not finite,
    :math:`\delta_i` passes. With a limit of 0, :math:`\delta_i` always passes, even if it is zero, as in the layers
    that the method's authors ship for their data sets.

    Args:
        tasks: N, the branches that meet.
        limit: how many times larger than its own a branch's fused gradient may be, at least 0.
        protect: the branches to guard, counted from 0; None means all of them.

    The buffer ``acted`` (int64, N) counts how often the guard acted on each branch, and ``passes`` (int64) counts the
    backward passes. They live on the module's device, so counting costs no synchronisation, and they are not part of
    the state dict.

    Raises:
        InputError: for a negative limit, or a branch that does not exist.

    >>> import torch
    >>> guard = GradientGuard(tasks=2, limit=1.0, protect=[0])
    >>> a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> y_a, y_b = guard(lambda xs: [xs[0] + xs[1], xs[0] + xs[1]], [a, b])
    >>> (y_a + y_b).backward()
    >>> a.grad.item(), b.grad.item(), guard.acted.tolist()
    (1.0, 2.0, [1, 0])

    In the original, by contrast, branch A always keeps its own gradient, and each data set has its own copy of the
    layers. The guard is plain Python inside autograd: ``torch.compile`` runs it uncompiled, and raises an error with
    ``fullgraph=True``.
    """

    acted: Tensor
    passes: Tensor

    def __init__(self, tasks: int, limit: float, protect: Collection[int] | None = None) -> None:
        super().__init__()
        if not limit >= 0:
            raise InputError(f"the gradient guard got limit={limit}: expected a number of at least 0")
        if isinstance(protect, int):
            raise InputError(f"the gradient guard got protect={protect}: expected the branches, such as ({protect},)")
        for branch in protect or ():
            if not 0 <= branch < tasks:
                raise InputError(f"the gradient guard got protect={branch}: expected branches from 0 to {tasks - 1}")
        self.limit = limit
        self.protect = frozenset(range(tasks) if protect is None else protect)
        self.register_buffer("acted", torch.zeros(tasks, dtype=torch.long), persistent=False)
        self.register_buffer("passes", torch.zeros((), dtype=torch.long), persistent=False)

    def forward(self, fuse: Callable[[Sequence[Tensor]], list[Tensor]], xs: Sequence[Tensor]) -> list[Tensor]:
        """Call ``fuse(xs)`` and guard its backward pass."""
        # in torch 2.11 is_exporting() is also true while Dynamo compiles
        exporting = torch.compiler.is_exporting() and not torch.compiler.is_dynamo_compiling()
        if exporting or not torch.is_grad_enabled():
            return fuse(xs)
        return cast(list[Tensor], self._fuse_guarded(fuse, xs))

    @torch.compiler.disable(reason="the gradient guard compares gradients in Python, outside any graph")  # type: ignore[untyped-decorator, no-untyped-call]
    def _fuse_guarded(self, fuse: Callable[[Sequence[Tensor]], list[Tensor]], xs: Sequence[Tensor]) -> list[Tensor]:
        deltas: list[Tensor] = []
        entered = cast(tuple[Tensor, ...], _Enter.apply(self, deltas, *xs))
        return list(cast(tuple[Tensor, ...], _Leave.apply(deltas, *fuse(entered))))

    def choose(self, deltas: Sequence[Tensor], fused: Sequence[Tensor]) -> list[Tensor]:
        """The gradient that each branch gets: its delta or its fused gradient. Counts how often the guard acted."""
        self.passes += 1
        chosen = list(fused)
        for i in self.protect:
            delta, g = deltas[i], fused[i]
            if self.limit == 0:
                chosen[i] = delta
                self.acted[i] += 1
                continue
            own = torch.linalg.vector_norm(delta, dtype=torch.promote_types(delta.dtype, torch.float32))
            joint = torch.linalg.vector_norm(g, dtype=own.dtype)
            keep = ((joint > self.limit * own) & (own > 0)) | ~(joint.isfinite() & own.isfinite())
            chosen[i] = torch.where(keep, delta, g)
            self.acted[i] += keep
        return chosen

    def extra_repr(self) -> str:
        return f"limit={self.limit}, protect={sorted(self.protect)}"


class _Enter(torch.autograd.Function):
    """Identity at the module's inputs; its backward pass chooses between the deltas and the fused gradients."""

    @staticmethod
    def forward(ctx: Any, guard: GradientGuard, deltas: list[Tensor], *xs: Tensor) -> tuple[Tensor, ...]:
        ctx.guard, ctx.deltas = guard, deltas
        return tuple(x.view_as(x) for x in xs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *fused: Tensor) -> tuple[Tensor | None, ...]:
        chosen = ctx.guard.choose(ctx.deltas, fused)
        ctx.deltas.clear()
        return (None, None, *chosen)


class _Leave(torch.autograd.Function):
    """Identity at the module's outputs; its backward pass keeps the deltas that arrive there."""

    @staticmethod
    def forward(ctx: FunctionCtx, deltas: list[Tensor], *ys: Tensor) -> tuple[Tensor, ...]:
        ctx.deltas = deltas  # type: ignore[attr-defined]
        return tuple(y.detach() for y in ys)  # aliases, not views: autograd forbids in-place changes of views

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *deltas: Tensor) -> tuple[Tensor | None, ...]:
        ctx.deltas[:] = deltas
        return (None, *deltas)
