"""Tables of any content and of any length."""

from __future__ import annotations

import csv
import io
import math
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afanet.data import Data, open_data
from afanet.data.sets.manifest.kinds import declare_tasks
from afanet.data.sets.manifest.rows import read_rows
from afanet.data.sets.manifest.table import open_table
from afanet.errors import InputError

TASKS = {
    "breed": {"kind": "classification", "classes": ["cat", "dog"]},
    "tags": {"kind": "multi_label", "labels": ["a", "b"]},
    "age": {"kind": "regression", "range": [-5, 5]},
    "depth": {"kind": "depth"},
}
HEADER = ["image", "split", *TASKS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def open_or_refuse(folder: Path, content: bytes, name: str = "manifest.csv") -> Data | None:
    (folder / name).write_bytes(content)
    try:
        data = open_data("manifest", folder, (8, 8), tasks=TASKS, manifest=name)
    except InputError as error:
        sentence, data = str(error), None
    if data is None:
        assert "\n" not in sentence
        return None
    assert all("\n" not in sentence for sentence in [*data.problems, *data.warnings, data.describe])
    return data


@settings(deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_opened_or_refused_in_a_sentence(folder: Path, content: bytes):
    assert open_or_refuse(folder, content) is None  # since no header can come by chance
    assert open_or_refuse(folder, content, "m.parquet") is None


@settings(deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_after_the_header_are_opened_or_refused(folder: Path, content: bytes):
    open_or_refuse(folder, ",".join(HEADER).encode() + b"\n" + content)


CELL = st.sampled_from(
    ["", "train", "test", "val", "cat", "a;b", "-", "a?", "b?;a", "a;a?", "?", "3", "x.jpg", "../x", "\ud7ff"]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@settings(deadline=None)
@given(rows=st.lists(st.lists(CELL, min_size=6, max_size=6), max_size=8))
def test_tables_of_any_cells_keep_the_rows_that_say_something_right(folder: Path, rows: list[list[str]]):
    text = io.StringIO()
    csv.writer(text).writerows([HEADER, *rows])
    data = open_or_refuse(folder, text.getvalue().encode())
    if data is None:
        return
    splits = {"train": data.train, "validation": data.validation, "test": data.test}
    kept = sorted(int(row) for split in splits.values() if split for row in split.items)
    expected = [number for number, row in enumerate(rows) if _usable(row)]
    assert kept == expected


def _usable(row: list[str]) -> bool:
    """The rules once more, a row at a time."""
    image, split, breed, tags, age, depth = row

    def inside(path: str) -> bool:
        parts = path.replace("\\", "/").split("/")
        drive = path[:1].isascii() and path[:1].isalpha() and path[1:2] == ":"
        return parts[0] != "" and ".." not in parts and not drive and not set(path) & set("\0\r\n")

    def listed(cell: str) -> bool:
        tags = {tag.strip(" \t") for tag in cell.split(";")}
        return tags <= {"a", "b", "a?", "b?"} and not any({tag, f"{tag}?"} <= tags for tag in "ab")

    def number(cell: str) -> bool:
        try:
            return cell.isascii() and "_" not in cell and cell == cell.strip() and -5 <= float(cell) <= 5
        except ValueError:
            return False

    labels = [
        breed in ("cat", "dog"),
        tags in ("-", "?") or listed(tags),
        number(age) and not math.isnan(float(age)),
        inside(depth),
    ]
    return inside(image) and split in ("train", "val", "validation", "test") and any(labels)


def test_many_rows_take_few_bytes_each_and_no_python_objects(folder: Path):
    rows = 300_000
    with (folder / "many.csv").open("w") as file:
        file.write(",".join(HEADER) + "\n")
        file.writelines(f"images/{i:07d}.jpg,train,cat,a;b,{i % 10 - 5},depth/{i:07d}.png\n" for i in range(rows))
    paths = sum(len(f"{folder}/{0:07d}.jpg") for folder in ("images", "depth"))
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    columns = {name: column for name, (column, _) in declare_tasks(TASKS).items()}
    read = read_rows(open_table(folder / "many.csv"), columns)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    arrow = pa.total_allocated_bytes() - before
    assert len(read.splits["train"]) == rows
    # numpy: 8 bytes of index, 1 of split, 1 + 1 + 4 of values, 4 of what is labelled; Arrow: paths and their offsets
    assert kept < 22 * rows + 1e6
    assert peak < 60 * rows + 1e7
    assert arrow < 1.3 * (paths + 8) * rows + 1e6
