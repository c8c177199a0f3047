"""Tables keep every byte that is not filled, whatever is in them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as arrow_parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afanet.errors import InputError
from afanet.labelling.table import Row, open_table

CELL = st.text(st.sampled_from('ab",\n ;é') | st.characters(exclude_categories=["Cs", "Cc"]), max_size=5)
HEADER = ["image", "split", "a b", 'quo"te']


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def line(cells: list[str], quotes: list[bool], end: str) -> str:
    """Cells as text, in quotes where they must be or where it pleases."""
    return (
        ",".join(in_quotes(cell) if quote else written(cell) for cell, quote in zip(cells, quotes, strict=True)) + end
    )


def in_quotes(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def written(cell: str) -> str:
    return in_quotes(cell) if set(cell) & set('",\n') else cell


@settings(deadline=None)
@given(
    rows=st.lists(st.lists(CELL, min_size=4, max_size=4), max_size=6),
    end=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
    whole=st.booleans(),
    data=st.data(),
)
def test_a_filled_table_differs_in_the_filled_cells_alone(
    folder: Path, rows: list[list[str]], end: str, mark: str, whole: bool, data: st.DataObject
) -> None:
    quotes = [data.draw(st.lists(st.booleans(), min_size=4, max_size=4)) for _ in range(len(rows) + 1)]
    lines = [line(cells, quote, end) for cells, quote in zip([HEADER, *rows], quotes, strict=True)]
    content = mark + "".join(lines)
    content = content if whole else content.removesuffix(end)
    file, out = folder / "t.csv", folder / "out.csv"
    file.write_bytes(content.encode())
    table = open_table(file)
    assert table.header == HEADER
    assert [[row.cells[name] for name in HEADER] for row in table.rows()] == rows
    assert list(csv.reader(io.StringIO(content.removeprefix("\ufeff"), newline=""))) == [HEADER, *rows]
    table.write(out, [], ((row, {}) for row in table.rows()))
    assert out.read_bytes().decode() == content
    fill = [{"a b": data.draw(CELL), "new": data.draw(CELL)} for _ in rows]
    added = [(Row("x", {"image": "x,y", "split": "train"}), {"new": "z"})]
    table.write(out, ["new"], [*zip(table.rows(), fill, strict=True), *added])
    expected = [lines[0].removesuffix(end) + ",new" + end]
    for cells, quote, new in zip(rows, quotes[1:], fill, strict=True):
        kept = [line([cells[index]], [quote[index]], "") for index in (0, 1, 3)]
        expected.append(",".join([*kept[:2], written(new["a b"]), kept[2], written(new["new"])]) + end)
    ended = end if whole or rows or end == "\n" else "\n"  # a header alone says nothing of the end of its line
    expected[0] = expected[0].removesuffix(end) + (ended if not rows else end)
    assert out.read_bytes().decode() == mark + "".join(expected) + '"x,y",train,,,z' + ended


def test_parquet_keeps_its_types_and_all_that_is_not_filled(tmp_path: Path) -> None:
    columns = {
        "image": pa.array(["a", "b", "c"]),
        "split": pa.array(["train"] * 3).dictionary_encode(),
        "age": pa.array([None, 4, 5], pa.int16()),
        "height": pa.array([1.5, float("nan"), None], pa.float32()),
        "kind": pa.array([None, "x", "x"]).dictionary_encode(),
        "boxes": pa.array([[1, 2], [], None]),
    }
    before = pa.table(columns).replace_schema_metadata({"own": "kept"})
    arrow_parquet.write_table(before, tmp_path / "t.parquet")
    table = open_table(tmp_path / "t.parquet")
    rows = list(table.rows())
    assert [row.cells["age"] for row in rows] == ["", "4", "5"]
    assert [row.cells["height"] for row in rows] == ["1.5", "", ""]
    changes = [(rows[0], {"age": "7", "kind": "y"}), (rows[1], {"height": "2.5", "m_confidence": "0.5"}), (rows[2], {})]
    added = [(Row("d", {"image": "d", "split": "train"}), {"age": "9"})]
    table.write(tmp_path / "out.parquet", ["m_confidence"], [*changes, *added])
    after = arrow_parquet.read_table(tmp_path / "out.parquet")
    assert after.schema.metadata == before.schema.metadata
    assert [field.type for field in after.schema][:-1] == [field.type for field in before.schema]
    read = after.to_pydict()
    assert read["age"] == [7, 4, 5, 9]
    assert (read["height"][0], read["height"][1:]) == (1.5, [2.5, None, None])
    assert read["kind"] == ["y", "x", "x", None]
    assert read["boxes"] == [[1, 2], [], None, None]
    assert read["m_confidence"] == [None, 0.5, None, None]
    assert (read["image"], read["split"]) == (["a", "b", "c", "d"], ["train"] * 4)
    with pytest.raises(InputError, match=r"has column 'age' of type int16, which cannot hold the teacher's labels"):
        table.write(tmp_path / "out.parquet", [], [(rows[0], {"age": "7.5"})])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has 0 columns 'image', expected one"),
        (b"image;split\n", "has 0 columns 'image', expected one"),
        (b"image,split,image\n", "has 2 columns 'image', expected one"),
        (b"image,split,a,a\n", "has the column 'a' 2 times: keep one"),
        (b"image,split\na\n", "line 2, has 1 cells, expected 2"),
        (b'image,split\n"a,train\nb,train\n', "line 2, has quotes that never end"),
        (b"image,split\n\xff,train\n", "cannot be read"),
    ],
)
def test_a_broken_table_is_refused_in_a_sentence(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError) as raised:
        list(open_table(tmp_path / "t.csv").rows())
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@settings(deadline=None, max_examples=50)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_a_sentence(folder: Path, content: bytes) -> None:
    for name, head in (("x.csv", b""), ("x.csv", b"image,split\n"), ("x.parquet", b"")):
        (folder / name).write_bytes(head + content)
        sentence = ""
        try:
            list(open_table(folder / name).rows())
        except InputError as error:
            sentence = str(error)
        assert "\n" not in sentence
