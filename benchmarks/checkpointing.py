"""What gradient checkpointing saves and costs, counted without computing: bytes kept for the backward pass, operations.

    python benchmarks/checkpointing.py

Networks of recipes on torch's meta device, in float32, with the batches of the recipe. Counted is what the forward pass
keeps beside weights and buffers, and the multiplications and additions of a forward and a backward pass.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from afanet.recipe.load import load_recipe
from afanet.runs.setup import build_network
from afanet.training.checkpointing import checkpointing
from learning import tasks_of

NORMALS = {"data.options": {"classes": 13, "normals": True}}
CASES = [
    ("nyuv2", "afa", "resnet18", {}),
    ("nyuv2", "afa", "tf_efficientnet_lite0", {}),
    ("nyuv2-13-scratch", "hard", "resnet50", NORMALS),
    ("nyuv2-13-scratch", "afa", "resnet50", NORMALS),
]


class Cost(NamedTuple):
    """Bytes that are kept, and operations of a step."""

    kept: int
    operations: int


def cost(name: str, method: str, backbone: str, options: dict[str, object], on: bool) -> Cost:
    """What a step costs, with checkpointing if `on`."""
    keys = {"network.method": method, "network.backbone": backbone, "network.checkpointing": on}
    recipe = load_recipe(name, {**keys, **options, "device": "cpu"})
    with torch.device("meta"):
        network = build_network(recipe, tasks_of(recipe), "none").train()
        images = torch.empty(recipe.batch_size, recipe.network.in_chans, *recipe.data.window)
    own = {tensor.untyped_storage()._cdata for tensor in [*network.parameters(), *network.buffers()]}
    storages: dict[int, torch.UntypedStorage] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()  # held, so that no other gets its number
        if storage._cdata not in own:
            storages[storage._cdata] = storage
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor), checkpointing(network, recipe):
        network(images)
    with FlopCounterMode(display=False) as count:
        with checkpointing(network, recipe):
            outputs = network(images)
        sum(output.square().mean() for output in outputs.values()).backward()
    return Cost(sum(storage.nbytes() for storage in storages.values()), count.get_total_flops())


def main() -> None:
    """Print the table."""
    print("| recipe, method, backbone | kept, MiB | with checkpointing | operations |\n| --- | --- | --- | --- |")
    for name, method, backbone, options in CASES:
        plain, saving = (cost(name, method, backbone, options, on) for on in (False, True))
        kept = f"{saving.kept / 2**20:.0f} ({saving.kept / plain.kept:.2f})"
        more = f"{saving.operations / plain.operations:.2f} times"
        row = f"`{name}`, `{method}`, {backbone}"
        print(f"| {row} | {plain.kept / 2**20:.0f} | {kept} | {more} |", flush=True)


if __name__ == "__main__":
    main()
