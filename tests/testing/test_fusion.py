"""The checker of fusion layers passes ours, and names what is wrong with others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from afanet import AFA, NDDR, ChannelAggregation, CrossStitch, Fusion, SpatialAggregation
from afanet.fusion import Sluice
from afanet.testing import check_fusion

OURS = [AFA, ChannelAggregation, SpatialAggregation, CrossStitch, NDDR, Sluice, partial(AFA, per_task=True)]


class Mean(Fusion):
    """The least that a layer can be."""

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [sum(xs[1:], xs[0]) / len(xs)] * len(xs)


@pytest.mark.parametrize("layer", [*OURS, Mean])
@pytest.mark.filterwarnings("error")
def test_ours_pass(layer: Callable[..., Fusion]) -> None:
    check_fusion(layer)


class InPlace(Mean):
    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [x.add_(1) for x in xs]


class OneOutput(Mean):
    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [xs[0]]


class Narrow(Mean):
    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [x[..., :1] for x in xs]


class Detached(Mean):
    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [xs[0], *(xs[0].detach() for _ in xs[1:])]


class Idle(Mean):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.idle = nn.Parameter(torch.ones(1))


class Random(Mean):
    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [x + torch.rand_like(x) for x in xs]


class Batch(Mean):
    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [x - x.mean(0) for x in xs] if len(xs[0]) > 1 else list(xs)


class Single(Mean):
    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [x.float() for x in xs]


class Forgetful(Mean):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.register_buffer("scale", torch.rand(1), persistent=False)

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [x * self.scale for x in xs]


class NoGuard(Mean):
    def __init__(self, channels: int, tasks: int = 2, size: Sequence[int] | None = None) -> None:
        super().__init__(channels, tasks, size)


class Deaf(Mean):
    def __init__(
        self, channels: int, tasks: int = 2, size: Sequence[int] | None = None, *, limit: float = 1, protect: Any = None
    ) -> None:
        super().__init__(channels, tasks, size, limit=limit, protect=protect)


class GivesBack(Mean):
    def forward(self, xs: Sequence[Tensor], prefix: Sequence[Tensor] = ()) -> list[Tensor]:
        return self.fuse(xs) if self.guard is None else super().forward(xs)


class Gated(Mean):
    kind, gate = "channel", 0.5

    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        return {self.kind: torch.full((len(xs[0]), self.tasks, self.tasks, self.channels, 1, 1), self.gate)}


class Negative(Gated):
    gate = -1.0


class Odd(Gated):
    kind = "pixel"


class Wrong(Gated):
    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        return {kind: gates[..., 0] for kind, gates in super().gates(xs).items()}


class NoShares(Mean):
    def carried(self, xs: Sequence[Tensor]) -> Tensor:
        return torch.ones(len(xs[0]), self.tasks, self.tasks)


class CutsAll(Mean):
    def cut(self, xs: Sequence[Tensor], to: int, source: int) -> list[Tensor]:
        return [2 * y for y in self(xs)]


class CutsTooMuch(Mean):
    def cut(self, xs: Sequence[Tensor], to: int, source: int) -> list[Tensor]:
        return [2 * y if task == to else y for task, y in enumerate(self(xs))]


class CutsNothing(Mean):
    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        return {"channel": torch.full((len(xs[0]), self.tasks, self.tasks, self.channels, 1, 1), 1 / self.tasks)}

    def cut(self, xs: Sequence[Tensor], to: int, source: int) -> list[Tensor]:
        return list(self(xs))


class MixesOtherwise(Mean):
    mixes_by_gates = True

    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        own = torch.eye(self.tasks).reshape(1, self.tasks, self.tasks, 1, 1, 1)
        return {"channel": own.repeat(len(xs[0]), 1, 1, self.channels, 1, 1)}


class ConfusesTasks(Mean):
    """Weights that begin equal, and gates in which the tasks that take and those that give are exchanged."""

    mixes_by_gates = True

    def __init__(self, channels: int, tasks: int = 2, size: Sequence[int] | None = None, **guard: Any) -> None:
        super().__init__(channels, tasks, size, **guard)
        self.mix = nn.Parameter(torch.zeros(tasks * tasks))

    def weights(self) -> Tensor:
        return self.mix.view(self.tasks, self.tasks).softmax(1)

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [sum(weight * x for weight, x in zip(row, xs, strict=True)) for row in self.weights().unbind()]

    def fuse_prefix(self, xs: Sequence[Tensor], prefix: Sequence[Tensor]) -> list[Tensor]:
        return self.fuse(prefix)

    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        weights = self.mix.view(self.tasks, self.tasks).softmax(1).mT
        shown = (weights / weights.sum(1, keepdim=True))[None, :, :, None, None, None]
        return {"channel": shown.expand(len(xs[0]), -1, -1, self.channels, -1, -1)}


class LeavesTokens(Mean):
    """The mean of all under honest gates, but class tokens pass unchanged."""

    mixes_by_gates = True

    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        return {"channel": torch.full((len(xs[0]), self.tasks, self.tasks, self.channels, 1, 1), 1 / self.tasks)}


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (lambda *_, **__: nn.Identity(), "Identity does not derive from afanet.Fusion"),
        (InPlace, "changes its inputs in place"),
        (OneOutput, "returns 1 tensors for 2 tasks"),
        (Narrow, r"makes \(2, 4, 5, 1\) of \(2, 4, 5, 6\)"),
        (Detached, "no gradient reaches input 1 of Detached"),
        (Idle, "parameter 'idle' of Idle takes no part"),
        (Random, "answers differently each time"),
        (Deaf, r"cannot be built with readers=\[1\] .*: take \*\*guard in its constructor"),
        (GivesBack, r"GivesBack with readers=\[1\] changes what others have"),
        (Batch, "what else is in the batch"),
        (Single, "in float64 makes torch.float32"),
        (Forgetful, "after a copy by its state dict"),
        (NoGuard, r"take \*\*guard in its constructor"),
        (Negative, "negative values for 'channel'"),
        (Gated, "do not sum to one"),  # of three tasks, where those of two do
        (Odd, "gives 'pixel', expected"),
        (Wrong, r"has \(2, 2, 2, 4, 1\) for 'channel', expected"),
        (NoShares, "rows that are no shares"),
        (CutsAll, "the outputs of other tasks"),
        (CutsTooMuch, "own features already"),
        (CutsNothing, "replaced by the task's own"),
        (MixesOtherwise, "not the mix of features by MixesOtherwise.gates"),
        (ConfusesTasks, "not the mix of features by ConfusesTasks.gates"),
        (LeavesTokens, "LeavesTokens.fuse_prefix does not mix class tokens by the channel gates"),
    ],
)
def test_what_is_wrong_is_said(layer: Callable[..., Fusion], said: str) -> None:
    with pytest.raises(AssertionError, match=said):
        check_fusion(layer)


def test_a_class_that_cannot_be_pickled_is_said() -> None:
    class Local(Mean):
        pass

    with pytest.raises(AssertionError, match="define it at the top of a module"):
        check_fusion(Local)


class Unexportable(Mean):
    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        return [x if float(x.detach().sum()) > 0 else x + 0 for x in xs]


def test_what_cannot_be_exported_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="`afanet export` cannot write networks"):
        check_fusion(Unexportable)


def test_the_random_numbers_of_the_caller_go_on_as_they_were() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    check_fusion(Mean)
    assert torch.equal(torch.rand(1), expected)
