"""How a recipe's network takes images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file

from afanet.errors import InputError
from afanet.normalisation import IMAGENET, Normalisation
from afanet.recipe.load import dump_recipe, load_recipe
from afanet.recipe.preprocessing import normalisation, said_of_images, with_normalisation_of_backbone

HALF = Normalisation((0.5,) * 3, (0.5,) * 3)


def taken(**keys: Any) -> Normalisation:
    return normalisation(load_recipe("rooms", {f"network.{key}": value for key, value in keys.items()}).network)


@pytest.mark.parametrize(
    ("backbone", "expected"),
    [
        ("resnet18", IMAGENET),
        ("tf_efficientnet_lite0", HALF),
        ("vit_small_patch16_224.augreg_in1k", HALF),
        ("vit_base_patch16_clip_224.openai", None),
        ("no_network_of_timm", IMAGENET),  # which the building of the network refuses
    ],
)
def test_it_is_that_of_the_weights(backbone: str, expected: Normalisation | None) -> None:
    if expected is None:
        config = timm.get_pretrained_cfg(backbone)
        expected = Normalisation(config.mean, config.std)
        assert expected not in (IMAGENET, HALF)
    assert taken(backbone=backbone) == expected


def test_the_recipe_decides() -> None:
    assert taken(mean=[0, 0.1, 0.2], std=[1, 2, 3]) == Normalisation((0, 0.1, 0.2), (1, 2, 3))
    assert taken(mean=[0, 0.1, 0.2]) == Normalisation((0, 0.1, 0.2), IMAGENET.std)
    assert taken(in_chans=1) == IMAGENET.of_grey()
    assert taken(in_chans=2, mean=[0, 1], std=[1, 1]).channels == 2


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"in_chans": 4}, "network.mean is not given, and network.in_chans is 4: .*give 4 values"),
        ({"in_chans": 4, "mean": [0, 0, 0, 0]}, "network.std is not given"),
        (
            {"mean": [0.5]},
            "'network.mean' is .*, which has length 1, expected 3: one value for each",
        ),
        ({"in_chans": 1, "std": [1, 1, 1]}, "'network.std' is .*, which has length 3, expected 1"),
        ({"std": [1, 0, 1]}, "'network.std.1' is 0"),
        ({"std": [1, 1, float("inf")]}, "'network.std.2' is inf"),
        ({"mean": [1, 1, float("nan")]}, "'network.mean.2' is nan"),
        ({"std": [1, 1e-7, 1]}, "'network.std.1' is 1e-07, which should be greater than or equal to 0.000001"),
        ({"in_chans": 0}, "'network.in_chans' is 0"),
        ({"in_chans": 257}, "'network.in_chans' is 257"),
    ],
)
def test_what_cannot_be_is_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        taken(**keys)


def test_a_run_keeps_it_whatever_timm_says_later(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = with_normalisation_of_backbone(load_recipe("rooms", {"network.backbone": "tf_efficientnet_lite0"}))
    (tmp_path / "recipe.yaml").write_text(dump_recipe(recipe))
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda name: pytest.fail("timm was asked"))
    assert normalisation(load_recipe(tmp_path / "recipe.yaml").network) == HALF


VIT = "vit_base_patch16_224"  # timm's weights of it take 0.5, those of torchvision and DINO take ImageNet's
OWN = Normalisation((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
OF_TORCHVISION = {"conv_proj.weight": torch.ones(1), "encoder.layers.encoder_layer_0.ln_1.bias": torch.ones(1)}
OF_TIMM = {"patch_embed.proj.weight": torch.ones(1)}


def folder(path: Path, state: dict[str, torch.Tensor], **configs: Any) -> str:
    save_file(state, path / "model.safetensors")
    for name, content in configs.items():
        (path / f"{name}.json").write_text(json.dumps(content))
    return f"local-dir:{path}"


@pytest.mark.parametrize(
    ("state", "configs", "expected", "author"),
    [
        (OF_TIMM, {}, HALF, f"as timm's {VIT}: give network.mean and network.std if"),
        (OF_TORCHVISION, {}, IMAGENET, "as weights of torchvision's ViT were trained"),
        (
            OF_TIMM,
            {"config": {"architecture": "x", "pretrained_cfg": {"mean": OWN.mean, "std": OWN.std}}},
            OWN,
            "as config.json beside the weights says",
        ),
        (
            OF_TORCHVISION,
            {"config": {"architectures": []}, "preprocessor_config": {"image_mean": OWN.mean, "image_std": OWN.std}},
            OWN,
            "as preprocessor_config.json beside the weights says",
        ),
        (OF_TIMM, {"preprocessor_config": {"image_mean": [0.1], "image_std": [0.2]}}, HALF, "as timm's"),
        (OF_TIMM, {"preprocessor_config": {"image_mean": [0, 0, 0], "image_std": [1, 0, 1]}}, HALF, "as timm's"),
    ],
)
def test_weights_from_elsewhere_say_it_or_timm_does(
    state: dict[str, torch.Tensor], configs: dict[str, Any], expected: Normalisation, author: str, tmp_path: Path
) -> None:
    weights = folder(tmp_path, state, **configs)
    recipe = load_recipe("rooms", {"network.backbone": VIT, "network.weights": weights})
    assert normalisation(recipe.network) == expected
    line = f"images: normalised with mean {list(expected.mean)} and std {list(expected.std)}, {author}"
    assert said_of_images(recipe.network).startswith(line)
    kept = with_normalisation_of_backbone(recipe).network
    assert said_of_images(kept) == ""
    (tmp_path / "model.safetensors").unlink()
    assert normalisation(kept) == expected, "a run keeps the numbers, without its weights"
    assert taken(backbone=VIT, weights=weights, mean=[0, 0, 0], std=[1, 1, 1]).std == (1, 1, 1)
