"""Methods of gradients where one task's gradient is up to a million times another's, against float64."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from afanet.training.balancing.angles import angles, gramian
from afanet.training.balancing.balancer import Balancer
from afanet.training.balancing.methods import find_balancing
from afanet.training.balancing.solvers import fair, nonnegative

Array = NDArray[np.float64]
RATIOS = [1.0, 3e1, 1e3, 2.5e3, 1e4, 1e5, 1e6]


def combined(name: str, rows: Tensor, **options: float) -> tuple[Array, Array | None]:
    """What a method makes of the rows of a Jacobian as in its paper, and its weights."""
    shared = nn.Parameter(torch.zeros(rows.shape[1]))
    torch.manual_seed(0)
    balancer = Balancer(name, [str(i) for i in range(len(rows))], options, "paper")
    balancer.backward([row @ shared + 1 for row in rows], [shared], [[] for _ in rows])
    assert shared.grad is not None
    weights = balancer.weights()
    return shared.grad.double().numpy(), None if weights is None else weights.double().numpy()


def pair(cosine: float, ratio: float, flipped: bool) -> Tensor:
    """Two rows with this angle, the second shorter by `ratio`, or the first where flipped; float32."""
    generator = torch.Generator().manual_seed(1)
    a, b = torch.randn(2, 40, generator=generator, dtype=torch.float64)
    a = a / a.norm()
    b = b - (a @ b) * a
    rows = torch.stack([a, (cosine * a + (1 - cosine**2) ** 0.5 * b / b.norm()) / ratio])
    return (rows.flip(0) if flipped else rows).float()


def unit(rows: Array) -> tuple[Array, Array]:
    norms = np.linalg.norm(rows, axis=1)
    return rows / norms[:, None], norms


# Each gives the combination of two float64 rows in closed form.


def mgda(rows: Array) -> Array:
    g, h = rows
    share = np.clip((h - g) @ h / ((g - h) @ (g - h)), 0, 1)
    return np.asarray(share * g + (1 - share) * h)


def imtl_g(rows: Array) -> Array:
    units, norms = unit(rows)
    return np.asarray(units.sum(0) / (1 / norms).sum())


def config(rows: Array) -> Array:
    units, _ = unit(rows)
    direction = units.sum(0) / np.linalg.norm(units.sum(0))
    return np.asarray((rows @ direction).sum() * direction)


def fairgrad(rows: Array) -> Array:
    units, _ = unit(rows)
    return np.asarray(units.sum(0) / np.sqrt(1 + units[0] @ units[1]))


def nash_mtl(rows: Array) -> Array:
    direction = fairgrad(rows)  # of length the root of 2, and so clipped to 1
    return np.asarray(direction / np.linalg.norm(direction))


def aligned_mtl(rows: Array) -> Array:
    components, lengths, _ = np.linalg.svd(rows, full_matrices=False)
    balance = lengths[-1] * components @ np.diag(1 / lengths) @ components.T
    return np.asarray(balance.mean(0) @ rows)


def without_conflict(g: Array, h: Array) -> Array:
    return np.asarray(g - min(0.0, g @ h) / (h @ h) * h)


def pcgrad(rows: Array) -> Array:
    g, h = rows
    return without_conflict(g, h) + without_conflict(h, g)


def upgrad(rows: Array) -> Array:
    return pcgrad(rows) / 2


def dualproj(rows: Array) -> Array:
    mean = rows.mean(0)
    for row in rows:
        if mean @ row < 0:
            return without_conflict(mean, row)
    return np.asarray(mean)


def pcd(rows: Array) -> Array:
    units, norms = unit(rows)
    direction = units[0] + max(0.02 - units[0] @ units[1], 0.0) * units[1]
    return np.asarray(norms[0] * direction / np.linalg.norm(direction))


def cagrad(rows: Array, c: float = 0.5) -> Array:
    """By a dense search along the half circle of directions q in the plane of both rows, refined ten times."""
    units, _ = unit(rows)
    mean = rows.mean(0)
    first = units[0]
    second = units[1] - (units[1] @ first) * first
    plane = np.stack([first, second / np.linalg.norm(second)])
    low, high = 0.0, 2 * np.pi
    for _ in range(10):
        around = np.linspace(low, high, 2001)
        turned = np.stack([np.cos(around), np.sin(around)], 1) @ plane
        # In units of each norm and compared after scaling, for the smaller product to be exact.
        products = rows @ (mean[:, None] + c * np.linalg.norm(mean) * turned.T)
        best = around[products.min(0).argmax()]
        width = (high - low) / 200
        low, high = best - width, best + width
    q = np.array([np.cos(best), np.sin(best)]) @ plane
    return np.asarray(mean + c * np.linalg.norm(mean) * q)


CLOSED: dict[str, Callable[[Array], Array]] = {
    "mgda": mgda, "imtl-g": imtl_g, "config": config, "fairgrad": fairgrad, "nash-mtl": nash_mtl,
    "aligned-mtl": aligned_mtl, "pcgrad": pcgrad, "upgrad": upgrad, "dualproj": dualproj, "pcd": pcd,
    "gradvac": pcgrad,  # whose first step turns gradients to a right angle too
    "cr-mogm": mgda,  # whose first step has nothing to smooth
    "cagrad": cagrad,
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("cosine", [-0.6, 0.5])
def test_two_gradients_of_any_ratio_are_combined_as_in_float64(name: str, cosine: float) -> None:
    for ratio, flipped in itertools.product(RATIOS, (False, True)):
        rows = pair(cosine, ratio, flipped)
        actual, expected = combined(name, rows)[0], CLOSED[name](rows.double().numpy())
        error = np.linalg.norm(actual - expected) / np.linalg.norm(expected)
        assert error < 1e-5, f"off by {error:.1g} at a ratio of {ratio:g}"


def several(seed: int, count: int, ratio: float) -> Tensor:
    """Rows of random directions, in few dimensions so that some conflict, whose norms span `ratio`."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, count + 1, generator=generator)
    norms = torch.logspace(0, -np.log10(ratio), count)[torch.randperm(count, generator=generator)]
    return rows / rows.norm(dim=1, keepdim=True) * norms[:, None]


def weights_of(name: str, rows: Tensor, **options: float) -> Array:
    """The weights of a method in float64, before they are rounded to what rows are in."""
    method = find_balancing(name).create(len(rows), options)
    return np.asarray(method(angles(gramian(rows))).numpy())


CASES = list(itertools.product(range(4), (3, 5), (1.0, 1e3, 1e6)))


@pytest.mark.parametrize("name", ["mgda", "cr-mogm"])
def test_the_shortest_combination_is_below_no_gradient(name: str) -> None:
    for seed, count, ratio in CASES:
        rows = several(seed, count, ratio)
        weights = weights_of(name, rows)
        direction = weights @ rows.double().numpy()
        assert weights.min() >= 0
        assert weights.sum() == pytest.approx(1)
        assert (rows.double().numpy() @ direction >= (1 - 1e-6) * direction @ direction).all()


@pytest.mark.parametrize("name", ["imtl-g", "config"])
def test_every_gradient_has_the_same_projection(name: str) -> None:
    for seed, count, ratio in CASES:
        rows = several(seed, count, ratio)
        weights = weights_of(name, rows)
        units, norms = unit(rows.double().numpy())
        parts = (weights * norms) @ units @ units.T
        np.testing.assert_allclose(parts, parts.mean(), rtol=0, atol=1e-9 * np.abs(weights * norms).max())
        if name == "imtl-g":
            assert weights.sum() == pytest.approx(1, abs=1e-9 * np.abs(weights).max())


@pytest.mark.parametrize(("name", "alpha"), [("nash-mtl", 1.0), *(("fairgrad", a) for a in (0.5, 1.0, 2.0, 5.0))])
def test_the_bargain_is_kept(name: str, alpha: float) -> None:
    options = {"max_norm": 0.0} if name == "nash-mtl" else {"alpha": alpha}
    for seed, count, ratio in CASES:
        rows = several(seed, count, ratio)
        weights = weights_of(name, rows, **options)
        wide = rows.double().numpy()
        np.testing.assert_allclose(wide @ wide.T @ weights * weights ** (1 / alpha), np.ones(count), rtol=1e-7)


def test_cagrad_serves_every_task_that_it_leans_on_alike() -> None:
    """The conditions of the optimum: d = g + c |g| q with q of length 1 towards a convex combination of the rows that
    have the least product with d."""
    for seed, count, ratio in CASES:
        rows = several(seed, count, ratio)
        wide = rows.double().numpy()
        weights = weights_of("cagrad", rows, c=0.5)
        mean = wide.mean(0)
        units, norms = unit(wide)
        leaning = (weights - 1 / count) * norms
        leaning[np.abs(leaning) < 1e-12 * np.abs(leaning).max()] = 0
        assert leaning.min() >= 0
        assert np.linalg.norm(leaning @ units) == pytest.approx(0.5 * np.linalg.norm(mean), rel=1e-9)
        products = wide @ (mean + leaning @ units)
        size = norms * np.linalg.norm(mean)
        assert (products >= products.min()).all()
        assert (products - products.min() <= 1e-9 * size)[leaning > 0].all()


@pytest.mark.parametrize("name", ["upgrad", "dualproj"])
def test_projections_are_the_nearest_without_conflict(name: str) -> None:
    """Against another solver of quadratic programs, and by the conditions of the optimum."""
    qp = pytest.importorskip("qpsolvers")
    for seed, count, ratio in CASES:
        rows = several(seed, count, ratio)
        units, norms = unit(rows.double().numpy())
        weights = weights_of(name, rows)
        starts = np.diag(norms) / count if name == "upgrad" else norms[None] / count
        expected = np.zeros(count)
        for start in starts:
            largest = start.max()
            expected += largest * qp.solve_qp(
                units @ units.T, np.zeros(count), -np.eye(count), -start / largest, solver="quadprog"
            )
        np.testing.assert_allclose(weights * norms, expected, rtol=1e-5, atol=1e-9 * norms.max())


def test_principal_components_get_the_length_of_the_shortest() -> None:
    for seed, count, ratio in CASES:
        rows = several(seed, count, ratio)
        expected = aligned_mtl(rows.double().numpy())
        np.testing.assert_allclose(
            combined("aligned-mtl", rows)[0], expected, rtol=0, atol=1e-4 * np.abs(expected).max()
        )


def test_excess_mtl_weights_as_its_formula_in_float64() -> None:
    for ratio in RATIOS:
        rows = several(0, 3, ratio)
        wide = rows.double().numpy()
        excess = (wide**2 / np.sqrt(wide**2 + 1e-7)).sum(1)
        expected = np.exp(excess - excess.max())
        np.testing.assert_allclose(combined("excess-mtl", rows)[1], expected / expected.sum(), rtol=1e-5)


def test_graddrop_keeps_one_sign_in_each_parameter() -> None:
    for ratio in RATIOS:
        rows = several(1, 4, ratio)
        actual, wide = combined("graddrop", rows)[0], rows.double().numpy()
        positive, negative = wide.clip(min=0).sum(0), wide.clip(max=0).sum(0)
        nearest = np.where(actual > 0, positive, negative)
        np.testing.assert_allclose(actual, nearest, rtol=1e-5)


@pytest.mark.parametrize("name", ["imtl-g", "config", "fairgrad", "nash-mtl"])
def test_the_unit_of_a_loss_does_not_turn_the_direction(name: str) -> None:
    rows = several(2, 3, 1.0)
    before = combined(name, rows)[0]
    for factor in (1e-6, 1e-3, 1e3, 1e6):
        after = combined(name, rows * torch.tensor([[1.0], [factor], [1.0]]))[0]
        assert before @ after / np.linalg.norm(before) / np.linalg.norm(after) == pytest.approx(1, abs=1e-9)
        if name in ("fairgrad", "nash-mtl"):
            np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)


def test_pcd_does_not_mind_the_units_of_other_losses() -> None:
    rows = several(2, 3, 1.0)
    before = combined("pcd", rows)[0]
    for factor in (1e-6, 1e6):
        after = combined("pcd", rows * torch.tensor([[1.0], [factor], [1.0]]))[0]
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)


def test_config_combines_as_many_parameters_as_a_network_has() -> None:
    """A pseudoinverse of the whole Jacobian in float32 is 0 from about 8 million parameters on."""
    rows = torch.zeros(2, 2**24)
    rows[0, 0] = rows[1, 1] = 1.0
    np.testing.assert_allclose(combined("config", rows)[0][:3], [1, 1, 0], rtol=1e-6)


def test_a_memorised_task_does_not_stop_the_other() -> None:
    """One task's loss is next to nothing, and its gradient 1e-5 of the other's, against which it pulls."""
    shared = nn.Parameter(torch.tensor([0.0, 0.0]))
    balancer = Balancer("cagrad", ["memorised", "live"])
    for _ in range(200):
        losses = [1e-5 * (shared[0] + shared[1]), (shared[0] - 1) ** 2]
        balancer.backward(losses, [shared], [[], []])
        assert shared.grad is not None
        shared.data -= 0.02 * shared.grad
    assert shared[0].item() == pytest.approx(1, abs=0.05)


def test_gradients_that_oppose_each_other_do_not_spoil_a_step() -> None:
    row = torch.tensor([[1.0, 2.0, -1.0]])
    for name in ("mgda", "cagrad", "imtl-g", "config", "aligned-mtl", "upgrad", "dualproj", "pcgrad", "gradvac", "pcd"):
        for factor in (1.0, 0.3, 1e-5):
            assert np.isfinite(combined(name, torch.cat([row, -factor * row]))[0]).all(), name


def test_dependent_cosines_are_solved() -> None:
    ones = torch.ones(3, 3, dtype=torch.float64)
    solved = nonnegative(ones, torch.ones(3, dtype=torch.float64))
    assert solved.sum().item() == pytest.approx(1)
    fairly = fair(ones, torch.ones(3, dtype=torch.float64), 1.0)
    assert fairly is not None
    torch.testing.assert_close(fairly, torch.full((3,), 3**-0.5, dtype=torch.float64))
