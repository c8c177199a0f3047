"""Tables as people have them are read, and each that is broken is one sentence."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from afanet.cli import main
from afanet.data.intake.init import init_manifest
from afanet.data.intake.tables.sheet import open_sheet
from afanet.errors import InputError

ROWS = [["image", "pet", "Größe"], *([f"{number:02d}.png", ("cat", "dög")[number % 2], "1,5"] for number in range(12))]


def cells(path: Path) -> list[list[str]]:
    sheet = open_sheet(path)
    rows = (zip(*(column.to_pylist() for column in batch), strict=True) for batch in sheet.batches())
    return [sheet.header, *(list(row) for batch in rows for row in batch)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_every_usual_form_of_a_table(sign: str, end: str, encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    text = end.join(sign.join(f'"{cell}"' if sign in cell else cell for cell in row) for row in ROWS)
    path.write_bytes(text.encode(encoding))
    assert cells(path) == ROWS
    notes = " ".join(open_sheet(path).notes)
    assert ("separated by" in notes) == (sign != ",")
    assert ("Windows-1252" in notes) == (encoding == "cp1252")


def test_lines_within_quotes_and_rows_that_repeat_the_header(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('image,note\na.png,"two\nlines, one cell"\n\nimage,note\nb.png,"say ""hi"""\nc.png,x,,\n')
    assert cells(path) == [["image", "note"], ["a.png", "two\nlines, one cell"], ["b.png", 'say "hi"'], ["c.png", "x"]]
    path.write_text("sep=;\nimage;a,b\n1.png;2\n")
    assert cells(path) == [["image", "a,b"], ["1.png", "2"]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty, expected a table"),
        (b"\xef\xbb\xbf\n \n", "is empty, expected a table"),
        ("image,pet\n00.png,cat\n".encode("utf-16"), "is in UTF-16, expected UTF-8"),
        (b"image,pet\n00.png,c\0t\n", "line 2, has a zero byte"),
        (b"image,pet\n00.png\n", "line 2, has 1 cells, expected 2 as in its first line"),
        (b"image,pet\n00.png,cat,dog\n", "line 2, has 3 cells, expected 2"),
        (
            b'image,pet\n00.png,cat\n01.png,"do',
            "cannot be read from line 3 on (unexpected end of data): close its quotes",
        ),
        (b'image,pet\n00.png,"' + b"x\n" * 100_000, "cannot be read from line 2 on (field larger than field limit"),
        (b"image,pet,pet\n00.png,cat,dog\n", "has the column 'pet' 2 times"),
        ("image,pet\n00.png,dög\n01.png,d\u00f6".encode()[:-1], "ends within a character: it is cut short"),
        ("image,pet\n00.png,dög\n01.png,".encode() + b"\xe9t\xe9\n", "line 3, has bytes that are not UTF-8"),
        (b"image,pet\n00.png,\x81\n", "is not text in UTF-8 or Windows-1252"),
        ((",".join(map(str, range(2000))) + "\n").encode(), "has 2,000 columns, expected at most 1,000"),
    ],
)
def test_each_broken_table_is_one_sentence(content: bytes, said: str, twelve: Path) -> None:
    path = twelve / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        init_manifest(twelve)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert str(caught.value).isprintable()
    assert {other.name for other in twelve.iterdir()} == {"labels.csv", *(f"{number:02d}.png" for number in range(12))}


def test_a_broken_parquet_is_one_sentence(twelve: Path) -> None:
    (twelve / "labels.parquet").write_bytes(b"PAR1" + b"\0" * 100)
    with pytest.raises(InputError, match=r"labels\.parquet cannot be read"):
        init_manifest(twelve)


def test_any_damage_is_a_manifest_or_one_sentence(twelve: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cut anywhere, with bytes changed: init writes both files or none, and says one sentence."""
    rng = random.Random(0)
    whole = "\n".join(",".join(f'"{cell}"' for cell in row) for row in ROWS).encode()
    for _ in range(60):
        damaged = bytearray(whole[: rng.randint(1, len(whole))])
        for _ in range(rng.randint(0, 3)):
            damaged[rng.randrange(len(damaged))] = rng.choice(b'\0\n",;\xff\xc3a0')
        (twelve / "labels.csv").write_bytes(damaged)
        status = main(["data", "init", str(twelve)])
        said = capsys.readouterr().err
        assert (status, said.count("\n")) in ((0, 0), (2, 1)), said
        assert (twelve / "manifest.csv").exists() == (twelve / "recipe.yaml").exists() == (status == 0)
        for name in ("manifest.csv", "recipe.yaml"):
            (twelve / name).unlink(missing_ok=True)
