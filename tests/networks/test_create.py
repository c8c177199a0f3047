"""Networks by method: every method, every kind of output, any backbone with stages."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from afanet import AFA, NDDR, CrossStitch, Dense, InputError, Pooled, create_network
from afanet.fusion import Fusion
from afanet.networks import METHODS, Woven, create
from afanet.networks.backbones import Backbone

from ..relatives import relatives

OUTPUTS = {
    "dense": {"segmentation": Dense(13), "depth": Dense(1)},
    "pooled": {"gender": Pooled(2), "age": Pooled(8)},
    "both": {"depth": Dense(1), "scene": Pooled(5), "segmentation": Dense(4)},
}
POOLED = [method for method in METHODS if not METHODS[method].dense]  # those that take pooled tasks, too
small = partial(create_network, backbone="resnet18", size=(65, 97), head="linear")  # other heads: heads/


@pytest.mark.parametrize("kind", relatives(OUTPUTS, ["pooled", "both"]))
@pytest.mark.parametrize("method", POOLED)
def test_every_method_gives_every_output_at_any_size(method: str, kind: str) -> None:
    network = small(method, OUTPUTS[kind]).eval()
    for height, width in [(65, 97), (43, 57)]:
        with torch.no_grad():
            outputs = network(torch.rand(1, 3, height, width))
        assert list(outputs) == list(OUTPUTS[kind])
        for task, wanted in OUTPUTS[kind].items():
            shape = (1, wanted.channels, height, width) if isinstance(wanted, Dense) else (1, wanted.channels)
            assert outputs[task].shape == shape


@pytest.mark.parametrize(
    ("method", "points", "layer"),
    [
        ("single", [], None),
        ("hard", [], None),
        ("mtan", [], None),
        ("cross_stitch", ["after_layer1", "layer2", "layer3", "layer4"], CrossStitch),
        ("nddr", ["after_layer1", "layer2", "layer3", "layer4"], NDDR),
        ("afa", ["layer4.0", "layer4.1"], AFA),
    ],
)
def test_methods_meet_where_they_should(method: str, points: list[str], layer: type[Fusion]) -> None:
    network = small(method, OUTPUTS["pooled"])
    actual = {
        name: type(module) for name, module in network.named_modules() if isinstance(module, CrossStitch | NDDR | AFA)
    }
    assert actual == {f"fusion.backbone.{point}": layer for point in points}


@pytest.mark.parametrize(("method", "half"), [("afa_channel", "cam"), ("afa_spatial", "sam")])
def test_a_half_of_afa_is_that_layer_of_it(method: str, half: str) -> None:
    whole = {
        name.replace(f".{half}.", ".")
        for name in small("afa", OUTPUTS["pooled"]).fusion.state_dict()
        if f".{half}." in name
    }
    assert whole == set(small(method, OUTPUTS["pooled"]).fusion.state_dict())


@pytest.mark.parametrize(
    ("method", "meet", "trunk", "points"),
    [
        ("afa", "stages", None, ["after_layer1", "layer2", "layer3", "layer4"]),
        ("afa", "stages", 2, ["layer3", "layer4"]),
        ("afa", "blocks", 3, ["layer4.0", "layer4.1"]),
        ("nddr", "blocks", 2, ["layer3.0", "layer3.1", "layer4.0", "layer4.1"]),
        ("cross_stitch", None, 1, ["layer2", "layer3", "layer4"]),
        ("cross_stitch", "last_blocks", None, ["layer4.0", "layer4.1"]),
        ("hard", None, 2, []),
    ],
)
@pytest.mark.parametrize("kind", ["dense", "both"])
def test_branches_meet_and_part_where_they_are_told_to(
    method: str, meet: str | None, trunk: int | None, points: list[str], kind: str
) -> None:
    network = create_network(method, OUTPUTS[kind], "resnet18", size=(65, 97), meet=meet, trunk=trunk, head="linear")
    layers = {name.removeprefix("fusion.backbone.") for name, m in network.named_modules() if isinstance(m, Fusion)}
    assert {name for name in layers if not name.endswith((".cam", ".sam"))} == set(points)
    first, *_, last = OUTPUTS[kind]
    own = {name.split(".")[3] for name, _ in network.named_parameters() if name.startswith(f"branches.{last}.backbone")}
    stages = ["layer1", "layer2", "layer3", "layer4"]
    assert own & set(stages) == set(stages[trunk or 0 :])
    outputs = network(torch.rand(2, 3, 65, 97))
    outputs[last].sum().backward()
    # what all share, every task trains
    stem = network.get_parameter(f"branches.{first}.backbone.conv1.weight").grad
    assert stem is not None
    assert stem.any()
    with torch.no_grad():
        assert network.eval()(torch.rand(1, 3, 43, 57))[first].shape[-2:] == (43, 57)


@pytest.mark.parametrize(
    ("method", "options", "said"),
    [
        ("afa", {"meet": "stage"}, "did you mean 'stages'"),
        ("hard", {"meet": "stages"}, "no fusion layers"),
        ("single", {"trunk": 1}, "cannot share a trunk"),
        ("mtan", {"trunk": 1}, "cannot share a trunk"),
        ("afa", {"trunk": 4}, "expected 1 to 3"),
        ("nddr", {"per_task": True}, "no gates"),
    ],
)
def test_what_a_method_cannot_do_is_refused(method: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        create_network(method, OUTPUTS["pooled"], "resnet18", size=(65, 97), **options)


@pytest.mark.parametrize("method", METHODS)
def test_the_three_tasks_of_nyuv2_train_a_step(method: str) -> None:
    outputs = {"segmentation": Dense(13), "depth": Dense(1), "normals": Dense(3)}
    network = create_network(method, outputs, "test_resnet", size=(64, 96)).train()
    predicted = network(torch.rand(2, 3, 64, 96))
    assert {task: predicted[task].shape for task in outputs} == {
        task: (2, output.channels, 64, 96) for task, output in outputs.items()
    }
    sum(y.square().mean() for y in predicted.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.slow
def test_forty_attributes_are_forty_tasks() -> None:
    outputs = {f"attribute{i}": Pooled(1) for i in range(40)}
    network = create_network("afa", outputs, "resnet10t", size=(32, 32)).train()
    for _ in range(2):
        predicted = network(torch.rand(2, 3, 32, 32))
        sum(y.square().mean() for y in predicted.values()).backward()
        network.fusion.backbone.layer4.get_submodule("0").sam.conv.weight.data.neg_()  # one of the two passes the ReLU
    assert list(predicted) == list(outputs)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert all(p.grad.any() for p in network.fusion.parameters())


@pytest.mark.parametrize("method", ["hard", "mtan"])
def test_one_trunk_is_built_once(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    monkeypatch.setattr(create, "Backbone", lambda *args, **options: built.append(args) or Backbone(*args, **options))
    small(method, OUTPUTS["both"])
    assert built == [("resnet18",)]


def test_hard_sharing_has_one_backbone_and_a_head_a_task() -> None:
    single, hard = (small(method, OUTPUTS["both"]) for method in ("single", "hard"))
    size = {name: sum(p.numel() for p in part.parameters()) for name, part in single.branches.named_children()}
    trunk = sum(p.numel() for p in single.branches.depth.backbone.parameters())
    assert sum(p.numel() for p in hard.parameters()) == sum(size.values()) - 2 * trunk
    names = [name for name, _ in hard.named_parameters() if ".backbone." in name]
    assert names
    assert all(name.startswith("branches.depth.backbone.") for name in names)


def test_the_single_branches_do_not_touch() -> None:
    network = small("single", OUTPUTS["pooled"])
    network(torch.rand(2, 3, 65, 97))["age"].sum().backward()
    assert all(p.grad is None for p in network.branches.gender.parameters())
    assert all(p.grad is not None for p in network.branches.age.parameters())


def test_the_decoder_taps_what_did_not_meet() -> None:
    network = small("cross_stitch", OUTPUTS["dense"], head="deeplabv3plus").eval()
    taps = []
    network.branches.depth.head.low.register_forward_hook(lambda module, args, output: taps.append(args[0]))
    image = torch.rand(1, 3, 65, 97)
    network(image)
    assert torch.equal(taps[0], network.branches.depth.backbone(image)[0])


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_the_output_stride_is_that_of_the_last_features(stride: int) -> None:
    network = small("afa", OUTPUTS["dense"], output_stride=stride, multi_grid=None if stride == 32 else (1, 2))
    assert network.fusion.backbone.layer4.get_submodule("0").size == (-(-65 // stride), -(-97 // stride))


@pytest.mark.parametrize(
    ("backbone", "outputs"),
    [
        ("convnext_atto", "both"),
        ("mobilenetv3_small_050", "pooled"),
        pytest.param("mobilenetv2_050", "both", marks=pytest.mark.slow),
        pytest.param("swin_tiny_patch4_window7_224", "pooled", marks=pytest.mark.slow),
    ],
)
def test_any_backbone_with_stages_will_do(backbone: str, outputs: str) -> None:
    network = create_network("afa", OUTPUTS[outputs], backbone, size=(64, 64))
    sum(y.square().sum() for y in network(torch.rand(2, 3, 64, 64)).values()).backward()
    assert list(network.fusion.parameters())
    assert all(p.grad is not None for p in network.parameters())


def test_options_go_to_the_fusion_layers_and_kinds_may_be_named() -> None:
    network = small("afa", {"a": ("pooled", 2), "b": ("dense", 3)}, per_task=True, limit=2.0)
    layer = network.fusion.backbone.layer4.get_submodule("0")
    assert layer.cam.per_task
    assert layer.cam.guard.limit == 2.0
    assert network.weights_report == ""


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("afaa", OUTPUTS["pooled"]), {}, "unknown method 'afaa', did you mean 'afa'"),
        (("afa", OUTPUTS["pooled"], "resnet81"), {}, "unknown backbone 'resnet81', did you mean"),
        (("afa", {}), {}, "no outputs"),
        (("afa", {"age": Pooled(8)}), {}, "at least 2 tasks"),
        (("afa", {"age": Pooled(8), "b.c": Pooled(2)}), {}, "'b.c' cannot name a task"),
        (("afa", {"age": 8}), {}, r"output of task 'age' is 8: expected Dense\(channels\) or Pooled"),
        (("hard", OUTPUTS["pooled"]), {"per_task": True}, "method 'hard' has no fusion layers to give per_task to"),
        (("mtan", OUTPUTS["pooled"]), {"limit": 2.0}, "method 'mtan' has no fusion layers to give limit to"),
        (("mtan", {"age": Pooled(8), "b.c": Pooled(2)}), {}, "'b.c' cannot name a task"),
        (("mtan", OUTPUTS["pooled"], "vit_tiny_patch16_224"), {"taps": [12]}, "has 12 blocks"),
        (("afa", OUTPUTS["pooled"]), {"output_stride": 12}, "output_stride=12 is unknown"),
        (("afa", OUTPUTS["pooled"]), {"output_stride": 0}, "output_stride=0 is unknown"),
        (("afa", OUTPUTS["pooled"]), {"weights": "none.pth"}, "none.pth is not a file"),
    ],
)
def test_what_cannot_be_created_is_refused(arguments, options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(*arguments, **options) if len(arguments) == 2 else create_network(*arguments, **options)


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("method", POOLED)
def test_every_method_takes_other_channels(method: str, channels: int) -> None:
    network = create_network(method, OUTPUTS["pooled"], "test_resnet", size=(32, 48), in_chans=channels).eval()
    with torch.no_grad():
        outputs = network(torch.rand(1, channels, 32, 48))
    assert {task: output.shape for task, output in outputs.items()} == {"gender": (1, 2), "age": (1, 8)}


@pytest.mark.parametrize(
    ("method", "options"),
    [("hard", {"lora": {"rank": 2}}), ("single", {"freeze": "stages:2"}), ("afa", {"freeze": "stages:2"})],
)
def test_it_is_the_same_network_in_inference_mode(method: str, options: dict[str, Any]) -> None:
    """What is learnt about a backbone by gradients is known there too."""
    pytest.importorskip("peft" if "lora" in options else "greenlet")

    def made() -> Woven:
        outputs = {"a": Pooled(2), "b": Pooled(3)}
        return create_network(method, outputs, "test_vit", size=(32, 48), **options)

    def held(network: Woven) -> tuple[list[str], list[bool]]:
        return list(network.state_dict()), [parameter.requires_grad for parameter in network.parameters()]

    with torch.inference_mode():
        network = made()
        network(torch.rand(1, 3, 32, 48))
    assert held(network) == held(made())
    assert not any(parameter.is_inference() for parameter in network.parameters())
