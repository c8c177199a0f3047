"""Gradient checkpointing: the backward pass computes blocks again, instead of keeping what they computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any, cast

from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from afanet.errors import InputError
from afanet.networks import Woven
from afanet.networks.frozen import batch_norms
from afanet.recipe.schema import Recipe


def check_checkpointing(recipe: Recipe, network: Woven) -> None:
    """Raise `InputError` if the recipe wants checkpointing that the network does not support."""
    if recipe.network.checkpointing and recipe.network.compile:
        raise InputError(
            "network.checkpointing computes blocks again, but network.compile itself decides what is computed "
            "again: leave one of them out"
        )
    if recipe.network.checkpointing and not network.blocks:
        raise InputError(
            f"network.checkpointing is true, but '{recipe.network.backbone}' has no blocks to compute again: leave it "
            "out, or use another backbone"
        )


@contextmanager
def checkpointing(network: nn.Module, recipe: Recipe) -> Iterator[None]:
    """A context for a forward pass in which each learning block of the backbones keeps only its input.

    The backward pass, also outside the context, runs these blocks again. They draw the same random numbers, and their
    batch norms do not count the batch twice. If the recipe does not ask for checkpointing, nothing changes. Chen et
    al., Training Deep Nets with Sublinear Memory Cost, 2016.
    """
    paths = cast(Woven, network).blocks if recipe.network.checkpointing else []
    blocks = [block for path in paths if _learns(block := network.get_submodule(path))]
    before = [{key: value for key, value in vars(block).items() if key == "forward"} for block in blocks]
    try:
        for block in blocks:
            vars(block)["forward"] = partial(_run, block, block.forward)
        yield
    finally:
        for block, forward in zip(blocks, before, strict=True):
            del block.forward
            vars(block).update(forward)


def _learns(block: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in block.parameters())


def _run(block: nn.Module, forward: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    again = partial(_contexts, block)
    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=again, **options)


def _contexts(block: nn.Module) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _OnCopies(block)


class _OnCopies(AbstractContextManager[None]):
    """A context in which batch norms compute as at its creation, and update only copies of their statistics.

    Without the copies, the second pass would save different tensors from the first, which autograd refuses.
    """

    def __init__(self, block: nn.Module) -> None:
        self.norms = [(norm, norm.track_running_stats) for norm in batch_norms(block) if norm.training]
        self.before: list[tuple[dict[str, Tensor | None], bool]] = []

    def __enter__(self) -> None:
        self.before = [(dict(norm.named_buffers(recurse=False)), norm.track_running_stats) for norm, _ in self.norms]
        for norm, tracks in self.norms:
            norm.track_running_stats = tracks
            for name, buffer in norm.named_buffers(recurse=False):
                setattr(norm, name, buffer.clone())

    def __exit__(self, *error: object) -> None:
        for (norm, _), (buffers, tracks) in zip(self.norms, self.before, strict=True):
            norm.track_running_stats = tracks
            for name, buffer in buffers.items():
                setattr(norm, name, buffer)
