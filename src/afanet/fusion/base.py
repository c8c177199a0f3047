"""The base class of fusion layers: N tensors of one shape in, N tensors of that shape out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from typing import Any, ClassVar, TypedDict, cast

import torch
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.fusion.guard import GradientGuard

OF_THE_MIX = {"fuse_tokens", "gates", "carried", "cut", "mixes_by_gates"}  # what is true of one `fuse` alone


class Guarded(TypedDict, total=False):
    """The keywords that every fusion layer takes and passes on to `Fusion`."""

    limit: float
    protect: Collection[int] | None
    readers: Collection[int] | None


class Fusion(nn.Module, ABC):
    r"""A layer at which the branches of several tasks exchange features.

    Called with a list of N tensors :math:`x_1 \dots x_N`, one per task, all of shape (B, C, H, W), the layer returns a
    list of N tensors of the same shape. A subclass needs only :meth:`fuse`. If the features are tokens, the patches
    come as (B, C, H, W), and class and register tokens pass unchanged unless the subclass defines :meth:`fuse_prefix`.
    If it defines :meth:`gates` and :meth:`cut`, ``afanet inspect`` and the report show what each task takes from the
    others. A class that changes the :meth:`fuse` of its parent inherits neither.

    A subclass with parameters creates them in a constructor of this form:

    .. code-block:: python

        def __init__(self, channels, tasks=2, size=None, **guard):
            super().__init__(channels, tasks, size, **guard)
            self.mix = torch.nn.Conv2d(tasks * channels, channels, 1)

    Args:
        channels: C, the channels of every tensor.
        tasks: N >= 2, the number of tensors.
        size: (H, W) of the features; only layers whose parameters depend on it need it.
        limit: the gradient guard's limit, see :class:`~afanet.fusion.GradientGuard`; infinity means no guard.
        protect: the branches to guard, counted from 0; None means all of them.
        readers: the branches that take from the others, counted from 0; None means all of them. The output of any
            other branch is its input, bit for bit: it gives and takes nothing.

    Raises:
        InputError: for fewer than two tasks, fewer than one channel, or a guard or a reader that does not exist.

    Attributes:
        readers: as given, sorted. A layer with parameters for each output needs only those of the readers. The rows of
            :meth:`gates` and :meth:`carried` for other branches have no meaning.
        meet: class attribute, where a backbone's branches meet by default: after all "stages", after all "blocks", or
            after the "last_blocks", which are the blocks of the last stage.
        mixes_by_gates: class attribute, whether each output is the sum of all tasks' features weighted by
            :meth:`gates`, first over channels, then over pixels (for class tokens over channels alone). Such gates can
            be replaced, see :func:`replace_gates`.

    >>> class Mean(Fusion):
    ...     def fuse(self, xs):
    ...         return [sum(xs) / len(xs)] * len(xs)
    >>> [y.item() for y in Mean(channels=1)([torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1)])]
    [0.5, 0.5]
    >>> Mean(channels=1).offers_gates
    False
    """

    meet: ClassVar[str] = "last_blocks"
    mixes_by_gates: ClassVar[bool] = False

    def __init__(
        self,
        channels: int,
        tasks: int = 2,
        size: Sequence[int] | None = None,
        *,
        limit: float = math.inf,
        protect: Collection[int] | None = None,
        readers: Collection[int] | None = None,
    ) -> None:
        super().__init__()
        layer = type(self).__name__
        if tasks < 2:
            raise InputError(f"{layer} got tasks={tasks}: a fusion layer needs at least 2 tasks to fuse")
        if channels < 1:
            raise InputError(f"{layer} got channels={channels}: the features need at least 1 channel")
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise InputError(f"{layer} got size={tuple(size)}: expected the features' (height, width), each at least 1")
        self.readers = tuple(range(tasks)) if readers is None else tuple(sorted(set(readers)))
        if not self.readers or not set(self.readers) <= set(range(tasks)):
            raise InputError(
                f"{layer} got readers={list(self.readers)}: expected some of the branches 0 to {tasks - 1}"
            )
        self.channels = channels
        self.tasks = tasks
        self.size = None if size is None else (int(size[0]), int(size[1]))
        self.guard = None if limit == math.inf else GradientGuard(tasks, limit, protect)

    def forward(self, xs: Sequence[Tensor], prefix: Sequence[Tensor] = ()) -> list[Tensor]:
        """Fuse N tensors of shape (B, C, H, W); returns N of the same shape.

        With `prefix`, N tensors (B, C, P, 1) that hold each branch's P class and register tokens, it returns 2 N
        tensors: the fused prefixes come last.
        """
        shape = xs[0].shape if len(xs) == self.tasks else ()
        if len(shape) != 4 or shape[1] != self.channels or any(x.shape != shape for x in xs):
            raise InputError(
                f"{type(self).__name__} was built for {self.tasks} tensors of one shape (batch, {self.channels}, "
                f"height, width) and got {', '.join(str(tuple(x.shape)) for x in xs) or 'none'}"
            )
        given = [*xs, *prefix]
        dtype = reduce(torch.promote_types, [x.dtype for x in xs])  # autocast may leave some branches in float32
        xs, prefix = [x.to(dtype) for x in xs], [x.to(dtype) for x in prefix]
        fused = self._fused(xs, prefix)
        if len(self.readers) < self.tasks:
            fused = [y if i % self.tasks in self.readers else given[i] for i, y in enumerate(fused)]
        return fused

    def _fused(self, xs: Sequence[Tensor], prefix: Sequence[Tensor]) -> list[Tensor]:
        """The layer's outputs, guarded if it has a guard."""
        if self.guard is None:
            return self.fuse_tokens(xs, prefix) if prefix else self.fuse(xs)
        fused = cast(list[Tensor], self.guard(self.fuse, xs))
        if prefix:  # their gradient must not pass through the gates into the patches, past the guard
            gating = [x.detach() for x in xs]
            fused = [*fused, *self.guard(lambda prefix: self.fuse_prefix(gating, prefix), prefix)]
        return fused

    def __init_subclass__(cls, **options: Any) -> None:
        """A class that changes `fuse` inherits nothing that is true of its parent's mix alone."""
        super().__init_subclass__(**options)
        if "fuse" in cls.__dict__:
            for name in OF_THE_MIX - cls.__dict__.keys():
                setattr(cls, name, Fusion.__dict__[name])

    @abstractmethod
    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        """The layer's N outputs for N inputs (B, C, H, W), without the guard."""

    def fuse_prefix(self, xs: Sequence[Tensor], prefix: Sequence[Tensor]) -> list[Tensor]:
        """The class and register tokens, N tensors (B, C, P, 1), mixed under the weights of the patches xs.

        A layer need not define it: by default tokens pass unchanged. The outputs should be linear in `prefix`.
        """
        return list(prefix)

    def fuse_tokens(self, xs: Sequence[Tensor], prefix: Sequence[Tensor]) -> list[Tensor]:
        """Fused patches and prefixes, 2 N tensors; override it only to compute the gates once for both."""
        return [*self.fuse(xs), *self.fuse_prefix(xs, prefix)]

    @property
    def offers_gates(self) -> bool:
        """Whether the layer defines :meth:`gates`."""
        return type(self).gates is not Fusion.gates

    @property
    def offers_flow(self) -> bool:
        """Whether the layer can compute :meth:`carried`: from its gates, or by a definition of its own."""
        return self.offers_gates or type(self).carried is not Fusion.carried

    @property
    def offers_cut(self) -> bool:
        """Whether the layer defines :meth:`cut`."""
        return type(self).cut is not Fusion.cut

    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        """How much each output takes from each source for these features, by kind: `channel`, `spatial` or both.

        Channel gates are (B, to, from, C, 1, 1), spatial gates (B, to, from, 1, H, W). None is negative, and they sum
        to one over the sources. A layer need not define it.
        """
        raise InputError(f"{type(self).__name__} defines no gates, so nobody can say what a task takes from the others")

    def hidden(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        """The hidden units behind the gates after their ReLU, (B, units) by kind; at zero a unit does not learn.

        A layer need not define it.
        """
        return {}

    def carried(self, xs: Sequence[Tensor]) -> Tensor:
        """How much of each output came from each source, (B, to, from); rows sum to one.

        A source counts by the magnitudes of its features times the layer's weights, summed over channels and pixels:
        small features carry little, whatever their gates. If all features are zero, the row is zero.
        """
        gates = self.gates(xs)
        sizes = magnitudes(xs)
        if "channel" in gates:
            sizes = contract("bkjc,bjchw->bkjhw", gates["channel"][..., 0, 0], sizes)
        else:  # each task's own features, on the diagonal
            sizes = torch.diag_embed(sizes.sum(2).movedim(1, -1)).movedim((-2, -1), (1, 2))
        if "spatial" in gates:
            return shares(contract("bikhw,bkjhw->bij", gates["spatial"][:, :, :, 0], sizes))
        return shares(sizes.sum((3, 4)))

    def cut(self, xs: Sequence[Tensor], to: int, source: int) -> list[Tensor]:
        """The outputs if `to` got its own features instead of those of `source`, under the same gates.

        A layer need not define it.
        """
        raise InputError(f"{type(self).__name__} defines no cut, so none of its connections can be cut")

    def extra_repr(self) -> str:
        size = "" if self.size is None else f", size={self.size}"
        readers = "" if len(self.readers) == self.tasks else f", readers={list(self.readers)}"
        return f"channels={self.channels}, tasks={self.tasks}{size}{readers}"


def in_full_precision(x: Tensor) -> AbstractContextManager[Any]:
    """A context without autocast: gates are tiny, so they are computed in the precision of their parameters."""
    device = x.device.type
    # "meta", which gives shapes and FLOPs without computing, has no autocast
    return nullcontext() if device == "meta" else torch.autocast(device, enabled=False)


def contract(equation: str, a: Tensor, b: Tensor) -> Tensor:
    """`torch.einsum` in full precision, whatever autocast says."""
    with in_full_precision(a):
        return torch.einsum(equation, a.float(), b.float())


def magnitudes(xs: Sequence[Tensor]) -> Tensor:
    """The absolute values of N tensors (B, C, H, W) in full precision, (B, from, C, H, W)."""
    return torch.stack([x.abs().float() for x in xs], 1)


def shares(weights: Tensor) -> Tensor:
    """Non-negative weights (B, to, from, ...), divided by their sum over the sources."""
    return weights / weights.sum(2, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)


def without(xs: Sequence[Tensor], ys: Sequence[Tensor], weights: Tensor, to: int, source: int) -> list[Tensor]:
    """The outputs ys of a weighted sum of xs if output `to` took its own features in place of those of `source`."""
    changed = list(ys)
    changed[to] = ys[to] + (weights * (xs[to] - xs[source])).to(ys[to].dtype)
    return changed
