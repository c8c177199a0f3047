"""Every balancing method learns, goes on from its state to the bit, and bears tasks without labels."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from afanet.errors import InputError
from afanet.training.balancing.balancer import Balancer
from afanet.training.balancing.memory import remember
from afanet.training.balancing.methods import BALANCINGS, find_balancing

NAMES = list(BALANCINGS)
LOSS = [name for name in NAMES if BALANCINGS[name].kind == "loss"]
GRADIENT = [name for name in NAMES if BALANCINGS[name].kind == "gradient"]
TASKS = ["a", "b", "c", "d", "e"]
WEIGHTS = dict(zip(TASKS, [0.5, 2.0, 1.0, 0.25, 1.5], strict=True))


def made(name: str, count: int, options: dict[str, Any] | None = None) -> Balancer:
    """A balancer of so many tasks, with weights where the method takes some."""
    weights = {task: WEIGHTS[task] for task in TASKS[:count]} if BALANCINGS[name].named else {}
    return Balancer(name, TASKS[:count], options or {}, weights=weights)


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("name", NAMES)
def test_every_method_learns(name: str, count: int, problem: Callable[..., Any]) -> None:
    easy = problem(count)
    before, start = sum(easy.losses()).item(), [p.detach().clone() for p in easy.parameters]
    balancer = made(name, count)
    easy.fit(balancer, 16)
    assert all(p.isfinite().all() and not torch.equal(p, q) for p, q in zip(easy.parameters, start, strict=True))
    assert sum(easy.losses()).item() < 0.9 * before
    weights = balancer.weights()
    assert (weights is None) == (not BALANCINGS[name].weighs)
    assert weights is None or (weights.shape == (count,) and not weights.requires_grad)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 2**32), steps=st.sampled_from([3, 2, 4, 0]), kept=st.integers(0, 7))
@settings(max_examples=4, deadline=None, derandomize=True)
def test_a_loaded_state_goes_on_to_the_bit(name: str, seed: int, steps: int, kept: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    options = {"update_weights_every": 3} if name == "nash-mtl" else {}
    first = made(name, 3, options)
    optimizer = torch.optim.SGD([*first.trainable(), nn.Parameter(torch.zeros(1))], lr=0.1)

    def step(balancer: Balancer, losses: Tensor, rows: Tensor) -> Tensor:
        """One step on losses whose gradients are `rows`, and what it does to the shared parameters."""
        shared = nn.Parameter(torch.zeros(7))
        values = [value + row @ shared for value, row in zip(losses, rows, strict=True)]
        if balancer.kind == "loss":
            combined = balancer.combine(torch.stack(values))
            combined.backward()
        else:
            balancer.backward(values, [shared], [[], [], []])
        balancer.after_step(lambda: losses * 0.9)
        assert shared.grad is not None
        return shared.grad

    def batches(count: int) -> list[tuple[Tensor, Tensor]]:
        drawn = []
        for index in range(count):
            losses, rows = torch.rand(3, generator=generator) + 0.1, torch.randn(3, 7, generator=generator)
            if index % 2 == 0:  # some tasks have no label in every other batch
                there = torch.tensor([kept >> i & 1 for i in range(3)])
                losses, rows = losses * there, rows * there[:, None]
            drawn.append((losses, rows))
        return drawn

    for batch in batches(steps):
        step(first, *batch)
        optimizer.step()
        optimizer.zero_grad()
        first.end_epoch()
    file = io.BytesIO()
    torch.save(first.state(), file)
    file.seek(0)
    torch.manual_seed(seed % 1000 + 1)
    second = made(name, 3, options)
    second.load_state(torch.load(file, weights_only=True))
    for batch in batches(4):
        assert torch.equal(step(first, *batch), step(second, *batch))
        first.end_epoch()
        second.end_epoch()


@pytest.mark.parametrize("name", GRADIENT)
def test_a_task_without_labels_takes_no_part(name: str, problem: Callable[..., Any]) -> None:
    three, two = problem(3), problem(3)
    del two.heads[1]
    two.y = two.y[:, [0, 2]]
    for step in range(3):  # also what is remembered goes on as if the task were not there
        torch.manual_seed(step)
        if step == 0:
            of_three, of_two = made(name, 3), made(name, 2)
        of_three.backward(three.losses(without=[1]), three.shared, three.own)
        of_two.backward(two.losses(), two.shared, two.own)
        if name == "gradnorm":  # there the sum of the weights is the number of tasks
            assert all(torch.isfinite(p.grad).all() for p in three.parameters)
        else:
            torch.testing.assert_close(three.gradient(), two.gradient())
        assert not three.heads[1].weight.grad.any()


@pytest.mark.parametrize("name", GRADIENT)
def test_one_gradient_is_taken_as_it_is_and_none_is_zero(name: str, problem: Callable[..., Any]) -> None:
    easy, balancer = problem(2), made(name, 2)
    balancer.backward(easy.losses(without=[0]), easy.shared, easy.own)
    torch.testing.assert_close(easy.gradient(), easy.jacobian()[1])
    balancer.backward(easy.losses(without=[0, 1]), easy.shared, easy.own)
    assert not easy.gradient().any()


@pytest.mark.parametrize("name", LOSS)
def test_a_loss_without_a_label_moves_nothing(name: str) -> None:
    balancer = made(name, 3)
    for value in ([1.0, 2.0, 3.0], [1.0, 0.0, 3.0]):
        losses = torch.tensor(value, requires_grad=True)
        combined = balancer.combine(losses * torch.tensor(value).sign())
        combined.backward()
        assert combined.isfinite()
        assert losses.grad is not None
        assert losses.grad.isfinite().all()
        assert (losses.grad == 0).tolist() == [v == 0 for v in value]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", GRADIENT)
def test_a_gradient_that_is_not_finite_is_seen_and_spoils_no_memory(
    name: str, bad: float, problem: Callable[..., Any]
) -> None:
    easy, balancer = problem(2), made(name, 2)
    balancer.backward(easy.losses(), easy.shared, easy.own)
    losses = easy.losses()
    balancer.backward([losses[0] * bad, losses[1]], easy.shared, easy.own)
    assert not easy.gradient().isfinite().all()
    balancer.backward(easy.losses(), easy.shared, easy.own)
    assert easy.gradient().isfinite().all()


@pytest.mark.parametrize("name", ["mgda", "config", "gradnorm", "excess-mtl"])
def test_what_is_averaged_is_every_task_s_gradient(name: str, problem: Callable[..., Any]) -> None:
    """Two processes with a batch each are one process with both."""
    one, other, both = problem(2, seed=1), problem(2, seed=1), problem(2, seed=1)
    other.x, other.y = other.x.flip(1), other.y + 1
    both.x, both.y = torch.cat([one.x, other.x]), torch.cat([one.y, other.y])
    for parameters in (one.parameters, other.parameters):
        for parameter in parameters:
            parameter.grad = None
    met: list[Tensor] = []
    made(name, 2).backward(other.losses(), other.shared, other.own, lambda t: met.append(t.clone()) or t)
    rest = iter(met)
    made(name, 2).backward(one.losses(), one.shared, one.own, lambda t: t.add_(next(rest)).div_(2))
    made(name, 2).backward(both.losses(), both.shared, both.own)
    for parameter, expected in zip(one.parameters, both.parameters, strict=True):
        torch.testing.assert_close(parameter.grad, expected.grad)


@pytest.mark.parametrize("name", LOSS)
def test_losses_are_weighted_by_what_all_processes_have(name: str) -> None:
    everyone = torch.tensor([1.0, 4.0])
    mine = torch.tensor([2.0, 2.0], requires_grad=True)
    torch.manual_seed(0)
    alone, together = made(name, 2), made(name, 2)
    expected = alone.combine(everyone.clone().requires_grad_())
    assert torch.equal(together.combine(mine, lambda losses: everyone), expected)
    assert torch.equal(alone.weights(), together.weights())


@pytest.mark.parametrize("name", NAMES)
def test_draws_are_the_same_in_all_processes_and_leave_the_generator_alone(
    name: str, problem: Callable[..., Any]
) -> None:
    gradients = []
    for draws in (0, 5):
        torch.manual_seed(7)
        easy, balancer = problem(3), made(name, 3)
        torch.rand(draws)
        before = torch.get_rng_state()
        if balancer.kind == "loss":
            balancer.combine(torch.stack(easy.losses())).backward()
        else:
            balancer.backward(easy.losses(), easy.shared, easy.own)
        assert torch.equal(torch.get_rng_state(), before)
        gradients.append(easy.gradient())
    assert torch.equal(*gradients)


@pytest.mark.parametrize("name", NAMES)
def test_moving_to_another_device_changes_nothing(name: str, problem: Callable[..., Any]) -> None:
    stays, moves = problem(3), problem(3)
    torch.manual_seed(0)
    first, second = made(name, 3), made(name, 3)
    for _ in range(3):
        stays.fit(first, 1)
        second._device = torch.device("cpu", 0)  # as if the losses had come from elsewhere before
        moves.fit(second, 1)
    assert all(torch.equal(p, q) for p, q in zip(stays.parameters, moves.parameters, strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_every_method_learns_on_cuda_and_goes_on_elsewhere(name: str, problem: Callable[..., Any]) -> None:
    easy, balancer = problem(3), made(name, 3).cuda()
    easy.trunk.cuda()
    easy.heads.cuda()
    easy.x, easy.y = easy.x.cuda(), easy.y.cuda()
    easy.fit(balancer, 4)
    assert all(p.isfinite().all() for p in easy.parameters)
    other, moved = problem(3), made(name, 3)
    moved.load_state(balancer.state())
    other.fit(moved, 4)
    assert all(p.isfinite().all() for p in other.parameters)


def test_only_learnt_parameters_are_given_to_the_optimiser() -> None:
    learning = {name for name in NAMES if made(name, 2).trainable()}
    assert learning == {"uw", "imtl-l"}
    assert {name for name in NAMES if made(name, 2).wants_losses_again} == {"famo"}
    assert {name for name in NAMES if BALANCINGS[name].end_epoch} == {"dwa"}


@pytest.mark.parametrize("name", GRADIENT)
def test_a_method_of_gradients_makes_no_scalar_of_losses(name: str) -> None:
    with pytest.raises(InputError, match=f"^balancing by '{name}' combines gradients, not losses: call `backward`"):
        made(name, 2).combine(torch.ones(2, requires_grad=True))


@pytest.mark.parametrize("name", LOSS)
def test_a_method_of_losses_takes_no_gradients_and_moves_nothing(name: str, problem: Callable[..., Any]) -> None:
    easy = problem(2)
    with pytest.raises(InputError, match=f"^balancing by '{name}' combines losses, not gradients: .*`combine`"):
        made(name, 2).backward(easy.losses(), easy.shared, easy.own)
    assert all(parameter.grad is None for parameter in easy.parameters)


def test_gradients_lie_in_memory_as_their_parameters_do() -> None:
    conv = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    losses = [conv(torch.rand(1, 3, 5, 5))[:, i].sum() for i in range(2)]
    expected = torch.autograd.grad(losses[0] + losses[1], conv.weight, retain_graph=True)[0] / 2
    Balancer("cagrad", TASKS[:2], {"c": 0}, "paper").backward(losses, list(conv.parameters()), [[], []])
    assert conv.weight.grad is not None
    assert conv.weight.grad.stride() == conv.weight.stride()
    torch.testing.assert_close(conv.weight.grad.contiguous(), expected.contiguous())


def test_under_autocast_gradients_are_combined_in_float32(problem: Callable[..., Any]) -> None:
    easy, plain = problem(2), problem(2)
    Balancer("imtl-g", TASKS[:2]).backward(plain.losses(), plain.shared, plain.own)
    losses = easy.losses()
    with torch.autocast("cpu", torch.bfloat16):
        Balancer("imtl-g", TASKS[:2]).backward(losses, easy.shared, easy.own)
    assert torch.equal(easy.gradient(), plain.gradient())


def test_a_state_of_another_method_is_refused() -> None:
    with pytest.raises(InputError, match="balancing 2 tasks by 'uw', expected 2 by 'dwa'"):
        Balancer("dwa", TASKS[:2]).load_state(Balancer("uw", TASKS[:2]).state())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("pcgrab", {}, "did you mean 'pcgrad'"),
        ("dwa", {"temprature": 1.0}, "did you mean 'temperature'"),
        ("dwa", {"temperature": "hot"}, "expected a number"),
        ("nash-mtl", {"optim_niter": 2.5}, "expected a whole number"),
        ("nash-mtl", {"optim_niter": 10**30}, "optim_niter=1000.*: expected at most 1000000"),
        ("dwa", {"temperature": 0}, "strictly positive"),
        ("gradnorm", {"lr": 0}, "lr above 0"),
        ("pcgrad", {"lr": 0}, "has no options"),
    ],
)
def test_what_cannot_be_used_is_said(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Balancer(name, TASKS[:2], options)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torchjd.aggregation", None)
    with pytest.raises(InputError, match="'pcgrad' needs a package that is missing: pip install torchjd"):
        find_balancing("pcgrad").create(2, {})


def test_a_solver_that_fails_is_one_sentence() -> None:
    parameter = nn.Parameter(torch.ones(1))
    with pytest.raises(InputError, match=r"'fairgrad' found no combination of a batch's gradients .*oppose each other"):
        Balancer("fairgrad", TASKS[:2]).backward([2 * parameter.sum(), -parameter.sum()], [parameter], [[], []])


def test_nash_mtl_keeps_its_last_weights_where_gradients_oppose_each_other() -> None:
    balancer, parameter = Balancer("nash-mtl", TASKS[:2], scale="paper"), nn.Parameter(torch.ones(2))
    balancer.backward([parameter[0] / 4, parameter[1] / 2], [parameter], [[], []])
    before = balancer.weights()
    assert before is not None
    balancer.backward([parameter[0] / 8, -parameter[0] / 8], [parameter], [[], []])
    after = balancer.weights()
    assert after is not None
    torch.testing.assert_close(after / after.sum(), before / before.sum())


def test_options_of_older_versions_are_taken_with_a_word() -> None:
    with pytest.warns(UserWarning, match="'cagrad' no longer uses 'norm_eps': leave it out"):
        Balancer("cagrad", TASKS[:2], {"norm_eps": 1e-4, "c": 0.3})


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("fixed", {"a": 1}, r"needs a weight for each task, and balancing.weights has none for 'b': add it, .* b: 1"),
        ("fixed", {"a": 1, "b": 1, "bb": 1}, "unknown task under balancing.weights 'bb', did you mean 'b'"),
        *(("fixed", {"a": 1, "b": bad}, r"of task 'b' is .*, expected a finite number above 0") for bad in
          (0, -1, float("nan"), float("inf"), "2", True, None)),
        ("uw", {"a": 1, "b": 2}, "'uw' takes no weights, found one for 'a': leave balancing.weights out, .* 'fixed'"),
    ],
)  # fmt: skip
def test_weights_are_checked(name: str, weights: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Balancer(name, TASKS[:2], weights=weights)


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(InputError, match="unknown scale of balancing 'papers', did you mean 'paper'"):
        Balancer("pcgrad", TASKS[:2], scale="papers")


@pytest.mark.parametrize("name", [name for name in GRADIENT if name != "gradnorm"])
def test_the_state_of_an_older_version_goes_on_at_its_scale(name: str, problem: Callable[..., Any]) -> None:
    """It kept no scale, computed in float32, and what it kept of its modules had no other names than now."""
    older, paper = problem(3), problem(3)
    torch.manual_seed(0)
    first, second = made(name, 3), Balancer(name, TASKS[:3], scale="paper")
    state = first.state()
    del state["scale"]
    first.load_state(state)
    assert first.scale == "paper"
    for _ in range(2):
        first.backward(older.losses(), older.shared, older.own)
        second.backward(paper.losses(), paper.shared, paper.own)
        assert torch.equal(older.gradient(), paper.gradient())


def in_float32(value: Any) -> Any:
    """A state as versions kept it that computed in float32."""
    match value:
        case Tensor() if value.dtype == torch.float64:
            return value.float()
        case torch.float64:
            return torch.float32
        case dict():
            return {key: in_float32(inner) for key, inner in value.items()}
        case list() | tuple():
            return type(value)(in_float32(inner) for inner in value)
    return value


@pytest.mark.parametrize("name", ["gradvac", "cr-mogm", "nash-mtl", "pcd"])
def test_what_an_older_version_remembered_is_not_forgotten(name: str, problem: Callable[..., Any]) -> None:
    easy, first, second = problem(3), Balancer(name, TASKS[:3]), Balancer(name, TASKS[:3])
    for _ in range(3):
        easy.fit(first, 1)
    second.load_state(in_float32(first.state()))
    gradients = []
    for balancer in (first, second, Balancer(name, TASKS[:3])):
        balancer.backward(easy.losses(), easy.shared, easy.own)
        gradients.append(easy.gradient())
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-4, atol=1e-5)
    if name == "cr-mogm":
        assert not torch.allclose(gradients[2], gradients[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "name", ["cagrad", "mgda", "upgrad", "dualproj", "imtl-g", "aligned-mtl", "nash-mtl", "cr-mogm"]
)
def test_the_memory_of_the_modules_of_older_versions_is_taken(name: str, problem: Callable[..., Any]) -> None:
    aggregation = pytest.importorskip("torchjd.aggregation")
    older = {
        "cagrad": lambda: aggregation.CAGradWeighting(c=0.5),
        "mgda": aggregation.MGDAWeighting,
        "upgrad": aggregation.UPGradWeighting,
        "dualproj": aggregation.DualProjWeighting,
        "imtl-g": aggregation.IMTLGWeighting,
        "aligned-mtl": aggregation.AlignedMTLWeighting,
        "nash-mtl": lambda: aggregation.NashMTL(3).weighting,
        "cr-mogm": lambda: aggregation.CRMOGMWeighting(aggregation.MGDAWeighting(), 0.9),
    }
    balancer = Balancer(name, TASKS[:3])
    memory = remember(older[name]())
    balancer.load_state({**balancer.state(), "methods": [([0, 1, 2], memory)]})
    easy = problem(3)
    easy.fit(balancer, 1)
    assert easy.gradient().isfinite().all()
