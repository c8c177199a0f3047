"""A file of adapters holds what was learnt and no more, and goes onto the very backbone that it was learnt on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from afanet import Dense, InputError, Pooled, create_network
from afanet.networks import load_adapters, save_adapters
from afanet.networks.lora.file import KEY
from afanet.networks.woven import Woven
from afanet.normalisation import Normalisation

OUTPUTS = {"depth": Dense(1), "scene": Pooled(5)}


def make(method: str = "hard", seed: int = 0, learnt: int | None = None, **options: Any) -> Woven:
    """A network on a backbone of weights by `seed`, and with `learnt` other adapters, heads and fusion layers."""
    torch.manual_seed(seed)
    lora = {"rank": 2, "where": "all"} | options.pop("lora", {})
    given = {"outputs": OUTPUTS, "backbone": "test_resnet", "head": "linear"} | options
    network = create_network(method, size=(64, 64), lora=lora, **given).eval()
    if learnt is not None:
        torch.manual_seed(learnt)
        with torch.no_grad():
            for parameter in network.parameters():
                if parameter.requires_grad:
                    parameter.normal_(std=0.1)
            for name, buffer in network.named_buffers():
                if ".head." in name and buffer.is_floating_point():
                    buffer.uniform_(0.5, 1)
    return network


@pytest.fixture
def image() -> Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapters") / "adapters.safetensors"
    save_adapters(make(learnt=1), path)
    return path


@pytest.mark.parametrize(("method", "by"), [("hard", "task"), ("afa", "task"), ("afa", "shared")])
def test_what_was_learnt_goes_onto_the_same_backbone(method: str, by: str, tmp_path: Path, image: Tensor) -> None:
    trained, fresh = make(method, learnt=1, lora={"by": by}), make(method, lora={"by": by})
    path = tmp_path / "adapters.safetensors"
    save_adapters(trained, path)
    assert not torch.equal(fresh(image)["depth"], trained(image)["depth"])
    load_adapters(fresh, path)
    assert all(torch.equal(fresh(image)[task], output) for task, output in trained(image).items())
    learnt = [*(p for p in trained.parameters() if p.requires_grad)]
    learnt += [buffer for name, buffer in trained.named_buffers() if ".backbone." not in name]
    assert sum(tensor.nbytes for tensor in load_file(path).values()) == sum(tensor.nbytes for tensor in learnt)


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (lambda: make(seed=3), "for other weights of 'test_resnet' than those of the network"),
        (lambda: make(backbone="test_efficientnet"), "for backbone 'test_resnet', but the network has 'test_eff"),
        (lambda: make(lora={"rank": 4}), "for lora rank 2, but the network has 4"),
        (lambda: make(lora={"by": "task"}), "for lora by 'shared', but the network has 'task'"),
        (lambda: make(outputs={"depth": Dense(1)}), "'branches.scene.head.*' is only in the file"),
        (lambda: make(outputs=OUTPUTS | {"scene": Pooled(6)}), r"has \(5.*\) at 'branches.scene.head.*', expected \(6"),
        (lambda: create_network("hard", OUTPUTS, "test_resnet"), "the network has no adapters"),
    ],
)
def test_other_networks_are_refused(network: Callable[[], Woven], said: str, file: Path) -> None:
    made = network()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    with pytest.raises(InputError, match=said):
        load_adapters(made, file)
    assert all(torch.equal(tensor, before[name]) for name, tensor in made.state_dict().items())


def whole(file: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(file, "pt") as reader:
        described: dict[str, Any] = json.loads(reader.metadata()[KEY])
    return described


def test_it_says_how_images_are_normalised_if_it_is_given(file: Path, tmp_path: Path) -> None:
    save_adapters(make(learnt=1), tmp_path / "adapters.safetensors", Normalisation((0.1, 0.2, 0.3), (1.0, 2.0, 3.0)))
    described = whole(tmp_path / "adapters.safetensors")
    assert described == whole(file) | {"mean": [0.1, 0.2, 0.3], "std": [1, 2, 3]}
    load_adapters(make(), tmp_path / "adapters.safetensors")


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (lambda told: None, "is not a file of adapters"),
        (lambda told: {"other": "x"}, "is not a file of adapters"),
        (lambda told: {KEY: "[1]"}, "is not a file of adapters"),
        (lambda told: {KEY: "{"}, "the metadata of .* is not JSON"),
        (lambda told: {KEY: json.dumps(told | {"format": 2})}, "in format 2, expected 1"),
        (lambda told: {KEY: json.dumps({"format": 1})}, "for backbone None"),
        (lambda told: {KEY: json.dumps(told | {"rank": [2] * 10**4})}, "for lora rank"),
    ],
)
def test_odd_files_are_refused(metadata: Any, said: str, file: Path, tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    save_file(load_file(file), path, metadata(whole(file)))
    with pytest.raises(InputError, match=said) as caught:
        load_adapters(make(), path)
    assert len(str(caught.value)) < 500


def test_damaged_files_are_refused(file: Path, tmp_path: Path) -> None:
    network, path = make(), tmp_path / "odd.safetensors"
    with pytest.raises(InputError, match="cannot be read"):
        load_adapters(network, path)
    path.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(InputError, match="is not a file of adapters"):
        load_adapters(network, path)
    tensors = load_file(file)
    next(tensor for name, tensor in tensors.items() if "lora" in name)[0] = torch.nan
    save_file(tensors, path, {KEY: json.dumps(whole(file))})
    with pytest.raises(InputError, match="not finite at 'branches"):
        load_adapters(network, path)
