"""Cross-task attention: softmax over the pixels of all tasks, and which scale learns from which."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.testing import assert_close

from afanet.networks.decoders import cross_attention
from afanet.networks.decoders.cross_attention import Attention, Climb, CrossAttention
from afanet.networks.decoders.decoder import Decoder
from afanet.networks.heads.head import Stage

from .conftest import TASKS
from .maths import State, conv, linear, norm, resized

Make = Callable[..., Decoder]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_attention, "WIDEST", 16)
    monkeypatch.setattr(cross_attention, "NARROWEST", 8)


def channel_norm(x: Tensor, state: State, name: str) -> Tensor:
    """Over all of an image's values, with a weight and a bias a channel."""
    flat = x.flatten(1)
    scaled = (flat - flat.mean(1, keepdim=True)) / (flat.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    return scaled.view_as(x) * state[f"{name}.weight"][:, None, None] + state[f"{name}.bias"][:, None, None]


def attended(x: Tensor, maps: list[Tensor], state: State, name: str, pool: int) -> Tensor:
    """Pixel by pixel and head by head: the sum over the pixels of all tasks under a softmax."""
    n = channel_norm(x, state, f"{name}.norms.0")
    weight, bias = state[f"{name}.local.weight"], state[f"{name}.local.bias"]
    asking = F.conv2d(n, weight, bias, stride=2, padding=1, groups=x.shape[1])
    cells = []
    for y in maps:
        y = channel_norm(y, state, f"{name}.norms.0")
        for top in range(0, y.shape[2], pool):
            for left in range(0, y.shape[3], pool):
                cells.append(y[:, :, top : top + pool, left : left + pool].mean((2, 3)))
    told = torch.stack(cells, 1)
    q = linear(asking.flatten(2).mT, state, f"{name}.query")
    k, v = (linear(told, state, f"{name}.{key}") for key in ("key", "value"))
    each = q.shape[2] // 2
    heads = []
    for part in (slice(0, each), slice(each, None)):
        powers = (torch.einsum("bqc,bkc->bqk", q[..., part], k[..., part]) / each**0.5).exp()
        heads.append(torch.einsum("bqk,bkc->bqc", powers / powers.sum(2, keepdim=True), v[..., part]))
    answer = linear(torch.cat(heads, 2), state, f"{name}.out").mT.reshape(asking.shape)
    z = x + resized(answer, x.shape[-2:])
    inner = conv(channel_norm(z, state, f"{name}.norms.1"), state, f"{name}.mlp.0")
    inner = inner * 0.5 * (1 + torch.erf(inner / 2**0.5))
    return z + conv(inner, state, f"{name}.mlp.2")


def twice(x: Tensor, state: State, name: str) -> Tensor:
    for number in (0, 3):
        x = norm(conv(x, state, f"{name}.{number}"), state, f"{name}.{number + 1}").clamp(min=0)
    return x


def test_it_is_its_formula(decoder: Make, maps: list[Tensor]) -> None:
    layer = decoder(CrossAttention)
    mixed, early = layer(torch.empty(0), [maps])
    state = layer.state_dict()
    ys = {task: twice(maps[2], state, f"{task}.begin") for task in TASKS}
    for task, y in ys.items():
        assert_close(early[task], [y])
    for scale in (2, 1, 0):
        if scale < 2:
            for task, y in ys.items():
                name = f"{task}.climb.{scale}"
                y = conv(resized(y, maps[scale].shape[-2:]), state, f"{name}.narrow.0")
                y = norm(y, state, f"{name}.narrow.1").clamp(min=0)
                ys[task] = y + conv(maps[scale], state, f"{name}.skip")
        every = list(ys.values())
        pool = 2 ** (2 - scale)
        ys = {task: attended(y, every, state, f"{task}.attend.{scale}", pool) for task, y in ys.items()}
        for task, y in ys.items():
            assert_close(mixed[task][scale], y)


def test_the_order_of_the_tasks_that_are_asked_does_not_matter_nor_does_asking_one_twice_among_equals() -> None:
    layer = Attention(8, pool=2).double()
    a, b = torch.randn(2, 2, 8, 5, 7).double()
    assert_close(layer(a, [a, b]), layer(a, [b, a]))
    assert_close(layer(a, [a]), layer(a, [a, a]))
    assert not torch.allclose(layer(a, [a]), layer(a, [a, b]))


def test_if_the_answers_count_nothing_a_task_keeps_its_own() -> None:
    layer, a = Attention(8, pool=2), torch.randn(2, 8, 5, 7)
    for last in (layer.out, layer.mlp[-1]):
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    assert torch.equal(layer(a, [a, torch.randn_like(a)]), a)


def test_sizes_that_no_cell_divides(maps: list[Tensor]) -> None:
    layer = Attention(8, pool=4)
    for size in ((1, 1), (5, 7), (3, 9)):
        assert layer(torch.rand(1, 8, *size), [torch.rand(1, 8, *size)] * 2).shape == (1, 8, *size)
    assert Climb(16, 8, 4)(torch.rand(1, 16, 2, 3), torch.rand(1, 8, 5, 5)).shape == (1, 4, 5, 5)


def test_the_finest_scale_learns_from_all_tasks_at_all_scales(decoder: Make, maps: list[Tensor]) -> None:
    layer = decoder(CrossAttention)
    layer(torch.empty(0), [maps]).features["depth"][0].square().sum().backward()
    learning = {name for name, p in layer.named_parameters() if p.grad is not None and p.grad.any()}
    assert {name.split(".")[0] for name in learning if ".begin." in name} == set(TASKS)
    assert {name.split(".")[0] for name in learning if ".climb.0." in name} == set(TASKS)
    assert {name.split(".")[0] for name in learning if ".attend.0." in name} == {"depth"}


def test_it_halves_in_width_from_scale_to_scale() -> None:
    widths = [
        stage.channels for stage in CrossAttention.gives([Stage(64, 4), Stage(64, 8), Stage(64, 16), Stage(9, 32)])
    ]
    assert widths == [8, 8, 8, 16]
