"""Names that tell of a side are noticed where training would mirror them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from afanet.cli import main
from afanet.data import Data, open_data
from afanet.data.checks.proportions import proportion_warnings
from afanet.data.checks.sides import side_warnings
from afanet.data.sided_names import pair_names, side_of, unpaired_names
from afanet.data.steps import with_resize

TRAIN = "--backbone test_resnet --network.head linear --steps 1 --workers 0 --device cpu --batch-size 4"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("left", "right"),
        ("Left", "right"),
        ("left_eye", "right_eye"),
        ("eye-left", "eye-right"),
        ("LeftEye", "RightEye"),
        ("arm_l", "arm_r"),
        ("l.arm", "r.arm"),
        ("ArmL", "ArmR"),
        ("lefthand", "righthand"),
        ("east", "west"),
        ("north-east corner", "north-west corner"),
        ("starboard", "port"),
        ("turn clockwise", "turn anticlockwise"),
        ("left hand of left man", "right hand of right man"),
    ],
)
def test_two_sides_of_one_thing_are_a_pair(one: str, other: str) -> None:
    assert pair_names(["middle", one, other]) == {one: other}
    assert pair_names([other, "middle", one]) == {other: one}


@pytest.mark.parametrize(
    "name", ["bright", "leftover", "port", "copyright", "r", "class_l", "cleft", "eastern", "wright"]
)
def test_what_only_looks_like_a_side_is_none(name: str) -> None:
    assert side_of(name) is None
    assert pair_names([name, "other"]) == {}


def test_a_side_without_its_other_is_not_paired() -> None:
    assert unpaired_names(["left_eye", "nose", "right_ear"]) == ["left_eye", "right_ear"]
    assert unpaired_names(["left", "right"], ["left", "right"]) == []


def folder(root: Path, names: tuple[str, ...], shape: tuple[int, int] = (32, 32)) -> Path:
    lines = ["image,split,side"]
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 256, (*shape, 3), np.uint8)
        Image.fromarray(pixels).save(root / f"{number}.png")
        lines.append(f"{number}.png,{'train' if number < 6 else 'test'},{names[number % len(names)]}")
    (root / "manifest.csv").write_text("\n".join(lines))
    return root


@pytest.mark.parametrize(
    ("classes", "extra", "said"),
    [
        (("left", "right"), {}, "declare swap: {left: right} for it, or mirror: false"),
        (("hand_r", "hand_l", "foot"), {}, "declare swap: {hand_r: hand_l} for it, or mirror: false"),
        (("left", "none"), {}, "declare mirror: false for task 'side'"),
        (("left", "right"), {"swap": {"left": "right"}}, None),
        (("left", "right"), {"mirror": False}, None),
        (("cat", "dog"), {}, None),
    ],
)
def test_the_warning_says_what_to_declare(
    classes: tuple[str, ...], extra: dict[str, Any], said: str | None, tmp_path: Path
) -> None:
    tasks = {"side": {"kind": "classification", "classes": list(classes), **extra}}
    root = folder(tmp_path, classes)
    warnings = side_warnings(open_data("manifest", root, (32, 32), tasks=tasks))
    assert [said in warning for warning in warnings] == ([True] if said else [])
    without = open_data("manifest", root, (32, 32), tasks=tasks, augment={"mirror": False})
    assert side_warnings(without) == []


def test_a_task_may_be_of_one_side_by_its_name(tmp_path: Path) -> None:
    root = folder(tmp_path, ("open", "shut"))
    table = root / "manifest.csv"
    table.write_text(table.read_text().replace("side", "left_eye"))
    tasks = {"left_eye": {"kind": "classification", "classes": ["open", "shut"]}}
    [warning] = side_warnings(open_data("manifest", root, (32, 32), tasks=tasks))
    assert "labels of task 'left_eye' seem to depend on the side" in warning


def test_training_says_it_before_the_first_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "data"
    root.mkdir()
    folder(root, ("left", "right"), (32, 64))
    recipe = root / "recipe.yaml"

    def write(extra: str, more: str = "", again: bool = False) -> str:
        recipe.write_text(
            f"""name: sides
data:
  name: manifest
  root: .
  size: [32, 32]
{more}  options:
    tasks:
      side: {{kind: classification, classes: [left, right]{extra}}}
network: {{method: single, backbone: test_resnet, output_stride: 32}}
optimizer: {{name: adamw, lr: 0.001, weight_decay: 0.01}}
schedule: {{name: constant}}
epochs: 1
batch_size: 4
"""
        )
        assert main(["train", str(recipe), "--out", str(tmp_path / f"run{len(extra)}{again}"), *TRAIN.split()]) == 0
        return capsys.readouterr().err

    said = write("")
    assert said.index("declare swap: {left: right}") < said.index("epoch 1/1")
    assert said.index("8 of 8 images have other proportions than data.size, 32x32, such as 32x64") < said.index("epoch")
    assert main(["data", "prepare", str(recipe)]) == 0
    assert "8 of 8 images have other proportions" in write("", again=True)
    said = write(", mirror: false", "  resize: letterbox\n")
    assert "images are not mirrored in training, as the declaration of 'side' asks (mirror: false)" in said
    assert "declare" not in said
    assert "proportions" not in said


def test_proportions_are_compared_with_the_size_and_with_one_another() -> None:
    data = open_data("rooms", size=(100, 100), train_scenes=2, test_scenes=1)

    def warnings(data: Data, **sizes: int) -> list[str]:
        of_split = {name.removeprefix("of"): count for name, count in sizes.items()}
        return proportion_warnings(data, {"train": {"sizes": of_split}, "test": {"sizes": of_split}})

    assert warnings(data, of100x100=3, of300x320=1, of200x190=1) != []  # 1.067 times 1.053
    assert warnings(data, of100x109=3) == []
    assert "10 of 10 images" in warnings(data, of100x112=5)[0]
    assert "2 of 8 images" in warnings(data, of200x100=1, of50x50=3)[0]
    assert warnings(with_resize(data, "crop"), of200x100=1) == []
    assert warnings(data) == []
