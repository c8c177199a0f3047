from __future__ import annotations

import pytest
import torch
from torchvision import tv_tensors

from afanet.data.sample import Collate, Sample
from afanet.data.sets.rooms.rooms import open_rooms
from afanet.tasks import Classification, Depth, Segmentation, Task


def test_a_batch_is_its_samples_in_order_as_plain_tensors():
    data = open_rooms(size=(24, 32), train_scenes=3)
    samples = [data.test[i] for i in (2, 0, 1)]
    batch = Collate(data.tasks)(samples)
    assert batch["id"] == [sample["id"] for sample in samples]
    assert batch["image"].shape == (3, 3, 24, 32)
    assert batch["targets"]["depth"].shape == (3, 1, 24, 32)
    assert batch["targets"]["segmentation"].shape == (3, 24, 32)
    for number, sample in enumerate(samples):
        assert torch.equal(batch["image"][number], sample["image"])
        assert all(torch.equal(batch["targets"][task][number], value) for task, value in sample["targets"].items())
    assert {type(value) for value in (batch["image"], *batch["targets"].values())} == {torch.Tensor}
    assert batch["image"].is_contiguous()


TASKS: list[Task] = [Segmentation(["floor", "wall"], void=9), Depth(), Classification("age", ["young", "old"])]


def test_what_a_sample_lacks_is_unlabelled_in_the_batch():
    image = tv_tensors.Image(torch.zeros(3, 4, 6))
    targets = {"segmentation": torch.ones(4, 6, dtype=torch.long), "depth": torch.ones(1, 4, 6), "age": torch.tensor(1)}
    samples: list[Sample] = [{"image": image, "targets": {name: targets[name]}, "id": name} for name in targets]
    batch = Collate({task.name: task for task in TASKS})(samples)
    for task in TASKS:
        labelled = task.labelled(batch["targets"][task.name]).flatten(1) if task.name != "age" else None
        rows = batch["targets"]["age"] != -1 if labelled is None else labelled.all(1)
        assert rows.tolist() == [name == task.name for name in targets]
        assert labelled is None or torch.equal(labelled.any(1), rows)
        assert batch["targets"][task.name].dtype == targets[task.name].dtype


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_batch_without_a_label_has_no_loss_and_no_gradient(task):
    target = torch.stack([task.unlabelled((4, 6))] * 3)
    shape = (3, task.output.channels, 4, 6) if target.ndim > 2 else (3, task.output.channels)
    logits = torch.randn(shape, requires_grad=True)
    loss = task.loss(logits, target)
    loss.backward()
    assert not task.labelled(target).any()
    assert loss.item() == 0
    assert torch.equal(logits.grad, torch.zeros(shape))
