"""What is looked at once an epoch."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from afanet.data import Batch
from afanet.fusion import AFA
from afanet.fusion.meetings import fusion_layers
from afanet.networks import create_network
from afanet.networks.outputs import Dense, Pooled
from afanet.tasks import Classification, Depth, Segmentation
from afanet.training.diagnostics import gate_statistics, gradient_cosines, pictures


def same(gradient: torch.Tensor) -> torch.Tensor:
    return gradient


def test_cosines_are_those_of_the_whole_gradients() -> None:
    torch.manual_seed(0)
    shared = [nn.Parameter(torch.randn(3, 2)), nn.Parameter(torch.randn(5))]
    weights = torch.randn(3, 11, dtype=torch.float64)
    flat = torch.cat([p.flatten() for p in shared]).double()
    actual = gradient_cosines(list(weights @ flat), ["a", "b", "c"], shared, same)
    for (i, one), (j, other) in [((0, "a"), (1, "b")), ((0, "a"), (2, "c")), ((1, "b"), (2, "c"))]:
        expected = torch.nn.functional.cosine_similarity(weights[i], weights[j], dim=0).item()
        assert actual[f"cosine/{one}/{other}"] == pytest.approx(expected, abs=1e-6)


def test_nothing_shared_has_no_cosine_and_no_gradient_no_number() -> None:
    w = nn.Parameter(torch.ones(2))
    assert gradient_cosines([w.sum(), w[0]], ["a", "b"], [], same) == {}
    [nothing] = gradient_cosines([w.sum(), 0 * w[0]], ["a", "b"], [w], same).values()
    assert nothing != nothing


KINDS = {
    "afa": {"channel", "spatial"},
    "afa_channel": {"channel"},
    "afa_spatial": {"spatial"},
    "cross_stitch": {"channel"},
    "nddr": {"channel"},
}


@pytest.mark.parametrize("method", KINDS)
def test_gates_say_what_a_task_keeps_of_its_own(method: str) -> None:
    network = create_network(method, {"a": Pooled(2), "b": Dense(1)}, "resnet10t", size=(32, 32))
    statistics = gate_statistics(network, torch.randn(2, 3, 32, 32))
    expected = {f"gate/{layer}/{kind}" for layer in fusion_layers(network) for kind in KINDS[method]}
    assert expected
    assert set(statistics) == expected | {f"{name}/spread" for name in expected}
    assert all(0 <= statistics[name] <= 1 and statistics[f"{name}/spread"] >= 0 for name in expected)
    assert not any(module._forward_hooks for module in network.modules())


def test_the_columns_of_afa_are_its_own_gates() -> None:
    """Read off each layer by hand, with the inputs that it got."""
    torch.manual_seed(0)
    network = create_network("afa", {"a": Pooled(2), "b": Dense(1)}, "resnet10t", size=(32, 32)).eval()
    images, seen = torch.randn(2, 3, 32, 32), {}

    def keep(name: str) -> Callable[..., None]:
        return lambda layer, inputs, output: seen.update({name: layer.gates(inputs[0])})

    layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, AFA)}
    handles = [layer.register_forward_hook(keep(name)) for name, layer in layers.items()]
    with torch.no_grad():
        network(images)
    for handle in handles:
        handle.remove()
    expected = {}
    for name, kinds in seen.items():
        for kind, gates in kinds.items():
            own = torch.stack([gates[:, 0, 0], gates[:, 1, 1]], -1)
            column = f"gate/{name.removeprefix('fusion.')}/{kind}"
            expected |= {column: own.mean().item(), f"{column}/spread": own.std().item()}
    assert gate_statistics(network, images) == expected


def test_cross_stitch_starts_from_nine_tenths_of_its_own() -> None:
    network = create_network("cross_stitch", {"a": Pooled(2), "b": Dense(1)}, "resnet10t", size=(32, 32))
    for name, value in gate_statistics(network, torch.randn(2, 3, 32, 32)).items():
        assert value == pytest.approx(0 if name.endswith("/spread") else 0.9, abs=1e-6)


def test_networks_without_gates_have_no_statistics() -> None:
    network = create_network("hard", {"a": Pooled(2)}, "resnet10t", size=(32, 32))
    assert gate_statistics(network, torch.randn(1, 3, 32, 32)) == {}


def test_a_picture_shows_image_truth_and_prediction_of_dense_tasks() -> None:
    tasks = {"segmentation": Segmentation(["a", "b"]), "depth": Depth(), "age": Classification("age", ["x", "y"])}
    classes = torch.zeros(1, 4, 6, dtype=torch.long)
    batch: Batch = {
        "image": torch.linspace(0, 1, 3 * 24).reshape(1, 3, 4, 6),
        "targets": {"segmentation": classes, "depth": torch.ones(1, 1, 4, 6), "age": torch.tensor([0])},
        "id": ["one"],
    }
    predictions = {"segmentation": 1 - classes, "depth": torch.ones(1, 1, 4, 6), "age": torch.tensor([1])}
    actual = pictures(batch, predictions, tasks)
    assert set(actual) == {"prediction/segmentation", "prediction/depth"}
    assert all(picture.shape == (4, 18, 3) and picture.dtype == "uint8" for picture in actual.values())
    truth, predicted = actual["prediction/segmentation"][:, 6:12], actual["prediction/segmentation"][:, 12:]
    assert (truth != predicted).any()
    assert (actual["prediction/depth"][:, 6:12] == actual["prediction/depth"][:, 12:]).all()
