"""Where features are strong: what a student learns from a teacher's features, whatever their channel counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from afanet.tasks.across import Across


@contextmanager
def head_inputs(network: nn.Module, tasks: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """The last features (B, C, H, W) that each task's head takes, filled in by a forward pass inside the context.

    >>> import torch
    >>> from afanet import Pooled, create_network
    >>> network = create_network("hard", {"scene": Pooled(5)}, "resnet18", size=(64, 96)).eval()
    >>> with head_inputs(network, ["scene"]) as features:
    ...     logits = network(torch.rand(2, 3, 64, 96))
    >>> features["scene"].shape
    torch.Size([2, 512, 2, 3])
    """
    features: dict[str, Tensor] = {}

    def keep(task: str, head: nn.Module, inputs: Any) -> None:
        features[task] = [x for x in tree_leaves(inputs) if isinstance(x, Tensor) and x.ndim == 4][-1]

    heads = {task: network.get_submodule(f"branches.{task}.head") for task in tasks}
    hooks = [head.register_forward_pre_hook(partial(keep, task)) for task, head in heads.items()]
    try:
        yield features
    finally:
        for hook in hooks:
            hook.remove()


def attention(features: Tensor) -> Tensor:
    """The mean square over the channels of features (B, C, H, W), float32 (B, H, W)."""
    return features.float().square().mean(1)


def attention_loss(ours: Tensor, theirs: Tensor, across: Across) -> Tensor:
    """How far two attentions differ: the mean over images of |a / |a| - b / |b||^2, from 0 to 2.

    Zagoruyko & Komodakis, 2017, arXiv:1612.03928, who raise it to a power and sum over several layers.

    Args:
        ours: (B, H, W), of the network that learns.
        theirs: (B, h, w), of the teacher, resized if need be.
        across: sums over the processes that train together.

    >>> import torch
    >>> from afanet.tasks.across import ALONE
    >>> attention_loss(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, 5.0]]]), ALONE)
    tensor(2.)
    """
    if ours.shape != theirs.shape:
        theirs = F.interpolate(theirs[:, None], ours.shape[1:], mode="bilinear", antialias=True)[:, 0]
    difference = F.normalize(ours.flatten(1), dim=1) - F.normalize(theirs.flatten(1), dim=1)
    terms = difference.square().sum(1)
    return across.mean(terms.sum(), terms.new_tensor(len(terms)))
