"""Run by two processes: one step of both together against one step on the joint batch, in float64 where tasks allow."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from afanet.networks.outputs import Dense
from afanet.tasks import Classification, Depth, Segmentation
from afanet.training.learner import Learner
from afanet.training.load import load_recipe
from afanet.training.processes import create_fabric

TASKS = {
    "segmentation": Segmentation(["a", "b", "c"]).with_loss({"class_weights": [1, 2, 3]}),
    "depth": Depth().with_loss({"name": "berhu"}),
    "far": Depth(name="far").with_loss({"name": "silog"}),
    "age": Classification("age", ["young", "old"]),
}


class Branches(nn.Module):
    """A trunk that all share, with a batch norm, and a layer for each task."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.head = nn.ModuleDict({name: nn.Conv2d(6, task.output.channels, 1) for name, task in TASKS.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        x = self.backbone(images)
        dense = {name: head(x) for name, head in self.head.items()}
        return {name: y if isinstance(TASKS[name].output, Dense) else y.mean((2, 3)) for name, y in dense.items()}


def joint_batch() -> dict[str, object]:
    torch.manual_seed(5)
    depth = torch.rand(6, 1, 8, 8) * (torch.rand(6, 1, 8, 8) > 0.5)
    depth[::2] = 0  # one process has no label of it
    classes = torch.randint(3, (6, 8, 8))
    classes[3] = 255
    targets = {"segmentation": classes, "depth": depth, "far": 1 + torch.rand(6, 1, 8, 8)}
    targets["age"] = torch.tensor([0, 1, 1, -1, 0, 1])
    return {"image": torch.randn(6, 3, 8, 8), "targets": targets, "id": list("abcdef")}


def share(batch: dict, rank: int, world: int) -> dict:
    targets = {name: target[rank::world] for name, target in batch["targets"].items()}
    return {"image": batch["image"][rank::world], "targets": targets, "id": batch["id"][rank::world]}


def main(balancing: str, out: Path) -> None:
    sgd = {"optimizer.name": "sgd", "optimizer.momentum": 0, "optimizer.weight_decay": 0, "optimizer.lr": 0.1}
    plain = {"schedule.name": "constant", "schedule.warmup": 0, "device": "cpu", "precision": "float32"}
    recipe = load_recipe("rooms", sgd | plain | {"balancing.name": balancing, "data.size": [8, 8]})
    fabric = create_fabric(recipe, torch.device("cpu"))
    torch.manual_seed(1)
    learner = Learner(fabric, Branches(), TASKS, recipe, steps=3)
    learner.train()
    found = []
    for _ in range(3):
        losses, _ = learner.learn([share(joint_batch(), fabric.global_rank, fabric.world_size)])
        found.append(losses)
    state = {name: value.clone() for name, value in learner.network.state_dict().items()}
    torch.save({"losses": torch.stack(found), "state": state}, out / f"{fabric.world_size}-{fabric.global_rank}.pt")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
