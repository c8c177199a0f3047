"""One step of training against the same sum by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from afanet.data import Batch
from afanet.tasks import Classification, Depth, Segmentation, Task
from afanet.training.module import MultiTaskModule
from afanet.training.recipe import Recipe

TASKS: dict[str, Task] = {
    "segmentation": Segmentation(["a", "b", "c"]),
    "depth": Depth(),
    "age": Classification("age", ["young", "old"]),
}


def batch() -> Batch:
    torch.manual_seed(0)
    return {
        "image": torch.randn(2, 3, 8, 8),
        "targets": {
            "segmentation": torch.randint(3, (2, 8, 8)),
            "depth": torch.rand(2, 1, 8, 8),
            "age": torch.tensor([0, -1]),
        },
        "id": ["one", "two"],
    }


@pytest.fixture
def module(
    small: Callable[..., Recipe], tiny_network: Callable[..., nn.Module], monkeypatch: pytest.MonkeyPatch
) -> MultiTaskModule:
    network = tiny_network({name: task.output for name, task in TASKS.items()})
    module = MultiTaskModule(network, TASKS, small())
    monkeypatch.setattr(module, "log_dict", lambda *arguments, **options: None)
    return module


def test_the_loss_is_the_sum_over_tasks(module: MultiTaskModule) -> None:
    data = batch()
    loss = module.training_step(data, 0)
    with torch.no_grad():
        logits = module.network(data["image"])
    expected = sum(task.loss(logits[name], data["targets"][name]) for name, task in TASKS.items())
    assert isinstance(expected, torch.Tensor)
    assert loss.detach().item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_task_without_labels_leaves_the_others_to_learn(module: MultiTaskModule) -> None:
    data = batch()
    data["targets"]["depth"] = torch.zeros(2, 1, 8, 8)
    module.training_step(data, 0).backward()
    gradients = {name: parameter.grad for name, parameter in module.network.named_parameters()}
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients.values())
    assert (gradients["branches.depth.head.weight"] == 0).all()
    assert (gradients["branches.age.head.weight"] != 0).any()


def test_images_and_weights_are_channels_last(module: MultiTaskModule) -> None:
    seen = []
    module.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    module(batch()["image"])
    assert seen[0].is_contiguous(memory_format=torch.channels_last)
    kernel = module.network.get_parameter("branches.age.backbone.0.weight")
    assert kernel.is_contiguous(memory_format=torch.channels_last)


def test_scores_are_over_all_batches_of_the_last_validation(module: MultiTaskModule) -> None:
    data = batch()
    module.eval()
    for _ in range(2):  # nothing of the first time is left in the second
        for index in range(2):
            one: Batch = {
                "image": data["image"][index : index + 1],
                "targets": {name: target[index : index + 1] for name, target in data["targets"].items()},
                "id": data["id"][index : index + 1],
            }
            module.validation_step(one, index)
        module.on_validation_epoch_end()
    logits = module(data["image"])
    for name, task in TASKS.items():
        metrics = task.metrics()
        metrics.update(task.predict(logits[name]), data["targets"][name])
        expected = {key: float(value) for key, value in metrics.compute().items()}
        assert module.scores[name] == pytest.approx(expected, rel=1e-5)


def test_checkpoints_hold_the_network_alone(module: MultiTaskModule) -> None:
    assert all(key.startswith("network.") for key in module.state_dict())
