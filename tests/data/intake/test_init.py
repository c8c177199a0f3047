"""From a folder of images to a trained network."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from afanet.cli import main
from afanet.data.intake.init import init_manifest
from afanet.data.intake.splits import split_by_name
from afanet.errors import InputError
from afanet.recipe.load import load_recipe

SMALL = "--backbone test_resnet --network.head linear --steps 2 --workers 0 --device cpu --batch-size 4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve images of 24x40 pixels, ten of them with class ids, eight with depth."""
    root = tmp_path / "my rooms"
    for name in ("images", "labels", "depth"):
        (root / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(12):
        name = f"photo {number}"
        Image.fromarray(rng.integers(0, 256, (24, 40, 3), np.uint8)).save(root / f"images/{name}.JPG", "JPEG")
        ids = rng.choice([0, 2, 255], (24, 40)).astype(np.uint8)
        depth = rng.integers(0, 5000, (24, 40), np.uint16)
        if number < 10:
            Image.fromarray(ids).save(root / f"labels/{name}.png")
        if number > 3:
            Image.fromarray(depth).save(root / f"depth/{name}.png")
    Image.fromarray(depth).save(root / "depth/other.png")
    return root


def read(root: Path) -> list[dict[str, str]]:
    with (root / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_kind_of_photo_is_listed_and_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    endings = ("jpg", "png", "webp", "tif", "bmp", "gif", "ppm")
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number, ending in enumerate(endings):
            pixels = rng.integers(0, 256, (24, 40, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number}.{ending}")
    assert f"{2 * len(endings)} images" in init_manifest(tmp_path)
    assert main(["data", "check", str(tmp_path)]) == 0
    assert "error" not in capsys.readouterr().out


def test_a_folder_of_images_becomes_a_trained_network(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "init", str(folder)]) == 0
    printed = capsys.readouterr().out
    for line in (
        "12 images",
        "segmentation: 10 files in labels/ with ids 0, 2",
        "depth: 8 files in depth/, taken to be in millimetres (looked at 1 of them)",
        "left out: 1 files without an image of their name, such as depth/other.png",
        "10 train, 1 validation, 1 test",
        f"afanet train {folder}/recipe.yaml",
    ):
        assert line in printed
    rows = {row["image"]: row for row in read(folder)}
    assert rows["images/photo 3.JPG"]["segmentation"] == "labels/photo 3.png"
    assert rows["images/photo 3.JPG"]["depth"] == ""
    assert {path.name for path in folder.iterdir()} == {"images", "labels", "depth", "manifest.csv", "recipe.yaml"}

    monkeypatch.chdir(tmp_path)
    assert main(["train", str(folder / "recipe.yaml"), "--out", "run", *SMALL.split()]) == 0
    results = json.loads(Path("run/metrics.json").read_text())
    assert results["steps"] == 2
    assert set(results["tasks"]) == {"segmentation", "depth"}
    losses = list(csv.DictReader(Path("run/log.csv").read_text().splitlines()))
    assert all(np.isfinite(float(row[f"loss/{task}"])) for row in losses for task in results["tasks"])


def test_what_is_there_is_never_overwritten(folder: Path) -> None:
    init_manifest(folder)
    before = {path: path.read_bytes() for path in folder.glob("*.*")}
    with pytest.raises(InputError, match=r"manifest\.csv exists and is never overwritten"):
        init_manifest(folder)
    (folder / "manifest.csv").unlink()
    with pytest.raises(InputError, match=r"recipe\.yaml exists and is never overwritten"):
        init_manifest(folder)
    assert not (folder / "manifest.csv").exists()
    assert (folder / "recipe.yaml").read_bytes() == before[folder / "recipe.yaml"]


def test_a_write_that_fails_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace, names = Path.replace, {path.name for path in folder.iterdir()}

    def full(self: Path, target: Path) -> Path:
        if target.name == "recipe.yaml":
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match=r"recipe.yaml cannot be written: No space left on device"):
        init_manifest(folder)
    assert {path.name for path in folder.iterdir()} == names


def test_folders_of_classes_become_labels(tmp_path: Path) -> None:
    for name, count in {"no": 3, "cat, tabby": 4}.items():
        (tmp_path / name).mkdir()
        for number in range(count):
            Image.new("RGB", (64, 48)).save(tmp_path / name / f"{number}.png")
    printed = init_manifest(tmp_path)
    assert "label: folders 'cat, tabby' 4, no 3" in printed
    recipe = load_recipe(tmp_path / "recipe.yaml")
    assert recipe.data.options["tasks"] == {"label": {"kind": "classification", "classes": ["cat, tabby", "no"]}}
    assert (recipe.network.method, recipe.network.output_stride) == ("single", 32)
    assert recipe.data.size == (64, 64)
    assert {row["label"] for row in read(tmp_path)} == {"no", "cat, tabby"}
    assert all(row["image"].startswith(f"{row['label']}/") for row in read(tmp_path))
    text = (tmp_path / "recipe.yaml").read_text()
    assert yaml.safe_load(text)["data"]["root"] == "."


@pytest.mark.parametrize(
    ("folders", "declared", "said"),
    [
        (("left", "right"), {"swap": {"left": "right"}}, "swap: in a mirrored image"),
        (("eye_r", "eye_l", "nose"), {"swap": {"eye_r": "eye_l"}}, "swap: in a mirrored image"),
        (("Westbound", "eastbound"), {"swap": {"Westbound": "eastbound"}}, "swap: in a mirrored image"),
        (("port", "starboard"), {"swap": {"port": "starboard"}}, "swap: in a mirrored image"),
        (("left turn", "straight"), {"mirror": False}, "mirror: false, since"),
        (("leftover", "bright", "port"), {}, ""),
    ],
)
def test_names_of_sides_are_declared(
    folders: tuple[str, ...], declared: dict[str, object], said: str, tmp_path: Path
) -> None:
    for name in folders:
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.new("RGB", (64, 64)).save(tmp_path / name / f"{number}.png")
    init_manifest(tmp_path)
    task = load_recipe(tmp_path / "recipe.yaml").data.options["tasks"]["label"]
    assert task == {"kind": "classification", "classes": sorted(folders), **({} if not said else declared)} or (
        set(*task["swap"].items()) == set(*declared["swap"].items())  # type: ignore[attr-defined]
    )
    text = (tmp_path / "recipe.yaml").read_text()
    assert said in text
    assert ("mirror" in text or "swap" in text) == bool(said)
    assert "resize:" not in text  # all of one size, and that of the recipe


def test_images_of_other_proportions_are_letterboxed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(4):
            size = (96, 64) if number else (64, 96)
            Image.new("RGB", size, (number * 40, 9, len(name))).save(tmp_path / name / f"{number}.png")
    init_manifest(tmp_path)
    assert load_recipe(tmp_path / "recipe.yaml").data.resize == "letterbox"
    assert main(["data", "check", str(tmp_path)]) == 0
    assert "other proportions" not in capsys.readouterr().out
    recipe = tmp_path / "recipe.yaml"
    assert main(["data", "check", str(recipe), "--data.resize", "stretch"]) == 0
    said = "6 of 8 images have other proportions than data.size, 96x64, such as 64x96, and are stretched to it"
    assert said in capsys.readouterr().out


def test_the_split_is_by_name_alone_and_every_split_has_some(tmp_path: Path) -> None:
    def splits(folder: Path, count: int) -> dict[str, str]:
        for name in ("a", "b"):
            (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (8, 8)).save(folder / "ab"[number % 2] / f"{number}.png")
        init_manifest(folder)
        return {row["image"]: row["split"] for row in read(folder)}

    assert splits(tmp_path / "one", 40) == splits(tmp_path / "two", 40)
    assigned = list(splits(tmp_path / "few", 4).values())
    assert [assigned.count(name) for name in ("train", "validation", "test")] == [2, 1, 1]
    with pytest.raises(InputError, match="3 labelled images are too few"):
        splits(tmp_path / "fewer", 3)


def test_images_without_any_label_are_no_part_of_the_split(folder: Path) -> None:
    for number in range(40):
        Image.new("RGB", (40, 24)).save(folder / f"images/bare {number:02d}.png")
    printed = init_manifest(folder)
    assert "without any label: 40 images, such as images/bare 00.png: listed as train, not part of the split" in printed
    assert "10 train, 1 validation, 1 test" in printed
    assert "warning" not in printed
    rows = read(folder)
    bare = [row for row in rows if not row["segmentation"] and not row["depth"]]
    assert {row["image"] for row in bare} == {f"images/bare {number:02d}.png" for number in range(40)}
    assert {row["split"] for row in bare} == {"train"}
    for task in ("segmentation", "depth"):
        assert {row["split"] for row in rows if row[task]} >= {"train", "test"}


def test_a_task_that_has_nothing_to_be_tested_on_is_warned_of(folder: Path) -> None:
    for path in (folder / "depth").iterdir():
        if path.name != "photo 5.png":
            path.unlink()
    assert "warning: split test has no label for depth: label more images" in init_manifest(folder).splitlines()


names = st.integers(0, 30).map(str)


@example([{"0"}, {"1"}, {"2"}, {"3"}])
@given(st.lists(st.sets(names, min_size=1), min_size=1, max_size=4))
def test_every_task_trains_and_is_tested_as_far_as_it_has_images(tasks) -> None:
    every = set().union(*tasks)
    if len(every) < 4:
        return
    splits = split_by_name(dict(zip("abcd", tasks, strict=False)))
    assert splits.keys() == every
    assigned = list(splits.values())
    assert max(1, len(every) // 10) <= assigned.count("test") <= max(len(every) // 10, len(tasks))
    assert assigned.count("validation") <= max(1, len(every) // 10)
    rarest = min(tasks, key=len)
    assert {splits[name] for name in rarest} >= ({"train", "test"} if len(rarest) > 1 else {"train"})
    for labelled in tasks:
        assert len(labelled) < 2 * len(tasks) or {splits[name] for name in labelled} >= {"train", "test"}


def test_two_files_that_one_name_would_join_are_refused(folder: Path) -> None:
    Image.new("RGB", (40, 24)).save(folder / "images/photo 3.png")
    with pytest.raises(InputError) as caught:
        init_manifest(folder)
    first, second = folder / "images/photo 3.JPG", folder / "images/photo 3.png"
    assert str(caught.value).startswith(f"{first} and {second} differ only in their endings")
    second.unlink()
    np.save(folder / "depth/photo 5.npy", np.ones((24, 40), np.float32))
    with pytest.raises(InputError, match=r"depth/photo 5\.npy and .*depth/photo 5\.png differ only"):
        init_manifest(folder)
    assert not list(folder.glob("*.*"))


def test_classes_alone_may_hold_two_images_of_one_name(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/1.jpg", "dog/1.png", "dog/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    assert "4 images" in init_manifest(tmp_path)


def test_one_sentence_for_a_folder_with_nothing_to_learn_from(tmp_path: Path, folder: Path) -> None:
    for path, message in {
        tmp_path / "nowhere": "does not exist",
        tmp_path / "my rooms/images": "has 12 images and nothing to learn from them, expected target files",
        tmp_path / "my rooms/labels": "has 10 images and nothing to learn from them",
        tmp_path / "my rooms/images/photo 1.JPG": "is a file, expected a folder with images",
    }.items():
        with pytest.raises(InputError, match=message):
            init_manifest(path)
    (tmp_path / "empty").mkdir()
    for name, message in {"nowhere": "does not exist", "empty": "is an empty folder"}.items():
        with pytest.raises(InputError) as caught:
            init_manifest(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert str(caught.value).endswith(f"{message}, expected a folder with images, or with images/")
    Image.new("L", (40, 24)).save(folder / "depth/photo 10.png")
    with pytest.raises(InputError, match=r"photo 10\.png is an image of mode L, expected I;16 for a depth map"):
        init_manifest(folder)
    for path in (folder / "labels").iterdir():
        Image.new("L", (40, 24), 255).save(path)
    with pytest.raises(InputError, match="labels has only the id none beside 255, which means void"):
        init_manifest(folder)
    assert not list(folder.glob("*.*"))
