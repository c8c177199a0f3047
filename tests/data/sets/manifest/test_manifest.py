"""Data of one's own from end to end: what rows become, what is said of bad ones."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from afanet.data import Data, open_data
from afanet.data.checks.survey import survey
from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.runs.setup import open_whole

from ....bounds import bounded
from ...pipes import everything, pipes_refused

BREED = {"breed": {"kind": "classification", "classes": ["cat", "dog"]}}


def open_own(root: Path, tasks: dict[str, object], **options: object) -> Data:
    return open_data("manifest", root, (8, 12), tasks=tasks, augment=False, **options)


def open_breeds(root: Path) -> Data:
    return open_own(root, BREED)


def test_every_kind_of_cell_becomes_what_its_task_expects(own: Path, tasks):
    data = open_own(own, tasks)
    assert [len(split) for split in data.splits.values()] == [2, 1, 1]
    assert (data.problems, data.warnings) == ([], [])
    first, second = data.train[0], data.train[1]
    assert list(first["targets"]) == list(tasks)
    assert first["id"] == "manifest.csv, line 2: a.png"
    assert {name: first["targets"][name].item() for name in ("breed", "grade", "age")} == {
        "breed": 0, "grade": 0, "age": 1.5,
    }  # fmt: skip
    assert first["targets"]["tags"].tolist() == [1, 0, 1]
    assert second["targets"]["tags"].tolist() == [0, 0, 0]
    assert "age" not in second["targets"]
    ids = np.arange(96).reshape(8, 12) % 2
    ids[0] = 255
    np.testing.assert_array_equal(first["targets"]["segmentation"], ids)
    np.testing.assert_array_equal(second["targets"]["segmentation"], 1 - np.minimum(ids, 1))
    metres = np.arange(96).reshape(1, 8, 12) * 0.6
    for sample in (first, second):
        np.testing.assert_allclose(sample["targets"]["depth"], metres, rtol=1e-6)
        normals = sample["targets"]["normals"]
        assert normals[:, 0].abs().max() == 0
        torch.testing.assert_close(normals[2, 1:], torch.ones(7, 12), atol=1e-4, rtol=0)
    for name, target in first["targets"].items():
        blank = data.tasks[name].unlabelled((8, 12))
        assert (target.dtype, target.shape) == (blank.dtype, blank.shape)
        assert data.tasks[name].fault(target) is None
        assert data.tasks[name].labelled(target).any()


def test_a_row_says_which_files_and_which_group_it_is(own: Path, tasks):
    data = open_own(own, tasks)
    read, [row] = data.validation.read, data.validation.items
    assert read.files(row) == (own / "manifest.csv", own / "c.png")
    assert read.group(row) == "bert"
    assert read.files(data.test.items[0]) == (own / "manifest.csv", own / "d.png", own / "labels/a.png")
    assert data.describe == (
        "manifest: 2 training, 1 validation and 1 test images of manifest.csv, at 8x12; labelled breed 3, tags 3, "
        "grade 3, age 3, segmentation 3, depth 2, normals 2; left out 1 rows without any label"
    )


def test_parquet_of_any_types_says_what_csv_says(own: Path):
    columns = {
        "image": ["a.png", "b.png", "d.png"],
        "split": pa.array(["train", "train", "test"]).dictionary_encode(),
        "breed": [1.0, float("nan"), 0.0],  # what pandas makes of integers where one is missing
        "age": pa.array([3, 4, None], pa.int8()),
    }
    pq.write_table(pa.table(columns), own / "m.parquet")
    tasks = {
        "breed": {"kind": "classification", "classes": [0, 1]},
        "age": {"kind": "regression", "range": [0, 9]},
    }
    data = open_own(own, tasks, manifest="m.parquet")
    samples = [data.train[0], data.train[1], data.test[0]]
    assert [{name: x.item() for name, x in sample["targets"].items()} for sample in samples] == [
        {"breed": 1, "age": 3}, {"age": 4}, {"breed": 0},
    ]  # fmt: skip
    assert samples[2]["id"] == "m.parquet, row 3: d.png"
    assert pickle.loads(pickle.dumps(data.test))[0]["id"] == samples[2]["id"]  # as where workers are spawned
    pq.write_table(pa.table({**columns, "breed": [["cat"], [], []]}), own / "m.parquet")
    with pytest.raises(InputError, match=r"column 'breed' of type list<.*>, expected text or numbers"):
        open_own(own, tasks, manifest="m.parquet")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.png,train,,cow,,,,,,", "unknown class of breed 'cow'. (known: cat, dog)"),
        ("a.png,train,,Cat,,,,,,", "unknown class of breed 'Cat', did you mean 'cat'?"),
        ("a.png,train,,,indor;sunny,,,,,", "unknown label of tags 'indor', did you mean 'indoor'?"),
        ("a.png,train,,,indoor;-,,,,,", "unknown label of tags '-'"),
        (
            'a.png,train,,,"indoor, wet",,,,,',
            "tags is 'indoor, wet', expected ';' between labels, such as 'indoor;wet'",
        ),
        ("a.png,train,,,indoor|wet;sunny,,,,,", "tags is 'indoor|wet;sunny', expected ';' between labels, such as"),
        (
            'a.png,train,,,"indoor,wett",,,,,',
            "unknown label of tags 'indoor,wett', did you mean 'indoor'? (known: indoor, sunny, wet, -); labels are "
            "separated by ';'",
        ),
        ("a.png,train,,,,hihg,,,,", "unknown class of grade 'hihg', did you mean 'high'?"),
        ("a.png,train,,,,,101,,,", "age is '101', expected a number from 0 to 100 years"),
        ('a.png,train,,,,,"3,5",,,', "age is '3,5', expected a number"),
        ("a.png,train,,,,,nan,,,", "age is 'nan'"),
        ("a.png,train,,,,,1e999,,,", "age is '1e999'"),
        ("/etc/passwd,train,,cat,,,,,,", "image is '/etc/passwd', expected a path inside the data folder"),
        ("x/../../a.png,train,,cat,,,,,,", "image is 'x/../../a.png'"),
        (",train,,cat,,,,,,", "image is ''"),
        ("C:\\a.png,train,,cat,,,,,,", "image is 'C:"),
        ("a.png,train,,,,,,..\\a.png,,", "segmentation is '..\\a.png'"),
        ("a.png,train,,,,,,,../a.png,", "depth is '../a.png'"),
        ("a.png,training,,cat,,,,,,", "split is 'training', expected train, validation (or val) or test"),
        ("a.png,,,cat,,,,,,", "split is ''"),
    ],
)
def test_a_cell_that_cannot_be_used_is_a_problem_with_its_line(write_rows, tasks, row, message):
    path = write_rows(["a.png,train,,cat,,,,,,", "", row, "b.png,test,,cat,,,,,,"])
    data = open_own(path.parent, tasks)
    [problem] = data.problems
    assert problem.startswith(f"{path}, line 4: {message}")
    assert "\n" not in problem


def test_problems_without_end_are_counted(write_rows: Callable[..., Path]):
    path = write_rows(["a.png,train,cow"] * 1500, "image,split,breed")
    problems = open_breeds(path.parent).problems
    assert len(problems) == 1001
    assert "line 1001:" in problems[999]
    assert problems[-1] == f"{path}: 500 more cells that cannot be used"


@pytest.mark.parametrize(("split", "other"), [("train", "test"), ("test", "train"), ("val", "train")])
def test_one_split_alone_can_be_opened_and_not_trained_on(own: Path, split: str, other: str) -> None:
    (own / "manifest.csv").write_text(f"image,split,breed\na.png,{split},cat\nb.png,{split},dog\n")
    data = open_breeds(own)
    sentence = f"{own / 'manifest.csv'} has no row of split '{other}' with a label, expected some: add them"
    assert data.lacking[0] == sentence
    assert sum(map(len, data.splits.values())) == 2
    assert sentence in survey(data).errors
    options = {"tasks": {"breed": {"kind": "classification", "classes": ["cat", "dog"]}}}
    keys = {"data.name": "manifest", "data.root": own, "data.options": options}
    with pytest.raises(InputError, match="has no row of split"):
        open_whole(load_recipe("rooms", keys))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "begins with an empty line, expected the names of its columns: add them"),
        (b"\nimage,split,breed\n", "begins with an empty line"),
        (b"image;split;breed\na.png;train;cat\n", "is separated by semicolons, expected commas"),
        (b"image\tsplit\tbreed\na.png\ttrain\tcat\n", "is separated by tabs, expected commas"),
        (b"image,breed\na.png,cat\n", "lacks a column that these tasks need: unknown column 'split'"),
        (b"image,split,bred\n", "unknown column 'breed', did you mean 'bred'?"),
        (b"image,split,breed,breed\n", "has the column 'breed' 2 times: keep one"),
        (b"image,split,breed\n", "has no row of split 'train' with a label"),
        (
            b"image,split,breed\na.png,train,cat\nb.png,train\n",
            ", line 3, has 2 cells, expected 3 as in its first line",
        ),
        (b"image,split,breed\na,b.png,train,cat\n", ", line 2, has 4 cells, expected 3"),
        (b"image,split,breed\na.png,train,cat\n\xe4.png,train,cat\n", ", line 3, has bytes that are not UTF-8"),
        (b"image,split,br\xe4ed\n", ", line 1, is not CSV in UTF-8"),
        ("image,split,breed\n".encode("utf-16"), ", line 1, is not CSV in UTF-8"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_sentence(own: Path, text: bytes, message: str):
    path = own / "manifest.csv"
    path.write_bytes(text)
    with pytest.raises(InputError) as caught:
        open_breeds(own)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_line_ends_and_byte_order_marks_change_nothing(own: Path, mark: bytes, end: bytes):
    lines = [b"image,split,breed,note", b"a.png,train,cat,", b"", b'b.png,test,dog,"a, b"', b""]
    (own / "manifest.csv").write_bytes(mark + end.join(lines))
    data = open_breeds(own)
    assert [data.train[0]["id"], data.test[0]["id"]] == ["manifest.csv, line 2: a.png", "manifest.csv, line 4: b.png"]
    assert data.warnings == [f"{own / 'manifest.csv'} has columns that no task reads: note"]
    assert not data.problems


def test_a_manifest_that_is_not_there_or_of_another_type(own: Path):
    for name, message in {
        "m.csv": "is missing",
        "manifest.txt": "an unknown type",
        "labels": "an unknown type",
    }.items():
        with pytest.raises(InputError, match=message):
            open_own(own, BREED, manifest=name)
    (own / "m.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(InputError, match=r"m\.parquet cannot be read .*write it again"):
        open_own(own, BREED, manifest="m.parquet")
    with pytest.raises(InputError, match="is a file, expected the folder"):
        open_breeds(own / "manifest.csv")


def test_a_file_that_cannot_be_used_is_named_with_its_line(own: Path, tasks):
    data = open_own(own, tasks)
    Image.new("I;16", (10, 8)).save(own / "depth/a.png")
    with pytest.raises(
        InputError, match=r"manifest\.csv, line 2: .*a\.png is 8x10 pixels, expected 8x12 as its photo a"
    ):
        data.train[0]
    (own / "a.png").unlink()
    with pytest.raises(InputError, match=r"manifest\.csv, line 2: .*/a\.png does not exist"):
        data.train[0]


def test_a_photo_stands_upright_as_its_camera_meant(own: Path):
    turned = Image.new("RGB", (8, 12))  # upright it is 12 wide and 8 high, as its maps are
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(own / "a.png", exif=exif)
    data = open_own(own, BREED | {"depth": {"kind": "depth"}})
    assert data.train.read(0)["image"].shape == (3, 8, 12)


def test_no_map_or_photo_of_ones_own_is_waited_for(own: Path, tasks: dict[str, object]) -> None:
    assert pipes_refused(own, lambda: everything("manifest", own, tasks=tasks)) == 6


def test_a_table_has_an_end(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own / "manifest.csv").write_text("image,split,breed" + ",c" * 500_000 + "\na.png,train,cat\n")
    with bounded(), pytest.raises(InputError, match=r"manifest\.csv has 500,003 columns, expected at most 10,000"):
        open_breeds(own)
    monkeypatch.setattr("afanet.data.sets.manifest.table.MOST_ROWS", 2)
    table = pa.table({"image": ["a.png"] * 3, "split": ["train"] * 3, "breed": ["cat"] * 3})
    pq.write_table(table, own / "manifest.parquet")
    with pytest.raises(InputError, match=r"manifest\.parquet has 3 rows, expected at most 2"):
        open_own(own, BREED, manifest="manifest.parquet")


def test_of_thousands_of_columns_that_nothing_reads_some_are_named(write_rows: Callable[..., Path]) -> None:
    others = [f"c{number}" for number in range(5000)]
    row = ",".join(["a.png", "train", "cat", *others])
    rows = [row, row.replace("train", "test")]
    root = write_rows(rows, header=",".join(["image", "split", "breed", *others])).parent
    [warning] = open_breeds(root).warnings
    assert warning.endswith(
        "columns that no task reads: c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11 and 4988 more"
    )


def test_classes_keep_the_colours_of_the_first_mask_or_those_declared(write_rows, tasks):
    path = write_rows(["b.png,train,,dog,,,,labels/b.png,,", "a.png,test,,cat,,,,labels/a.png,,"])
    segmentation = open_own(path.parent, tasks).tasks["segmentation"]
    assert segmentation.meaning["colours"] == [[255, 254, 253], [252, 251, 250]]  # of the palette of b.png
    declared = {**tasks, "segmentation": {**tasks["segmentation"], "colours": ["#010203", [4, 5, 6]]}}
    assert open_own(path.parent, declared).tasks["segmentation"].meaning["colours"] == [[1, 2, 3], [4, 5, 6]]


def test_values_of_images_are_read_without_any_file(own: Path, tasks: dict[str, object]) -> None:
    read = open_own(own, tasks).train
    expected = [read.read(item)["targets"] for item in read.items]
    for file in own.glob("*.png"):
        file.unlink()
    for item, targets in zip(read.items, expected, strict=True):
        values = read.read.values(item)
        assert set(values) == {name for name, target in targets.items() if target.ndim < 2}
        assert all(torch.equal(value, targets[name]) for name, value in values.items())
