"""Measured once an epoch: how far the tasks' gradients agree, and how much the fusion layers let through."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from afanet.data import Batch, Collate, Data
from afanet.data.transforms import denormalise
from afanet.distributed.device import answering
from afanet.fusion.guard import GradientGuard
from afanet.fusion.inspect import record_gates
from afanet.fusion.meetings import connections, fusion_layers
from afanet.normalisation import IMAGENET, Normalisation
from afanet.tasks import DenseTask, Task


def gradient_cosines(
    losses: Sequence[Tensor], tasks: Sequence[str], shared: Sequence[nn.Parameter], average: Callable[[Tensor], Tensor]
) -> dict[str, float]:
    """For each pair of tasks, the cosine between their losses' gradients in the parameters that they share.

    It is -1 where the tasks pull apart and 1 where they agree; `average` is applied to each gradient first. The dict is
    empty without shared parameters; the cosine of a task without a gradient is NaN.

    >>> w = nn.Parameter(torch.ones(2))
    >>> gradient_cosines([w[0], w.sum()], ["a", "b"], [w], average=lambda gradient: gradient)
    {'cosine/a/b': 0.707...}
    """
    if not shared:
        return {}
    gradients = []
    for loss in losses:
        parts = torch.autograd.grad(loss, list(shared), retain_graph=True, allow_unused=True, materialize_grads=True)
        gradients.append([average(part) for part in parts])
    products = torch.stack([torch.stack([_product(a, b) for b in gradients]) for a in gradients])
    lengths = products.diagonal().sqrt()
    cosines = (products / lengths / lengths[:, None]).tolist()
    return {f"cosine/{tasks[i]}/{tasks[j]}": cosines[i][j] for i, j in combinations(range(len(tasks)), 2)}


def _product(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    return torch.stack([(x.float() * y.float()).sum() for x, y in zip(a, b, strict=True)]).sum()


def gate_statistics(network: nn.Module, images: Tensor) -> dict[str, float]:
    """For each fusion layer, the mean and spread of the share of its own features that a task keeps, by kind of gate.

    A layer has gates by channel, by pixel or both. The share is 1 if a task keeps only its own features, 1 / N if it
    takes equally from all. `network` is called in eval mode.
    """
    statistics: dict[str, float] = {}
    if not any(layer.offers_gates for layer in fusion_layers(network).values()):
        return statistics
    network.eval()
    with record_gates(network) as recorded, torch.no_grad():
        network.forward(images)  # uncompiled, so that the hooks are called
    pairs = connections(network)
    for layer, kinds in recorded.items():
        readers = sorted({to for to, _ in pairs[layer]})
        for kind, gates in kinds.items():
            own = gates.diagonal(dim1=1, dim2=2)[..., readers]
            statistics |= {f"gate/{layer}/{kind}": own.mean().item(), f"gate/{layer}/{kind}/spread": own.std().item()}
    return statistics


def pictures(
    batch: Batch, predictions: Mapping[str, Tensor], tasks: Mapping[str, Task], normalisation: Normalisation = IMAGENET
) -> dict[str, NDArray[np.uint8]]:
    """For each dense task, one picture (H, 3 W, 3): the batch's first image, its truth and its prediction."""
    photo = denormalise(batch["image"][0], normalisation)
    return {
        f"prediction/{name}": np.concatenate(
            [photo, task.picture(batch["targets"][name][0]), task.picture(predictions[name][0])], axis=1
        )
        for name, task in tasks.items()
        if isinstance(task, DenseTask)
    }


def held_out_pictures(
    fabric: Fabric, network: nn.Module, tasks: Mapping[str, Task], data: Data
) -> dict[str, NDArray[np.uint8]]:
    """`pictures` of a held-out image, from the validation split if there is one; `network` is left in eval mode."""
    split = data.validation or data.test
    batch = fabric.to_device(Collate(data.tasks)([split[0]]))
    network.eval()
    with answering(fabric.device):
        logits = network(batch["image"])
    predictions = {name: task.predict(logits[name]) for name, task in tasks.items()}
    return pictures(batch, predictions, tasks, data.normalisation)


def guard_rates(
    guards: Mapping[str, GradientGuard], tasks: Sequence[str], members: Mapping[str, Sequence[int]] | None = None
) -> dict[str, float]:
    """The share of the backward passes since the last call in which each guard kept a branch's own gradient.

    `members` says for a fusion layer which tasks meet in it, by number from 0; by default, all.
    """
    rates: dict[str, float] = {}
    for name, guard in guards.items():
        shares = (guard.acted / guard.passes.clamp(min=1)).tolist()
        layer = name.removeprefix("fusion.").removesuffix(".guard")
        some = (numbers for outer, numbers in (members or {}).items() if f"{layer}.".startswith(f"{outer}."))
        met = [tasks[number] for number in next(some, range(len(tasks)))]
        rates |= {f"guard/{layer}/{task}": share for task, share in zip(met, shares, strict=True)}
        guard.acted.zero_()
        guard.passes.zero_()
    return rates
