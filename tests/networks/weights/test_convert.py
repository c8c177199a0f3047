"""Names that are before those of timm, input channels, reports, and files that only look like a known one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import nn

from afanet import InputError
from afanet.networks.backbones import Backbone
from afanet.networks.weights import fill
from afanet.networks.weights.layouts import LAYOUTS

from .networks import CASES, SIZE, SMALL, randomised

NAME = "vit_tiny_patch16_224"
OPTIONS = SMALL | {"num_classes": 0}


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file with random weights of a ResNet-18."""
    path = tmp_path_factory.mktemp("resnet") / "resnet.pth"
    torch.save(randomised(timm.create_model("resnet18")).state_dict(), path)
    return str(path)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.module.", "backbone.", "net.encoder.trunk.", "model."])
def test_what_is_before_all_names_is_taken_away(tmp_path: Path, prefix: str) -> None:
    expected = randomised(timm.create_model(NAME, **OPTIONS)).state_dict()
    torch.save({prefix + name: tensor for name, tensor in expected.items()}, tmp_path / "prefixed.pth")
    network = timm.create_model(NAME, **OPTIONS)
    report = fill(network, NAME, str(tmp_path / "prefixed.pth"))
    assert report.missing == report.unused == ()
    shown = prefix.removeprefix("_orig_mod.").removeprefix("module.")
    assert report.notes == ((f"under '{shown}'",) if shown else ())
    assert all(torch.equal(tensor, expected[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("name", ["resnet18", NAME])
@torch.no_grad()
def test_a_grey_image_gives_what_it_gives_in_three_equal_channels(name: str, tmp_path: Path) -> None:
    torch.save(randomised(timm.create_model(name)).state_dict(), tmp_path / "file.pth")
    grey = torch.rand(1, 1, SIZE, SIZE)
    size = (SIZE, SIZE)
    colour = Backbone(name, weights=str(tmp_path / "file.pth"), size=size).eval()
    backbone = Backbone(name, weights=str(tmp_path / "file.pth"), size=size, in_chans=1).eval()
    assert "first layer adapted from 3 to 1 channels" in backbone.weights_report
    for ours, theirs in zip(backbone(grey), colour(grey.expand(-1, 3, -1, -1)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


def test_further_channels_repeat_the_colours_and_keep_the_sum(resnet: str) -> None:
    weight = torch.load(resnet, weights_only=True)["conv1.weight"]
    own = Backbone("resnet18", weights=resnet, in_chans=4).get_parameter("conv1.weight")
    torch.testing.assert_close(own, weight[:, [0, 1, 2, 0]] * 3 / 4)


def test_channels_of_an_inner_layer_are_not_adapted(resnet: str, tmp_path: Path) -> None:
    state = torch.load(resnet, weights_only=True)
    state["layer1.0.conv1.weight"] = state["layer1.0.conv1.weight"][:, :3]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"has \(64, 3, 3, 3\) at 'layer1.0.conv1.weight' where 'resnet18' has"):
        Backbone("resnet18", weights=str(tmp_path / "other.pth"))


def test_the_report_counts_every_tensor_by_module(resnet: str, tmp_path: Path) -> None:
    state = torch.load(resnet, weights_only=True)
    kept = {name: x for name, x in state.items() if not name.startswith(("layer4.1", "bn1"))}
    torch.save(kept | {"projector.0.weight": torch.ones(2)}, tmp_path / "part.pth")
    report = fill(Backbone("resnet18"), "resnet18", str(tmp_path / "part.pth"))
    assert report.by_module() == {
        "conv1": (1, 0, 0),
        "layer1": (20, 0, 0),
        "layer2": (25, 0, 0),
        "layer3": (25, 0, 0),
        "layer4": (15, 10, 0),
        "bn1": (0, 4, 0),
        "fc": (0, 0, 2),
        "projector.0": (0, 0, 1),
    }
    own = [name for name in Backbone("resnet18").state_dict() if not name.endswith("num_batches_tracked")]
    assert sorted((*report.loaded, *report.missing)) == sorted(own)
    assert len(report.used) + len(report.unused) == len([x for x in kept if "num_batches" not in x]) + 1


def test_half_of_the_tensors_is_enough_to_say_no_more(tmp_path: Path) -> None:
    module = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Linear(1, 1)})
    few = "the file has fewer than half of them, the others begin at random"
    for names, said in ((["a.weight"], True), (["a.weight", "b.bias"], False)):
        torch.save({name: module.state_dict()[name] for name in names}, tmp_path / "few.pth")
        assert fill(module, "net", str(tmp_path / "few.pth")).line().endswith(few) == said


@pytest.mark.parametrize("case", ["torchvision, Swin", "torchvision, ViT", "transformers, DINOv2 with gates"])
def test_damaged_files_of_a_known_layout_load_or_are_refused(case: str, tmp_path: Path) -> None:
    """Tensors are left out, exchanged, cut and transposed."""
    rng = np.random.default_rng(0)
    network = CASES[case]
    whole = network.theirs().state_dict()
    names = list(whole)
    for turn in range(25):
        state = dict(whole)
        for name in rng.choice(names, 4, replace=False):
            other = str(rng.choice(names))
            change = rng.integers(5)
            if change == 0:
                state.pop(name, None)
            elif change == 1:
                state[name] = whole[other]
            elif change == 2:
                state[name] = whole[name].flatten()[:1].squeeze()
            elif change == 3:
                state[name] = whole[name].mT if whole[name].dim() > 1 else whole[name][:0]
            else:
                state[f"{name}.{turn}"] = state.pop(name, torch.ones(1))
        torch.save(state, tmp_path / "damaged.pth")
        try:
            said = fill(network.ours_built(), network.ours, str(tmp_path / "damaged.pth")).line()
        except InputError as error:
            said = str(error)
        assert "damaged.pth" in said


def test_each_layout_is_told_by_its_own_names() -> None:
    """No two rows take a network for theirs, so that their order does not matter."""
    for name, case in CASES.items():
        pytest.importorskip(name.partition(",")[0])
        state = case.theirs().state_dict()
        assert len([layout for layout in LAYOUTS if layout.prefixes(state)]) <= 1, name
