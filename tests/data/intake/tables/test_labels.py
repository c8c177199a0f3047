"""A table beside the images becomes a manifest, and everything that was assumed is said."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from afanet.cli import main
from afanet.data.intake.init import init_manifest
from afanet.errors import InputError
from afanet.recipe.load import load_recipe

SMALL = "--backbone test_resnet --network.head linear --steps 2 --workers 0 --device cpu --batch-size 4"
Photos = Callable[..., Path]


def read(root: Path) -> dict[str, dict[str, str]]:
    with (root / "manifest.csv").open(newline="") as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def tasks(root: Path) -> dict[str, dict[str, object]]:
    declared: dict[str, dict[str, object]] = load_recipe(root / "recipe.yaml").data.options["tasks"]
    return declared


def table(root: Path, *columns: str, name: str = "labels.csv", rows: int = 12) -> Path:
    """A table whose cells are formatted with the number of the row: `pet={cat}`, and `age={number}.5`."""
    headers, cells = zip(*(column.split("=", 1) for column in columns), strict=True)
    lines = [
        ",".join(
            cell.format(
                number=number, two=number % 2, three=number % 3, pet=("cat", "dog")[number % 2], pair=number // 2
            )
            for cell in cells
        )
        for number in range(rows)
    ]
    path = root / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([",".join(headers), *lines]) + "\n")
    return path


def test_a_folder_with_a_table_becomes_a_trained_network_by_two_commands(
    photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = photos(f"images/{number:03d}.png" for number in range(16))
    table(root, "file={number:03d}.png", "age={number}.5", "class={pet}", "seen=wet|{pet}", "id=7{number}", rows=17)
    monkeypatch.chdir(tmp_path)
    assert main(["data", "init", "mine"]) == 0
    printed = capsys.readouterr().out
    for line in (
        "mine: 16 images",
        "  age: 16 numbers from 0.5 to 15.5, taken to be regression",
        "  class_of: 16 values of 2 classes (cat 8, dog 8); column 'class'",
        "  seen: 16 lists, with bars between 3 labels (cat 8, dog 8, wet 16), taken to be multi_label; an image that "
        "has none of them needs '-'; if the cells are remarks, delete its line under 'tasks'",
        "  labels.csv: 16 images by its column 'file'",
        "  left out: 1 rows of which no image is there, such as 016.png",
        "split by a hash of the names: 14 train, 1 validation, 1 test",
    ):
        assert line in printed.splitlines()
    left_out = (
        "warning: these columns are not learned",
        "  no label: column 'id', since 16 different whole numbers in 16 rows are taken to be an identifier",
        "to learn one, correct its cells, remove manifest.csv and recipe.yaml, and run this command again",
        "written: mine/manifest.csv, mine/recipe.yaml",
    )
    assert "\n".join(left_out) in printed
    assert main(["data", "check", "mine"]) == 0
    assert main(["train", "mine/recipe.yaml", "--out", "run", *SMALL.split()]) == 0
    results = json.loads(Path("run/metrics.json").read_text())
    assert set(results["tasks"]) == {"age", "class_of", "seen"}
    assert {path.name for path in root.iterdir()} == {"images", "labels.csv", "manifest.csv", "recipe.yaml"}
    recipe = load_recipe(root / "recipe.yaml")
    assert (recipe.network.output_stride, recipe.network.method, recipe.batch_size) == (32, "afa", 14)


@pytest.mark.parametrize(
    ("images", "cell"),
    [
        ("{:03d}.png", "{number:03d}"),
        ("{:03d}.png", "{number}"),  # as tables are written from numbers
        ("Cat_{:03d}.PNG", "cat_{number:03d}.jpg"),
        ("images/x/{:03d}.png", "/home/me/x/{number:03d}.png"),
        ("images/x/{:03d}.png", "elsewhere/{number:03d}.png"),
        ("images/{:03d}.png", "images\\{number:03d}.png"),
        ("a.b.{:03d}.png", "a.b.{number:03d}"),
    ],
)
def test_a_cell_names_an_image_with_or_without_folder_and_ending(images: str, cell: str, photos: Photos) -> None:
    root = photos(images.format(number) for number in range(12))
    table(root, "pet={pet}", f"name={cell}", "age={number}.5")
    init_manifest(root)
    assert [row["age"] for row in read(root).values()] == [f"{number}.5" for number in range(12)]


def test_images_of_one_name_in_two_folders_are_told_apart_by_their_folders(photos: Photos) -> None:
    root = photos(f"{folder}/{number}.png" for folder in "ab" for number in range(6))
    lines = [f"{folder}/{number}.png,{folder}{number % 2}" for folder in "abc" for number in range(6)]
    (root / "t.csv").write_text("\n".join(["file,label", *lines]))
    assert "left out: 6 rows of which no image is there, such as c/0.png" in init_manifest(root)
    assert all(row["label"][0] == image[0] for image, row in read(root).items())
    for name in ("manifest.csv", "recipe.yaml"):
        (root / name).unlink()
    (root / "t.csv").write_text("\n".join(["file,label", *(f"{number}.png,{number % 2}" for number in range(6))]))
    assert "left out: t.csv, since no column of it names an image" in init_manifest(root)
    assert tasks(root)["label"]["classes"] == ["a", "b"]  # as the folders are


def test_a_column_whose_name_means_something_in_yaml_is_a_task(twelve: Path) -> None:
    table(twelve, "image={number:02d}.png", "true={pet}", "no={pet}")
    init_manifest(twelve)
    assert list(tasks(twelve)) == ["true", "no"]


def test_rows_of_one_image_that_differ_leave_the_cell_empty(twelve: Path) -> None:
    path = table(twelve, "name={number:02d}", "pet={pet}", "age={number}.5")
    path.write_text(path.read_text() + "03,cat,3.5\n04,cat,\n05,,\n05,dog,7\n")
    said = (
        "3 images have several rows, such as 03.png; where these differ the cell is empty: 1 in 'pet', such as 03.png, "
        "and 1 more columns"
    )
    assert said in init_manifest(twelve)
    rows = read(twelve)
    assert [(rows[f"{image}.png"]["pet"], rows[f"{image}.png"]["age"]) for image in ("03", "04", "05", "06")] == [
        ("", "3.5"),
        ("cat", "4.5"),
        ("dog", ""),
        ("cat", "6.5"),
    ]


def test_images_without_a_row_are_counted(photos: Photos) -> None:
    root = photos(f"{number:02d}.png" for number in range(14))
    table(root, "name={number:02d}", "pet={pet}")
    printed = init_manifest(root)
    assert "  2 images have no row, such as 12.png" in printed.splitlines()
    assert "without any label: 2 images" in printed


@pytest.mark.parametrize(
    ("column", "splits"),
    [
        (["Training", "Validation", "Test"], ["train", "validation", "test"]),
        (["train", "dev", "TESTING"], ["train", "validation", "test"]),
        (["0", "1", "2"], ["train", "validation", "test"]),
        (["train", "val", "train"], ["train", "test", "train"]),
    ],
)
def test_the_split_is_that_of_the_table(column: list[str], splits: list[str], twelve: Path) -> None:
    lines = [f"{number:02d}.png,{column[number % 3]},{number}.5" for number in range(11)]
    (twelve / "t.csv").write_text("\n".join(["file,partition,age", *lines]))
    printed = init_manifest(twelve)
    assert "split as the table says" in printed
    assert "left out: 1 images in no split, such as 11.png" in printed
    assert tasks(twelve).keys() == {"age"}
    rows = read(twelve)
    assert [row["split"] for row in rows.values()] == [splits[number % 3] for number in range(11)]


def test_a_person_is_in_one_split(photos: Photos) -> None:
    root = photos(f"{number:02d}.png" for number in range(40))
    table(root, "img={number:02d}", "patient_id=p{pair}", "age={number}.5", rows=40)
    printed = init_manifest(root)
    assert "group: the column 'patient_id', 20 of them" in printed
    assert "split by a hash of the groups, each in one split: 32 train, 4 validation, 4 test" in printed
    rows = list(read(root).values())
    splits = {
        group: {row["split"] for row in rows if row["group"] == group} for group in {row["group"] for row in rows}
    }
    assert len(splits) == 20
    assert all(len(split) == 1 for split in splits.values())


def test_too_few_persons_are_said(twelve: Path) -> None:
    table(twelve, "img={number:02d}", "person={two}", "age={number}.5")
    assert "split by a hash of the names, since 2 groups are too few" in init_manifest(twelve)


def test_a_table_joins_masks_and_folders_of_splits(photos: Photos) -> None:
    splits = ("train", "test")
    root = photos(f"{split}/images/{number:02d}.png" for split in splits for number in range(6))
    for split in splits:
        (root / split / "masks").mkdir()
        for number in range(6):
            Image.fromarray((np.arange(768).reshape(24, 32) % 3).astype(np.uint8)).save(
                root / f"{split}/masks/{number:02d}.png"
            )
    lines = [f"{split}/images/{number:02d}.png,{number}.5" for split in splits for number in range(6)]
    (root / "t.csv").write_text("\n".join(["file,age", *lines]))
    assert "split as the folders are: 6 train, 0 validation, 6 test" in init_manifest(root)
    assert {name: task["kind"] for name, task in tasks(root).items()} == {
        "segmentation": "segmentation",
        "age": "regression",
    }
    for image, row in read(root).items():
        assert row["split"] == image.split("/")[0]
        assert row["segmentation"] == image.replace("images", "masks")
        assert row["age"] == f"{int(Path(image).stem)}.5"
    assert load_recipe(root / "recipe.yaml").network.output_stride == 16


def test_a_column_may_name_the_masks(photos: Photos) -> None:
    root = photos(f"photos of it/{number:02d}.png" for number in range(12))
    (root / "drawn").mkdir()
    for number in range(12):
        Image.fromarray((np.arange(768).reshape(24, 32) % 3).astype(np.uint8)).save(root / f"drawn/m{number:02d}.png")
    table(root, "image=photos of it/{number:02d}.png", "areas=drawn/m{number:02d}.png", "pet={pet}")
    printed = init_manifest(root)
    assert "12 images" in printed.splitlines()[0]
    assert "  areas: 12 files with ids 0, 1, 2" in printed
    assert tasks(root)["areas"]["kind"] == "segmentation"
    assert all(row["areas"] == f"drawn/m{Path(image).stem}.png" for image, row in read(root).items())


def test_folders_are_no_classes_where_a_table_has_labels(photos: Photos) -> None:
    root = photos(f"part_{number % 2}/{number:02d}.png" for number in range(12))
    table(root, "image={number:02d}", "pet={pet}")
    assert "no label: the 2 folders of images, such as part_0, since the table has labels" in init_manifest(root)
    assert tasks(root).keys() == {"pet"}


def test_of_several_tables_the_one_of_most_images_is_taken(twelve: Path) -> None:
    table(twelve, "image={number:02d}", "pet={pet}", name="a.csv", rows=11)
    table(twelve, "image={number:02d}", "age={number}.5", name="b.csv")
    table(twelve, "some={number}.7", "more={pet}", name="c.csv")
    (twelve / "d.csv").write_text("a,b\n1\n")
    printed = init_manifest(twelve)
    assert tasks(twelve).keys() == {"age"}
    assert "left out: a.csv, since b.csv names more images (12, not 11)" in printed
    assert "left out: c.csv, since no column of it names an image" in printed
    assert f"left out: {twelve}/d.csv, line 2, has 1 cells, expected 2" in printed


def test_tables_of_splits_are_one(photos: Photos) -> None:
    root = photos(f"images/{number:02d}.png" for number in range(12))
    for name, numbers in {"train": range(8), "val": range(8, 10), "test": range(10, 12)}.items():
        lines = [f"{number:02d}.png,{number}.5" for number in numbers]
        (root / f"{name}.csv").write_text("\n".join(["image,age", *lines]))
    assert "split as the table says: 8 train, 2 validation, 2 test" in init_manifest(root)
    assert tasks(root).keys() == {"age"}


def test_a_table_may_be_named_and_lie_in_a_folder_of_its_own(
    photos: Photos, capsys: pytest.CaptureFixture[str]
) -> None:
    root = photos(f"images/{number:02d}.png" for number in range(12))
    path = table(root, "image={number:02d}", "pet={pet}", name="annotations/mine.csv")
    table(root, "image={number:02d}", "age={number}.5", name="other.csv")
    assert main(["data", "init", str(path)]) == 0
    assert tasks(root).keys() == {"pet"}
    assert "annotations/mine.csv: 12 images" in capsys.readouterr().out
    with pytest.raises(InputError, match=r"manifest\.csv has the name of the file to write: rename it"):
        init_manifest(root / "manifest.csv")


def test_a_named_table_of_other_images_is_refused(twelve: Path, tmp_path: Path) -> None:
    path = table(tmp_path, "image=x{number:02d}", "pet={pet}")
    with pytest.raises(InputError, match="names no image in the folders above it"):
        init_manifest(path)


def test_parquet_is_read_with_what_it_knows_of_types(twelve: Path) -> None:
    columns = {
        "image": [f"{number:02d}.png" for number in range(12)],
        "age": [None, *(number + 0.5 for number in range(11))],
        "kept": [number % 2 == 0 for number in range(12)],
        "box": [[1, 2]] * 12,
    }
    pq.write_table(pa.table(columns), twelve / "labels.parquet")
    printed = init_manifest(twelve)
    assert "its column 'box' of list<" in printed
    assert {name: task["kind"] for name, task in tasks(twelve).items()} == {
        "age": "regression",
        "kept": "classification",
    }
    assert read(twelve)["00.png"]["age"] == ""


def test_a_table_without_names_of_columns(twelve: Path) -> None:
    (twelve / "t.csv").write_text("".join(f"{number:02d}.png,{'ab'[number % 2]}\n" for number in range(12)))
    assert "its first row names an image, so its columns are taken to have no names" in init_manifest(twelve)
    assert tasks(twelve) == {"label": {"kind": "classification", "classes": ["a", "b"]}}
    assert set(read(twelve)) == {f"{number:02d}.png" for number in range(12)}


def test_names_that_no_task_can_have_are_changed(twelve: Path) -> None:
    names = ("class", "a b", "a-b", "machine_made", "2nd", "Größe", "年齢", "training")
    table(twelve, "file={number:02d}", *(f"{name}={{number}}.{number}" for number, name in enumerate(names, 1)))
    printed = init_manifest(twelve)
    expected = ["class_of", "a_b", "a_b_2", "machine_made_of", "task_2nd", "Grosse", "task", "training_of"]
    assert list(tasks(twelve)) == expected
    assert "; column '年齢'" in printed
    assert yaml.safe_load((twelve / "recipe.yaml").read_text())


def test_nothing_to_learn_is_one_sentence_that_says_why(twelve: Path) -> None:
    table(twelve, "file={number:02d}", "note=it is {number}", "kept=yes")
    with pytest.raises(InputError) as caught:
        init_manifest(twelve)
    assert "12 images and nothing to learn from them" in str(caught.value)
    assert "column 'kept', since all 12 filled cells are 'yes'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (twelve / "manifest.csv").exists()
