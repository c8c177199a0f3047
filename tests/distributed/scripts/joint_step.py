"""Run by one process or two: three steps on the joint batch for each case, each process with its share."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from afanet.distributed.processes import create_fabric
from afanet.networks.outputs import Dense
from afanet.recipe.load import load_recipe
from afanet.tasks import Classification, Depth, Segmentation
from afanet.tasks.loss_options import choose_loss
from afanet.training.distilling.teacher import Answer
from afanet.training.distilling.teachers import Teachers
from afanet.training.learner import Learner

TASKS = {
    "segmentation": Segmentation(["a", "b", "c"]).with_loss({"name": "ce_dice", "class_weights": [1, 2, 3]}),
    "depth": Depth().with_loss({"name": "berhu"}),
    "far": choose_loss(Depth(name="far"), {"name": "silog", "weight": 1.5}),
    "age": Classification("age", ["young", "old"]),
}


CASES = {  # what stands in the recipe beside the name of the balancing
    "accumulated": ("equal", {"optimizer.accumulate": 2}),
    "averaged": ("equal", {"optimizer.ema": 0.5}),
    "clipped": ("equal", {"optimizer.clip": 0.01}),
    "thawing": ("equal", {"network.freeze": {"backbone": 2}, "optimizer.momentum": 0.9}),
    "skipped": ("equal", {"skip_nonfinite": True}),
    "taught": ("equal", {"distill_temperature": 2}),
    "unlabelled": ("equal", {}),
    "unlabelled-pcgrad": ("pcgrad", {}),
}


class Teacher:
    """Answers from each image alone."""

    tasks, title, digest, network = ("segmentation", "far", "age"), "teacher", "", nn.Identity()

    def answer(self, images: Tensor, *_: object) -> Answer:
        age = images.mean((1, 2, 3)).sigmoid()
        estimates = {
            "segmentation": images.softmax(1),
            "far": 1 + images.abs().mean(1, keepdim=True),
            "age": torch.stack([age, 1 - age], 1),
        }
        return Answer(estimates, {})


class Branches(nn.Module):
    """A trunk that all share, with a batch norm, and a layer for each task."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.head = nn.ModuleDict({name: nn.Conv2d(6, task.output.channels, 1) for name, task in TASKS.items()})
        self.fusion = nn.ModuleDict()
        self.branches = nn.ModuleDict({"all": nn.ModuleDict({"backbone": self.backbone, "head": self.head})})

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


def without_labels(batch: dict) -> dict:
    """Nobody has a label of depth, of far or of age, in no process."""
    targets = dict(batch["targets"])
    targets |= {name: torch.zeros_like(targets[name]) for name in ("depth", "far")}
    targets["age"] = torch.full_like(targets["age"], -1)
    return {**batch, "targets": targets}


def learn(case: str, out: Path) -> None:
    """Take the steps of a case and keep what was learnt as `CASE-WORLD-RANK.pt`."""
    balancing, options = CASES.get(case, (case, {}))
    sgd = {"optimizer.name": "sgd", "optimizer.momentum": 0, "optimizer.weight_decay": 0, "optimizer.lr": 0.1}
    plain = {"schedule.name": "constant", "schedule.warmup": 0, "device": "cpu", "precision": "float32"}
    recipe = load_recipe("rooms", sgd | plain | {"balancing.name": balancing, "data.size": [8, 8]} | options)
    fabric = create_fabric(recipe, torch.device("cpu"))
    torch.manual_seed(1)
    teachers = Teachers(recipe, TASKS, [Teacher()]) if case == "taught" else None
    learner = Learner(fabric, Branches(), TASKS, recipe, steps=3, teachers=teachers)
    learner.train()
    actual, labelled = [], []
    for step in range(3):
        learner.begin(step)
        joint = joint_batch()
        if case.startswith("unlabelled"):
            joint = without_labels(joint)
        if case == "taught":
            joint["targets"]["far"][2:] = 0  # one process has two labels, the other none
        if case == "skipped" and step == 1:
            joint["image"][0] = torch.nan  # in the share of the first process alone
        batch = share(joint, fabric.global_rank, fabric.world_size)
        losses, _ = learner.learn([batch] * recipe.optimizer.accumulate)
        actual.append(losses)
        labelled.append(learner.labelled)
    state = {name: value.clone() for name, value in learner.scored.state_dict().items()}
    kept = {"losses": torch.stack(actual), "labelled": torch.stack(labelled), "state": state}
    torch.save(kept, out / f"{case}-{fabric.world_size}-{fabric.global_rank}.pt")


if __name__ == "__main__":
    for case in sys.argv[2:]:
        learn(case, Path(sys.argv[1]))
