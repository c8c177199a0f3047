"""Names that are before those of timm, input channels, reports, and files that only look like a known one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import nn

from afanet import Dense, InputError, Pooled, create_network
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


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.module.", "backbone.", "net.encoder.trunk.", "model.", "module.model."]
)
def test_what_is_before_all_names_is_taken_away(tmp_path: Path, prefix: str) -> None:
    expected = randomised(timm.create_model(NAME, **OPTIONS)).state_dict()
    torch.save({prefix + name: tensor for name, tensor in expected.items()}, tmp_path / "prefixed.pth")
    network = timm.create_model(NAME, **OPTIONS)
    report = fill(network, NAME, str(tmp_path / "prefixed.pth"))
    assert report.missing == report.unused == ()
    shown = prefix.removeprefix("_orig_mod.").removeprefix("module.")
    assert report.notes == ((f"under '{shown}'",) if shown else ())
    assert all(torch.equal(tensor, expected[name]) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("prefix", ["model.", "module.model.", "encoder.model."])
def test_tables_under_a_prefix_are_resampled_to_the_size_of_the_backbone(tmp_path: Path, prefix: str) -> None:
    state = randomised(timm.create_model("test_vit")).state_dict()  # for images of another size than 64
    torch.save(state, tmp_path / "plain.pth")
    torch.save({prefix + name: tensor for name, tensor in state.items()}, tmp_path / "prefixed.pth")
    plain, prefixed = Backbone("test_vit", size=(64, 64)), Backbone("test_vit", size=(64, 64))
    fill(plain, "test_vit", str(tmp_path / "plain.pth"))
    report = fill(prefixed, "test_vit", str(tmp_path / "prefixed.pth"))
    assert report.missing == ()
    assert all(torch.equal(x, plain.state_dict()[name]) for name, x in prefixed.state_dict().items())


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


def test_fewer_than_half_of_the_tensors_are_refused_unless_told(tmp_path: Path) -> None:
    module = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.Linear(1, 1)})
    file = tmp_path / "few.pth"
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    torch.save({"a.weight": torch.ones(1, 1), "c.x": torch.ones(1)}, file)
    said = (
        r"few.pth has 1 of 4 tensors of 'net', fewer than half \(missing: a.\* \(1 of 2\), b.\* \(2\), "
        r"unused: c.\* \(1\)\): give weights of this network, or set network.partial"
    )
    with pytest.raises(InputError, match=said):
        fill(module, "net", str(file))
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    few = "the file has fewer than half of them, the others start at random"
    assert fill(module, "net", str(file), partial=True).line().endswith(few)
    assert torch.equal(module.get_parameter("a.weight"), torch.ones(1, 1))
    torch.save({name: before[name] for name in ("a.weight", "b.bias")}, file)
    assert fill(module, "net", str(file)).line().endswith("missing: a.* (1 of 2), b.* (1 of 2), unused: none")


def test_a_network_takes_a_part_where_it_is_told(tmp_path: Path) -> None:
    state = timm.create_model("test_resnet").state_dict()
    torch.save({name: x for name, x in state.items() if name.startswith("layer1")}, tmp_path / "part.pth")
    options = {"backbone": "test_resnet", "weights": str(tmp_path / "part.pth"), "size": (32, 32)}
    with pytest.raises(InputError, match="has 10 of 75 tensors of 'test_resnet', fewer than half"):
        create_network("hard", {"depth": Dense(1)}, **options)
    network = create_network("hard", {"depth": Dense(1)}, **options, partial=True)
    own = network.state_dict()["branches.depth.backbone.layer1.0.conv1.weight"]
    assert torch.equal(own, state["layer1.0.conv1.weight"])


@pytest.mark.parametrize(("method", "tasks"), [("afa", 2), ("hard", 2), ("single", 1)])
@pytest.mark.parametrize("before", ["", "network."])
def test_of_a_run_the_only_backbone_is_taken_and_several_are_refused(
    tmp_path: Path, method: str, tasks: int, before: str
) -> None:
    outputs = {f"task{i}": Pooled(2) for i in range(tasks)}
    run = create_network(method, outputs, "test_vit", size=(32, 32)).state_dict()
    torch.save({"state_dict": {before + name: x for name, x in run.items()}}, tmp_path / "last.ckpt")
    backbone = Backbone("test_vit", size=(32, 32))
    if method == "afa":
        said = (
            "holds the backbones of 2 tasks, 'task0, task1'; it is of a run: start from the whole run with --start-from"
        )
        with pytest.raises(InputError, match=said):
            fill(backbone, "test_vit", str(tmp_path / "last.ckpt"))
        return
    assert fill(backbone, "test_vit", str(tmp_path / "last.ckpt")).missing == ()
    own = {f"branches.task0.backbone.{name}": x for name, x in backbone.state_dict().items()}
    assert all(torch.equal(x, run[name]) for name, x in own.items())


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
