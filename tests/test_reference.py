"""The original's checkpoints against what the original computed."""

from __future__ import annotations

import functools
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor

from afanet import InputError, load_reference_layer, load_reference_network

from .relatives import relatives

GOLDEN = Path(__file__).parents[2] / "shared" / "golden"
LAYERS = Path(__file__).parent / "golden_layers.npz"
NETWORKS = [
    f"{kind}_{method}" for kind in ("image", "pixel") for method in ("single", "hard", "cross_stitch", "nddr", "afa")
]
needs_golden = pytest.mark.skipif(not GOLDEN.exists(), reason="../shared/golden is missing")


@functools.cache
def original() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fill", GOLDEN / "fill.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def state_of(network: str, seed: int = 0) -> dict[str, Tensor]:
    keys = json.loads((GOLDEN / "keys.json").read_text())[network]
    return {name: original().fill(network, name, tuple(shape), seed) for name, shape in keys.items()}


def distance(actual: Tensor, expected: np.ndarray) -> float:
    return float(np.linalg.norm(actual.detach().double().numpy() - expected) / np.linalg.norm(expected))


@functools.cache
def layer_arrays() -> dict[str, np.ndarray]:
    return dict(np.load(LAYERS))


def layer_state(kind: str) -> dict[str, Tensor]:
    prefix = f"{kind}/weight/"
    arrays = layer_arrays().items()
    return {name.removeprefix(prefix): torch.from_numpy(a) for name, a in arrays if name.startswith(prefix)}


@needs_golden
@pytest.mark.parametrize("name", relatives(NETWORKS, [*NETWORKS[:5], "pixel_afa"]))
def test_a_network_computes_what_the_original_did(name: str) -> None:
    state = state_of(name)
    network = load_reference_network(state)
    assert not network.training
    with torch.no_grad():
        outputs = network(original().image(name))
    golden = {key.split("/")[1]: y for key, y in np.load(GOLDEN / "networks.npz").items() if key.startswith(f"{name}/")}
    assert list(outputs) == list(golden) != []
    for task, expected in golden.items():
        actual = outputs[task][:, :, ::16, ::16] if name.startswith("pixel") else outputs[task]
        assert actual.shape == expected.shape
        assert distance(actual, expected) <= 1e-4


@pytest.mark.parametrize("kind", ["plain", "guarded"])
def test_a_layer_computes_what_the_original_did_forward_and_backward(kind: str) -> None:
    g = {name.removeprefix(f"{kind}/"): a for name, a in layer_arrays().items() if name.startswith(f"{kind}/")}
    layer = load_reference_layer(layer_state(kind), size=(5, 6), protect=(0,) if kind == "guarded" else ())
    xs = [torch.from_numpy(g[f"x{i}"]).requires_grad_() for i in (1, 2)]
    middle = layer.cam(xs)
    ys = layer(xs)
    torch.autograd.backward(ys, [torch.from_numpy(g[f"g{i}"]) for i in (1, 2)])
    actual = {f"y{i + 1}": y for i, y in enumerate(ys)} | {f"after_cam{i + 1}": y for i, y in enumerate(middle)}
    actual |= {f"grad_x{i + 1}": x.grad for i, x in enumerate(xs)}
    actual |= {"grad/cam.fc.weight": layer.cam.W.weight.grad, "grad/sam.conv.weight": layer.sam.conv.weight.grad}
    actual |= {f"grad/cam.trans{i + 1}.weight": gradient for i, gradient in enumerate(layer.cam.P.grad)}
    actual |= {f"grad/sam.trans{i + 1}.weight": gradient for i, gradient in enumerate(layer.sam.Q.grad)}
    assert actual.keys() == {name for name in g if not name.startswith(("x", "g1", "g2", "weight/"))}
    assert {name: distance(y, g[name]) for name, y in actual.items() if distance(y, g[name]) > 1e-10} == {}


@needs_golden
def test_the_excerpt_is_the_golden_data() -> None:
    golden = np.load(GOLDEN / "layers.npz")
    assert all(np.array_equal(golden[name], layer_arrays()[name]) for name in golden)


@needs_golden
def test_networks_load_from_files_and_of_any_seed(tmp_path: Path) -> None:
    state = state_of("image_afa", seed=3)
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "best.pth")
    network = load_reference_network(tmp_path / "best.pth")
    assert torch.equal(
        network.state_dict()["fusion.backbone.layer4.2.cam.P"][1], state["layer4.2.afa_cam.cam.trans2.weight"]
    )
    assert torch.equal(network.state_dict()["branches.age.head.logits.bias"], state["B_fc.bias"])


@needs_golden
def test_wrong_networks_are_refused_in_a_sentence() -> None:
    keys = json.loads((GOLDEN / "keys.json").read_text())["image_afa"]
    state = {name: torch.zeros(shape) for name, shape in keys.items()}
    lacking = {name: tensor for name, tensor in state.items() if name != "layer2.1.B_bn2.weight"}
    gate = "layer4.0.afa_cam.cam.trans1.weight"
    for source, message in [
        (
            lacking,
            r"image afa network on resnet50, but lacks tensor 'layer2.1.B_bn2.weight' \(1 missing, 0 left over\)",
        ),
        (state | {"C_fc.weight": torch.zeros(1)}, "has the unexpected tensor 'C_fc.weight'"),
        (
            state | {"A_fc.weight": torch.zeros(3, 2048)},
            r"tensor 'A_fc.weight' has the shape \(3, 2048\), but.*\(2, 2048\)",
        ),
        (state | {gate: state[gate].T}, rf"tensor '{gate}' has the shape \(256, 2048\), but.*needs \(2048, 256\)"),
    ]:
        with pytest.raises(InputError, match=message):
            load_reference_network(source)


@pytest.mark.parametrize("load", [load_reference_network, load_reference_layer])
def test_what_is_no_checkpoint_is_refused_in_a_sentence(load, tmp_path: Path) -> None:
    whole, cut, text, odd, empty = (tmp_path / f"{name}.pth" for name in ("whole", "cut", "text", "odd", "empty"))
    torch.save({"conv1.weight": torch.zeros(2)}, whole)
    cut.write_bytes(whole.read_bytes()[:-200])
    text.write_text("no weights at all")
    torch.save([1, 2], odd)
    empty.touch()
    for source, message in [
        (tmp_path / "none.pth", "none.pth is not a file"),
        (cut, "cut.pth cannot be read as weights"),
        (text, "text.pth cannot be read as weights"),
        (empty, "empty.pth cannot be read as weights"),
        (odd, "odd.pth holds list: expected tensors by name"),
        ({}, "expected names such as|has the tensors"),
        ({"epoch": 3}, "the state dict holds int under 'epoch'"),
        (whole, "its first is 'conv1.weight'|this source lacks"),
    ]:
        with pytest.raises(InputError, match=message) as error:
            load(source)
        assert "\n" not in str(error.value)


def test_wrong_layers_are_refused_in_a_sentence() -> None:
    state = layer_state("plain")
    for source, options, message in [
        (state, {}, "for 30 pixels, which is not a square: pass size"),
        (state, {"size": (5, 5)}, r"for 30 pixels, size=\(5, 5\) has 25"),
        (state, {"size": (1, 30)}, "more than the 20 a side"),
        (state, {"size": (5, 6), "protect": (2,)}, "protect=2: expected branches from 0 to 1"),
        (state, {"size": (5, 6), "protect": 0}, r"protect=0: expected the branches, such as \(0,\)"),
        (
            {k: v for k, v in state.items() if k != "cam.fc.weight"},
            {"size": (5, 6)},
            "this source lacks 'cam.fc.weight'",
        ),
        (state | {"x": torch.zeros(1)}, {"size": (5, 6)}, "this source also has 'x'"),
        (
            state | {"cam.trans2.weight": torch.zeros(15, 32)},
            {"size": (5, 6)},
            r"'cam.trans2.weight' has the shape \(15, 32",
        ),
        (state | {"cam.fc.weight": torch.zeros(32, 30)}, {"size": (5, 6)}, r"'cam.fc.weight' has the shape \(32, 30"),
    ]:
        with pytest.raises(InputError, match=message):
            load_reference_layer(source, **options)


def test_a_layer_loads_from_a_file_in_its_dtype_and_its_gates_are_square_by_default(tmp_path: Path) -> None:
    state = {name: tensor.float() for name, tensor in layer_state("plain").items()}
    state |= {f"sam.trans{i}.weight": torch.rand(9, 9) for i in (1, 2)}
    torch.save(state, tmp_path / "layer.pth")
    layer = load_reference_layer(str(tmp_path / "layer.pth"))
    assert layer.sam.grid == (3, 3)
    assert {p.dtype for p in layer.parameters()} == {torch.float32}
    assert torch.equal(layer.sam.Q[1], state["sam.trans2.weight"])
