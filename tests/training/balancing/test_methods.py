"""Balancing methods against what can be written down, and the table itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import afanet
from afanet.training.balancing.balancer import Balancer
from afanet.training.balancing.methods import BALANCINGS

TASKS = ["a", "b"]
GRADIENT = [name for name, row in BALANCINGS.items() if row.kind == "gradient"]
NUMBERS = st.floats(2**-7, 128, width=32)


def combined(name: str, rows: Tensor, scale: str = "paper", **options: float) -> tuple[Tensor, Tensor | None]:
    """What a method makes of the rows of a Jacobian, and its weights."""
    shared = nn.Parameter(torch.zeros(rows.shape[1]))
    balancer = Balancer(name, [str(i) for i in range(len(rows))], options, scale)
    balancer.backward([row @ shared + 1 for row in rows], [shared], [[] for _ in rows])
    assert shared.grad is not None
    return shared.grad, balancer.weights()


def test_the_table_is_complete() -> None:
    assert len(BALANCINGS) == 26
    for name, row in BALANCINGS.items():
        assert name == name.lower().replace("_", "-")
        assert row.sentence.endswith(".")
        assert row.paper[-4:].isdigit() or name in ("equal", "fixed")


@given(st.lists(NUMBERS, min_size=2, max_size=5))
def test_equal_is_the_sum_to_the_bit(losses: list[float]) -> None:
    tensor = torch.tensor(losses, requires_grad=True)
    balancer = Balancer("equal", [str(i) for i in range(len(losses))])
    assert torch.equal(balancer.combine(tensor), tensor.sum())
    assert torch.equal(balancer.weights(), torch.ones(len(losses)))


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=5))
def test_fixed_is_the_weighted_sum(pairs: list[tuple[float, float]]) -> None:
    losses = torch.tensor([loss for loss, _ in pairs], requires_grad=True)
    tasks = [f"t{i}" for i in range(len(pairs))]
    by_name = {task: weight for task, (_, weight) in zip(tasks, pairs, strict=True)}
    balancer = Balancer("fixed", tasks, weights=dict(reversed(by_name.items())))
    combined = balancer.combine(losses)
    assert combined.item() == pytest.approx(sum(loss * weight for loss, weight in pairs), rel=1e-5)
    assert torch.equal(balancer.weights(), torch.tensor([weight for _, weight in pairs]))


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=3, max_size=5))
def test_dwa_weights_by_the_last_two_epochs(epochs: list[tuple[float, float]]) -> None:
    balancer = Balancer("dwa", TASKS)
    for number, losses in enumerate(epochs):
        balancer.combine(torch.tensor(losses, requires_grad=True))
        balancer.combine(torch.tensor(losses, requires_grad=True))
        if number < 2:
            expected = torch.ones(2)
        else:
            before, last = torch.tensor(epochs[number - 2]), torch.tensor(epochs[number - 1])
            expected = 2 * torch.softmax(last / before / 2, 0)
        torch.testing.assert_close(balancer.weights(), expected)
        balancer.end_epoch()


@given(st.lists(NUMBERS, min_size=2, max_size=2), st.lists(st.floats(-2, 2), min_size=2, max_size=2))
def test_uw_divides_by_twice_the_variance(losses: list[float], logs: list[float]) -> None:
    balancer = Balancer("uw", TASKS)
    (parameter,) = balancer.trainable()
    parameter.data = torch.tensor(logs)
    tensor = torch.tensor(losses, requires_grad=True)
    value = balancer.combine(tensor)
    expected = sum(loss * torch.tensor(-s).exp().item() / 2 + s / 2 for loss, s in zip(losses, logs, strict=True))
    assert value.item() == pytest.approx(expected, rel=1e-4, abs=1e-4)
    torch.testing.assert_close(balancer.weights(), parameter.detach().neg().exp() / 2)
    value.backward()
    assert parameter.grad is not None


def test_the_geometric_mean_does_not_mind_units() -> None:
    weights = []
    for unit in (1.0, 1000.0):
        balancer = Balancer("geometric-mean", TASKS)
        losses = torch.tensor([2.0, 3.0 * unit], requires_grad=True)
        combined = balancer.combine(losses)
        assert combined.item() == pytest.approx((6 * unit) ** 0.5)
        weights.append(balancer.weights() * losses.detach() / combined.item())
    torch.testing.assert_close(*weights)


def test_famo_learns_from_the_losses_after_the_step() -> None:
    balancer = Balancer("famo", TASKS)
    for _ in range(5):  # the second task's loss falls, the first one's stands still
        balancer.combine(torch.tensor([1.0, 1.0], requires_grad=True))
        balancer.after_step(lambda: torch.tensor([1.0, 0.5]))
    weights = balancer.weights()
    assert weights is not None
    assert weights[0] > weights[1]
    assert weights.sum().item() == pytest.approx(1)


@given(st.lists(st.floats(-10, 10, width=16), min_size=8, max_size=8))
def test_mgda_of_two_is_the_nearest_point_of_a_segment(numbers: list[float]) -> None:
    g, h = torch.tensor(numbers).view(2, 4)
    if g.norm() < 0.1 or h.norm() < 0.1 or (g - h).norm() < 0.1:
        return
    share = ((h - g) @ h / (g - h).square().sum()).clamp(0, 1)
    actual, _ = combined("mgda", torch.stack([g, h]))
    torch.testing.assert_close(actual, share * g + (1 - share) * h, rtol=1e-3, atol=1e-3)


@given(st.lists(st.floats(-10, 10, width=16), min_size=8, max_size=8))
def test_pcgrad_of_two_takes_the_conflicts_out(numbers: list[float]) -> None:
    g, h = torch.tensor(numbers).view(2, 4)
    if g.norm() < 0.1 or h.norm() < 0.1:
        return
    expected = g + h
    if g @ h < 0:
        expected = g - (g @ h) / (h @ h) * h + h - (g @ h) / (g @ g) * g
    torch.testing.assert_close(combined("pcgrad", torch.stack([g, h]))[0], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", GRADIENT)
def test_gradients_that_agree_stay_in_their_direction(name: str) -> None:
    g = torch.randn(6, generator=torch.Generator().manual_seed(0))
    actual, _ = combined(name, torch.stack([g, g, g]))
    cosine = torch.nn.functional.cosine_similarity(actual, g, dim=0).item()
    assert cosine == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", GRADIENT)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_identical_gradients_give_what_equal_gives(name: str, count: int) -> None:
    g = torch.randn(6, generator=torch.Generator().manual_seed(0)) * 1e-3
    actual, weights = combined(name, g.expand(count, 6), "equal")
    torch.testing.assert_close(actual, count * g, rtol=1e-5, atol=0)
    assert weights is None or weights.sum().item() == pytest.approx(count, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("pcgrad", 1), ("gradvac", 1), ("config", 1), ("graddrop", 1), ("gradnorm", 1), ("mgda", 1 / 3),
        ("imtl-g", 1 / 3), ("aligned-mtl", 1 / 3), ("upgrad", 1 / 3), ("dualproj", 1 / 3), ("pcd", 1 / 3),
        ("random-gradient", 1 / 3), ("excess-mtl", 1 / 3), ("cr-mogm", 1 / 3), ("cagrad", 1 / 2),
    ],
)  # fmt: skip
def test_what_the_papers_make_of_three_identical_gradients(name: str, share: float) -> None:
    g = torch.randn(6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(combined(name, g.expand(3, 6))[0], share * 3 * g, rtol=1e-5, atol=0)


@pytest.mark.parametrize("name", GRADIENT)
def test_the_two_scales_differ_by_a_factor(name: str) -> None:
    rows = torch.randn(4, 9, generator=torch.Generator().manual_seed(3)) * torch.tensor([[1.0], [4.0], [0.1], [2.0]])
    torch.manual_seed(0)
    equal, _ = combined(name, rows, "equal")
    torch.manual_seed(0)
    paper, _ = combined(name, rows)
    torch.testing.assert_close(equal, paper * (equal.norm() / paper.norm()))
    if name in ("nash-mtl", "fairgrad"):
        assert combined(name, rows, "equal")[1].sum().item() == pytest.approx(4)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name", ["nash-mtl", "config", "fairgrad", "upgrad", "imtl-g", "aligned-mtl", "pcd", "gradvac"]
)
def test_what_the_method_sees_is_enough(name: str) -> None:
    """As TorchJD's aggregator, given the whole Jacobian."""
    import torchjd.aggregation as torchjd

    whole = {
        "nash-mtl": torchjd.NashMTL(3), "config": torchjd.ConFIG(), "fairgrad": torchjd.FairGrad(1.0),
        "upgrad": torchjd.UPGrad(), "imtl-g": torchjd.IMTLG(), "aligned-mtl": torchjd.AlignedMTL(),
        "pcd": torchjd.PCD(), "gradvac": torchjd.GradVac(),
    }[name]  # fmt: skip
    rows = torch.randn(3, 50, generator=torch.Generator().manual_seed(1)) * torch.tensor([[1.0], [5.0], [0.3]])
    actual, weights = combined(name, rows)
    rtol, atol = (1e-3, 1e-2) if name == "upgrad" else (2e-3, 2e-3)  # TorchJD's solver adds 1e-4 to the Gramian
    torch.testing.assert_close(actual, whole(rows), rtol=rtol, atol=atol)
    if weights is not None:
        torch.testing.assert_close(weights @ rows, actual)


@pytest.mark.parametrize("name", sorted(set(GRADIENT) - {"nash-mtl", "fairgrad", "excess-mtl"}))
def test_small_gradients_are_combined_as_large_ones(name: str) -> None:
    """Solvers have thresholds, below which CAGrad, for one, would stop training. ExcessMTL's first step has one too."""
    rows = torch.randn(2, 9, generator=torch.Generator().manual_seed(2))
    torch.manual_seed(0)
    torch.testing.assert_close(combined(name, rows * 1e-5)[0] * 1e5, combined(name, rows)[0], rtol=1e-3, atol=1e-4)


def test_the_mean_of_gradients_is_the_gradient_of_the_mean(problem: Callable[..., Any]) -> None:
    by_task, at_once = problem(3), problem(3)
    Balancer("cagrad", ["a", "b", "c"], {"c": 0}, "paper").backward(by_task.losses(), by_task.shared, by_task.own)
    sum(at_once.losses()).backward()
    torch.testing.assert_close(by_task.gradient(), at_once.gradient() / 3)
    for head, expected in zip(by_task.heads, at_once.heads, strict=True):
        assert torch.equal(head.weight.grad, expected.weight.grad)


def test_the_table_is_read_without_torch() -> None:
    code = (
        "import sys, types\n"
        "package = types.ModuleType('afanet')\n"
        "package.__path__, package.__version__ = [sys.argv[1]], ''\n"
        "sys.modules['afanet'] = package\n"
        "from afanet.cli.balancing import _balancing\n"
        "_balancing(types.SimpleNamespace(names=False))\n"
        "assert not {'torch', 'torchjd', 'numpy', 'lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, Path(afanet.__file__).parent], check=True, capture_output=True)
