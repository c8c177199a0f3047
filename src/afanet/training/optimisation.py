"""How fast each parameter learns: groups by part of the network, and the schedule over the run."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from afanet.errors import shown, unknown
from afanet.networks.freeze import TASK
from afanet.networks.parts import find_part
from afanet.networks.woven import SHARED_EXPERT, Woven

if TYPE_CHECKING:  # balancing needs no pydantic, and imports from here
    from afanet.recipe.schema import OptimizerRecipe, ScheduleRecipe

ADAM = ("exp_avg", "exp_avg_sq", "step")  # the state that Adam keeps of a parameter


def slots(recipe: OptimizerRecipe) -> tuple[str, ...]:
    """The names of the state that the recipe's optimiser keeps of each parameter: none for SGD without momentum.

    >>> from afanet.recipe.schema import OptimizerRecipe
    >>> [slots(OptimizerRecipe(name="sgd", lr=1, weight_decay=0, momentum=m)) for m in (0.9, 0)]
    [('momentum_buffer',), ()]
    """
    if recipe.name == "sgd":
        return ("momentum_buffer",) if recipe.momentum else ()
    return ADAM


def part_of(name: str) -> str:
    """The part that a parameter of a network belongs to: `backbone`, `head` or `fusion`.

    >>> part_of("branches.depth.backbone.conv1.weight"), part_of("fusion.layer4.cam.reduce")
    ('backbone', 'fusion')
    """
    parts = name.split(".")
    within = parts[0] == "branches" or parts[:2] == ["fusion", SHARED_EXPERT]
    part = parts[2] if within and len(parts) > 2 else parts[0]
    if part not in ("backbone", "head", "fusion"):
        raise ValueError(f"parameter '{name}' belongs to no part, expected branches.TASK.backbone|head or fusion")
    return part


def parameter_groups(
    network: nn.Module, recipe: OptimizerRecipe, fusion_rate: float | None = None
) -> list[dict[str, Any]]:
    """Every trainable parameter in exactly one group, by part and by whether it decays.

    If the recipe has no factor for the fusion layers, it is the method's `fusion_rate`, else that of the heads. Norms
    and biases do not decay, unless `decay_all` says so. If the recipe has a rate for a task, the parameters of that
    task alone are in groups of their own. Raises `ValueError` for a parameter of no part, because the optimiser must
    have every trainable one, and `InputError` for the rate of an unknown task.
    """
    groups: dict[tuple[str, str, bool], list[nn.Parameter]] = {}
    by_task = [what for what in recipe.rates if what.startswith(TASK)]
    for what in by_task:
        tasks = [name for name, _ in cast(Woven, network).branches.named_children()]
        if (task := what.removeprefix(TASK)) not in tasks:
            raise unknown("task of optimizer.rates", task, tasks)
    owner = {parameter: what for what in by_task for parameter in find_part(cast(Woven, network), what).parameters()}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            key = part_of(name), owner.get(parameter, ""), recipe.decay_all or parameter.ndim > 1
            groups.setdefault(key, []).append(parameter)
    grouped = {id(parameter) for group in groups.values() for parameter in group}
    assert grouped == {id(parameter) for parameter in network.parameters() if parameter.requires_grad}
    fusion = next(rate for rate in (recipe.fusion, fusion_rate, recipe.head) if rate is not None)
    factors = {"backbone": recipe.backbone, "head": recipe.head, "fusion": fusion, "": 1.0, **recipe.rates}
    return [
        {
            "name": f"{part} {task.removeprefix(TASK)}".strip(),
            "params": parameters,
            "lr": recipe.lr * factors[part] * factors[task],
            "weight_decay": recipe.weight_decay if decays else 0.0,
        }
        for (part, task, decays), parameters in groups.items()
    ]


def create_optimizer(
    network: nn.Module,
    recipe: OptimizerRecipe,
    balancing: Iterable[nn.Parameter] = (),
    fusion_rate: float | None = None,
) -> Optimizer:
    """The recipe's optimiser over the network's parameter groups and one more group, what the balancing learns.

    The latter learns at the rate `lr` and does not decay.
    """
    groups = parameter_groups(network, recipe, fusion_rate)
    if weights := list(balancing):
        groups.append({"name": "balancing", "params": weights, "lr": recipe.lr, "weight_decay": 0.0})
    for group in groups:
        group["initial_lr"] = group["lr"]
    if recipe.name == "sgd":
        return SGD(groups, lr=recipe.lr, momentum=recipe.momentum, fused=True)
    kind = AdamW if recipe.name == "adamw" else Adam
    return kind(groups, lr=recipe.lr, betas=(recipe.momentum, 0.999), fused=True)


def factor(recipe: ScheduleRecipe, step: int, steps: int, epochs: int) -> float:
    """The factor on the learning rate at `step` of `steps`, counted from 0, in a run of `epochs`.

    With w warm-up steps, the factor first rises as (step + 1) / w. Then, with t from 0 to 1 over the remaining steps
    (or over the first `over` epochs, after which the factor stays), it is (1 - t)^power for poly, (1 + cos(pi t)) / 2
    for cosine, gamma to the power of how often `every` epochs have passed for step, and 1 for constant; never below
    `floor`.

    >>> from afanet.recipe.schema import ScheduleRecipe
    >>> recipe = ScheduleRecipe(name="cosine", warmup=0.2)
    >>> [round(factor(recipe, step, 10, epochs=5), 2) for step in range(10)]
    [0.5, 1.0, 1.0, 0.96, 0.85, 0.69, 0.5, 0.31, 0.15, 0.04]
    """
    warmup = round(recipe.warmup * steps)
    if step < warmup:
        return (step + 1) / warmup
    end = steps if recipe.over is None else round(steps * recipe.over / epochs)
    t = min((step - warmup) / max(end - warmup, 1), 1.0)
    match recipe.name:
        case "poly":
            shape = float((1 - t) ** recipe.power)
        case "cosine":
            shape = (1 + math.cos(math.pi * t)) / 2
        case "step":
            shape = recipe.gamma ** (step * epochs // (steps * recipe.every))
        case "constant":
            shape = 1.0
    return max(shape, recipe.floor)


def slots_fault(state: Mapping[Any, Any], parameters: Sequence[Tensor], slots: Collection[str]) -> str | None:
    """Why `state`, by the parameters' numbers, is not the state of an optimiser with these `slots` of `parameters`.

    >>> slots_fault({0: {"momentum_buffer": torch.zeros(2)}}, [torch.zeros(3)], ["momentum_buffer"])
    "'momentum_buffer' of parameter 0 is (2,), expected (3,)"
    """
    for number, kept in state.items():
        if number not in range(len(parameters)):
            return f"it has parameter {shown(number)}, expected {len(parameters)} of them"
        if not isinstance(kept, dict) or set(kept) not in (set(), set(slots)):
            return f"it has {shown(kept)} of parameter {number}, expected {', '.join(slots)}"
        for name, value in kept.items():
            shape = torch.Size() if name == "step" else parameters[number].shape
            if not isinstance(value, Tensor) or value.shape != shape or not value.is_floating_point():
                kind = tuple(value.shape) if isinstance(value, Tensor) and value.shape != shape else shown(value)
                return f"'{name}' of parameter {number} is {kind}, expected {tuple(shape)}"
            dtype = torch.float32 if name == "step" else parameters[number].dtype
            if value.dtype != dtype:
                return f"'{name}' of parameter {number} is {value.dtype}, expected {dtype}"
            if value.isnan().any():
                return f"'{name}' of parameter {number} has values that are not numbers"
    return None


def set_rates(optimizer: Optimizer, scale: float) -> None:
    """Give every group `scale` times the learning rate that it was created with."""
    for group in optimizer.param_groups:
        group["lr"] = scale * group["initial_lr"]
