"""MTI-Net: the paper's equations, and which scale learns from which."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from afanet.networks.decoders import mti_net
from afanet.networks.decoders.decoder import Decoder
from afanet.networks.decoders.layers import Gated
from afanet.networks.decoders.mti_net import Excitation, MTINet, Propagation
from afanet.networks.heads.head import Stage

from .conftest import TASKS
from .maths import State, conv, gated, linear, residual, resized

Make = Callable[..., Decoder]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mti_net, "WIDEST", 8)


def two_blocks(x: Tensor, state: State, name: str) -> Tensor:
    return residual(residual(x, state, f"{name}.0", 2), state, f"{name}.1", 2)


def common_to_all(xs: list[Tensor], state: State, name: str) -> Tensor:
    scores = conv(two_blocks(torch.cat(xs, 1), state, f"{name}.masks.0"), state, f"{name}.masks.1")
    powers = [part.exp() for part in scores.chunk(len(xs), 1)]
    masked = [x * power / sum(powers) for x, power in zip(xs, powers, strict=True)]
    return residual(torch.cat(masked, 1), state, f"{name}.reduce", 2)


def excited(x: Tensor, common: Tensor, state: State, name: str) -> Tensor:
    hidden = linear(common.mean((2, 3)), state, f"{name}.choose.0").clamp(min=0)
    chosen = 1 / (1 + (-linear(hidden, state, f"{name}.choose.2")).exp())
    return x + common * chosen[..., None, None]


def test_it_is_its_formula(decoder: Make, maps: list[Tensor]) -> None:
    layer = decoder(MTINet)
    mixed, early = layer(torch.empty(0), [maps])
    state = layer.state_dict()
    passed: dict[str, Tensor] = {}
    for scale in (2, 1, 0):
        x = maps[scale]
        refined = {}
        for task in TASKS:
            seen = torch.cat([x, resized(passed[task], x.shape[-2:])], 1) if passed else x
            refined[task] = two_blocks(seen, state, f"{task}.refine.{scale}.blocks")
        for task in TASKS:
            taken = [gated(refined[other], state, f"{task}.takes_{scale}.{other}") for other in TASKS if other != task]
            assert_close(mixed[task][scale], refined[task] + sum(taken))
            assert_close(early[task][scale], refined[task])
        if scale:
            common = common_to_all(list(refined.values()), state, f"all-tasks.propagate.{scale}")
            passed = {task: excited(y, common, state, f"{task}.excite.{scale}") for task, y in refined.items()}


def test_a_task_that_has_the_same_features_as_all_others_shares_evenly() -> None:
    layer, x = Propagation(4, tasks=3).double().eval(), torch.rand(2, 4, 3, 3).double()
    nn.init.zeros_(layer.masks[-1].weight)
    nn.init.zeros_(layer.masks[-1].bias)
    assert_close(layer([x, x, x]), layer.reduce(torch.cat([x / 3] * 3, 1)))


def test_what_is_common_only_adds() -> None:
    layer, x = Excitation(4), torch.randn(2, 4, 3, 3)
    assert torch.equal(layer(x, torch.zeros_like(x)), x)


def test_without_what_passes_between_tasks_and_scales_each_learns_alone(decoder: Make, maps: list[Tensor]) -> None:
    layer = decoder(MTINet)
    for module in layer.modules():
        if isinstance(module, Gated):
            nn.init.zeros_(module.features.weight)
        if isinstance(module, Excitation):
            nn.init.constant_(module.choose[-2].bias, -1e3)
    layer(torch.empty(0), [maps]).features["depth"][0].square().sum().backward()
    learning = {name.split(".")[0] for name, p in layer.named_parameters() if p.grad is not None and p.grad.any()}
    assert learning == {"depth"}


def test_the_finest_scale_learns_from_all_tasks_at_all_scales(decoder: Make, maps: list[Tensor]) -> None:
    layer = decoder(MTINet)
    layer(torch.empty(0), [maps]).features["depth"][0].square().sum().backward()
    learning = {name for name, p in layer.named_parameters() if p.grad is not None and p.grad.any()}
    refining = {tuple(name.split(".")[i] for i in (0, 2)) for name in learning if ".refine." in name}
    assert refining == {(task, scale) for task in TASKS for scale in "012"}


def test_a_scale_is_as_wide_as_its_stage_up_to_a_bound() -> None:
    assert MTINet.gives([Stage(6, 4), Stage(512, 32)]) == [Stage(6, 4), Stage(8, 32)]
