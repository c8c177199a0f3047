"""Local weights are copied by name, reported in a line, and refused in a sentence where they do not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from afanet import InputError, Pooled, create_network
from afanet.networks.backbones import Backbone
from afanet.networks.weights import load_weights, read_state_dict

REAL = Path(__file__).parents[4] / "shared" / "data" / "weights" / "resnet18_imagenet_conv1_to_layer3.pth"


@pytest.fixture
def module() -> nn.Module:
    return nn.ModuleDict({"stem": nn.Conv2d(3, 4, 1), "stages_0": nn.BatchNorm2d(4), "head": nn.Linear(4, 2)})


def wrapped(state: dict[str, Tensor]) -> dict[str, object]:
    return {"epoch": 3, "state_dict": state}


@pytest.mark.parametrize("write", [torch.save, save_file, lambda state, path: torch.save(wrapped(state), path)])
def test_tensors_are_copied_and_counted(module: nn.Module, tmp_path: Path, write: Callable[..., None]) -> None:
    state = {"stem.weight": torch.rand(4, 3, 1, 1), "stages.0.bias": torch.rand(4), "classifier.weight": torch.rand(9)}
    path = tmp_path / ("weights.safetensors" if write is save_file else "weights.pth")
    write(state, path)
    line = load_weights(module, "net", str(path), partial=True)
    notes = "" if write in (torch.save, save_file) else " (its state_dict)"
    assert line == (
        f"net: 2 of 8 tensors loaded from {path.name}{notes}, missing: stem.* (1 of 2), stages_0.* (3 of 4), "
        "head.* (2), unused: classifier.* (1); the file has fewer than half of them, the others start at random"
    )
    assert torch.equal(module["stem"].weight, state["stem.weight"])
    assert torch.equal(module["stages_0"].bias, state["stages.0.bias"])


@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"stem.weight": torch.rand(4, 3, 3, 3)},
            r"has \(4, 3, 3, 3\) at 'stem.weight' where 'net' has",
        ),
        ({"other.weight": torch.rand(1)}, r"holds none of the tensors of 'net' \(its first is 'other.weight'\)"),
        ({}, r"holds none of the tensors of 'net' \(it is empty\)"),
        ({"stem.weight": torch.ones(4, 3, 1, 1).int()}, "has int32 at 'stem.weight': expected finite numbers"),
        ({"stem.weight": torch.ones(4, 3, 1, 1) + 1j}, "has complex64 at 'stem.weight'"),
        ({"stem.weight": torch.full((4, 3, 1, 1), torch.nan)}, "has values that are not finite at 'stem.weight'"),
        (
            {"stem.weight": torch.ones(4, 3).to_sparse()},
            "holds a sparse, quantised or empty tensor under 'stem.weight'",
        ),
        ({"stem.weight": torch.ones(4, 3, 1, 1, device="meta")}, "holds a sparse, quantised or empty tensor"),
        ([torch.rand(1)], "holds list: expected tensors by name"),
        ({"epoch": 3}, "holds int under 'epoch'"),
    ],
)
def test_other_networks_weights_are_refused(module: nn.Module, tmp_path: Path, content: object, message: str) -> None:
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(InputError, match=f"other.pth {message}"):
        load_weights(module, "net", str(tmp_path / "other.pth"))
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())


@pytest.mark.filterwarnings("ignore:Detected pickle")
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_that_are_no_weights_are_refused(tmp_path: Path, suffix: str) -> None:
    whole, broken = tmp_path / f"whole{suffix}", tmp_path / f"broken{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)({"a": torch.rand(100)}, whole)
    rng = np.random.default_rng(0)
    content = whole.read_bytes()
    contents = [content[: len(content) * i // 20] for i in range(20)]
    contents += [rng.bytes(n) for n in range(1, 200)] + [bytes([i]) * 40 for i in range(256)]
    for each in contents:
        broken.write_bytes(each)
        with pytest.raises(InputError, match=f"broken{suffix}"):
            read_state_dict(broken)
    with pytest.raises(InputError, match="is not a file"):
        read_state_dict(tmp_path)


def test_code_in_a_file_is_never_run(tmp_path: Path) -> None:
    torch.save({"net": nn.Linear(1, 1)}, tmp_path / "module.pth")
    with pytest.raises(InputError, match="cannot be read as weights"):
        read_state_dict(tmp_path / "module.pth")


@pytest.mark.skipif(not REAL.exists(), reason=f"../shared/data/weights/{REAL.name} is missing")
def test_real_weights_load_into_every_branch() -> None:
    outputs = {"age": Pooled(8), "gender": Pooled(2)}
    network = create_network("afa", outputs, "resnet18", weights=str(REAL), size=(64, 64))
    line = f"resnet18: 75 of 100 tensors loaded from {REAL.name}, missing: layer4.* (25), unused: none"
    assert network.weights_report == line
    weights = torch.load(REAL, weights_only=True)
    state = network.state_dict()
    for task in ("age", "gender"):
        assert torch.equal(state[f"branches.{task}.backbone.layer3.1.conv2.weight"], weights["layer3.1.conv2.weight"])


def test_a_flattened_stage_takes_the_names_of_timms_files(tmp_path: Path) -> None:
    backbone = Backbone("convnext_atto")
    state = {key.replace("stages_", "stages.").replace("stem_", "stem."): t for key, t in backbone.state_dict().items()}
    torch.save(state, tmp_path / "convnext.pth")
    assert load_weights(Backbone("convnext_atto"), "convnext_atto", str(tmp_path / "convnext.pth")).endswith(
        "missing: none, unused: none"
    )


def saved(model: str, folder: Path, leave_out: str = "") -> str:
    """The weights of one of timm's classifiers in a file, without those whose name ends in `leave_out`."""
    state = timm.create_model(model).state_dict()
    torch.save(
        {key: t for key, t in state.items() if not leave_out or not key.endswith(leave_out)}, folder / "file.pth"
    )
    return str(folder / "file.pth")


def test_counters_of_batches_are_not_counted(tmp_path: Path) -> None:
    """Files of before torch 0.4.1 have none."""
    file = saved("resnet18", tmp_path, leave_out="num_batches_tracked")
    line = "resnet18: 100 of 100 tensors loaded from file.pth, missing: none, unused: fc.* (2)"
    assert load_weights(Backbone("resnet18"), "resnet18", file) == line


def test_layers_of_a_deeper_network_are_named_as_unused(tmp_path: Path) -> None:
    line = load_weights(Backbone("resnet18"), "resnet18", saved("resnet34", tmp_path))
    named = [
        f"layer{stage}.{block}.* (10)"
        for stage, blocks in ((1, 3), (2, 4), (3, 6), (4, 3))
        for block in range(2, blocks)
    ]
    assert line.endswith(f", missing: none, unused: {', '.join(named)}, fc.* (2)")


def test_a_line_names_few_layers(tmp_path: Path, module: nn.Module) -> None:
    torch.save(
        {"stem.weight": torch.rand(4, 3, 1, 1)} | {f"a{i}.x": torch.ones(1) for i in range(99)}, tmp_path / "w.pth"
    )
    line = load_weights(module, "net", str(tmp_path / "w.pth"), partial=True)
    assert "a8.* (1), a9.* (1), 89 more layers;" in line


@pytest.mark.parametrize("channels", [1, 4])
def test_a_first_convolution_is_fitted_to_other_channels(channels: int, tmp_path: Path) -> None:
    state = timm.create_model("test_resnet").state_dict()
    torch.save(state, tmp_path / "rgb.pth")
    fitted = Backbone("test_resnet", in_chans=channels, weights=str(tmp_path / "rgb.pth")).eval()
    colour = Backbone("test_resnet", weights=str(tmp_path / "rgb.pth")).eval()
    grey = torch.rand(1, 1, 32, 32)
    # Of a grey image both compute the same, but for the channel that comes twice among four: 3/4 of R, G, B and R.
    same = grey.expand(1, 3, 32, 32) if channels == 1 else torch.cat([1.5 * grey, 0.75 * grey, 0.75 * grey], 1)
    with torch.no_grad():
        for ours, theirs in zip(fitted(grey.expand(1, channels, 32, 32)), colour(same), strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)
