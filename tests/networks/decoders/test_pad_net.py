"""PAD-Net: the survey's equation, who takes from whom, and what it is when nobody takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from afanet.networks.decoders import pad_net
from afanet.networks.decoders.decoder import Decoder
from afanet.networks.decoders.layers import Gated
from afanet.networks.decoders.pad_net import PADNet
from afanet.networks.outputs import Dense

from .conftest import STAGES, TASKS
from .maths import gated, residual

Make = Callable[..., Decoder]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pad_net, "WIDTH", 16)


def test_it_is_its_formula(decoder: Make, maps: list[Tensor]) -> None:
    layer = decoder(PADNet)
    mixed, early = layer(torch.empty(0), [maps])
    state = layer.state_dict()
    refined = {}
    for task in TASKS:
        first = residual(maps[-1], state, f"{task}.refine.0", 3)
        refined[task] = residual(first, state, f"{task}.refine.1", 3)
    for task in TASKS:
        taken = [gated(refined[other], state, f"{task}.takes.{other}") for other in TASKS if other != task]
        assert_close(mixed[task], [*maps[:-1], refined[task] + sum(taken)])
        assert_close(early[task], [refined[task]])


def test_if_nobody_takes_each_task_has_its_own_features(decoder: Make, maps: list[Tensor]) -> None:
    layer = decoder(PADNet)
    for gate in layer.modules():
        if isinstance(gate, Gated):
            nn.init.zeros_(gate.features.weight)
    mixed, early = layer(torch.empty(0), [maps])
    for task in TASKS:
        assert torch.equal(mixed[task][-1], early[task][0])


def test_permuted_tasks_give_permuted_features(decoder: Make, maps: list[Tensor]) -> None:
    layer, turned = decoder(PADNet), decoder(PADNet, dict(reversed(TASKS.items())))
    turned.load_state_dict(layer.state_dict())
    one, other = (each(torch.empty(0), [maps]).features for each in (layer, turned))
    assert list(other) == list(reversed(one))
    for task in TASKS:
        assert_close(one[task], other[task])


def test_every_task_learns_from_every_other(decoder: Make, maps: list[Tensor]) -> None:
    layer = decoder(PADNet)
    layer(torch.empty(0), [maps]).features["depth"][-1].square().sum().backward()
    learning = {name for name, p in layer.named_parameters() if p.grad is not None and p.grad.any()}
    assert {name.split(".")[0] for name in learning if ".refine." in name} == set(TASKS)
    assert {name.split(".")[0] for name in learning if ".takes." in name} == {"depth"}


def test_heads_are_given_the_backbones_stages_and_the_tasks_own_last(decoder: Make) -> None:
    layer = decoder(PADNet, {"depth": Dense(1)})
    assert layer.stages[:-1] == STAGES[:-1]
    assert (layer.stages[-1].channels, layer.stages[-1].stride) == (16, 16)
