"""Labels by teachers that are a formula: what is filled, what is left, and what is there after an error."""

from __future__ import annotations

import csv
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as arrow_parquet
import pytest
from numpy.typing import NDArray
from PIL import Image

from afanet.data import open_data
from afanet.errors import InputError
from afanet.inference import About, Choice, DepthMap, LabelMap, Predictor
from afanet.labelling import Labelled, label
from afanet.labelling.teacher import Results

COLOURS = np.array([[9, 200, 7], [250, 3, 90]], np.uint8)
Photo = NDArray[np.uint8]


def teacher(photo: Photo) -> Results:
    """`light` by the mean; `parts` by the red of each pixel; depth that agrees with its mirror image in the middle."""
    bright = float(photo.mean()) / 255
    red = photo[..., 0].astype(np.float32) / 255
    across = np.linspace(1, 2, photo.shape[1], dtype=np.float32) * np.ones(photo.shape[:2], np.float32)
    return {
        "light": Choice(
            "light", "bright" if bright > 0.5 else "dark", int(bright > 0.5), {"dark": 1 - bright, "bright": bright}
        ),
        "parts": LabelMap("parts", (red > 0.5).astype(np.uint8), np.maximum(red, 1 - red), ("a", "b"), COLOURS),
        "depth": DepthMap("depth", across, 10.0, np.zeros((256, 3), np.uint8)),
    }


def light(photo: Photo) -> Results:
    return {"light": teacher(photo)["light"]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six photos, from black to white."""
    (tmp_path / "images").mkdir()
    for number in range(6):
        pixels = np.full((8, 11, 3), number * 51, np.uint8)
        pixels[:4] = 255 - pixels[:4] // 2 if number == 3 else pixels[:4]
        Image.fromarray(pixels).save(tmp_path / f"images/{number}.png")
    return tmp_path


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def images(root: Path) -> list[Path]:
    return sorted((root / "images").glob("*.png"))


def test_a_new_table_has_what_the_teacher_says(root: Path) -> None:
    done = label(teacher, images(root), root / "t.csv", batch_size=4)
    table = rows(root / "t.csv")
    assert [row["image"] for row in table] == [f"images/{number}.png" for number in range(6)]
    assert {row["split"] for row in table} == {"train"}
    assert {row["machine_made"] for row in table} == {"light;parts;depth"}
    for row in table:
        photo = np.asarray(Image.open(root / row["image"]))
        results = teacher(photo)
        assert row["light"] == results["light"].name
        assert float(row["light_confidence"]) == pytest.approx(results["light"].probability, abs=1e-4)
        mask = Image.open(root / row["parts"])
        assert np.array_equal(np.asarray(mask), results["parts"].labels)
        assert mask.getpalette()[:6] == COLOURS.ravel().tolist()
        assert float(row["parts_confidence"]) == pytest.approx(results["parts"].probability.mean(), abs=1e-4)
        metres = results["depth"].metres
        assert np.abs(np.asarray(Image.open(root / row["depth"])) / 1000 - metres).max() <= 0.0005 + 1e-6
        ratio = np.minimum(metres, metres[:, ::-1]) / np.maximum(metres, metres[:, ::-1])
        assert float(row["depth_confidence"]) == pytest.approx(ratio.mean(), abs=1e-4)
    assert {name: (count.filled, count.below) for name, count in done.tasks.items()} == dict.fromkeys(
        ("light", "parts", "depth"), (6, 0)
    )
    mean = np.mean([float(row["light_confidence"]) for row in table])
    assert done.tasks["light"].mean == pytest.approx(mean, abs=1e-4)
    assert done.added == 6


def test_the_declaration_opens_the_table(root: Path) -> None:
    done = label(teacher, images(root), root / "manifest.csv")
    lines = (root / "manifest.csv").read_text().splitlines()
    lines[1] = lines[1].replace(",train,", ",test,")
    (root / "manifest.csv").write_text("\n".join(lines))
    data = open_data("manifest", root, (8, 11), tasks=done.declared)
    assert not data.problems
    assert len(data.train) == 5
    assert data.train.read(data.train.items[1])["targets"].keys() == {"light", "parts", "depth"}
    assert data.machine_made["train"]["depth"]["machine_made"] == 5
    assert done.declaration().startswith('tasks:\n  light: {kind: "classification", classes: ["dark", "bright"]}\n')


def test_what_is_not_sure_stays_empty_or_void(root: Path) -> None:
    done = label(teacher, images(root), root / "t.csv", threshold=0.7)
    table = rows(root / "t.csv")
    assert [bool(row["light"]) for row in table] == [
        float(teacher(photo(root, n))["light"].probability) >= 0.7 for n in range(6)
    ]
    assert all(bool(row["light"]) == bool(row["light_confidence"]) for row in table)
    assert all(("light" in row["machine_made"].split(";")) == bool(row["light"]) for row in table)
    for number, row in enumerate(table):
        sure = teacher(photo(root, number))["parts"].probability >= 0.7
        assert bool(row["parts"]) == sure.any()
        if row["parts"]:
            assert np.array_equal(np.asarray(Image.open(root / row["parts"])) != 255, sure)
        metres = teacher(photo(root, number))["depth"].metres
        ratio = np.minimum(metres, metres[:, ::-1]) / np.maximum(metres, metres[:, ::-1])
        assert np.array_equal(np.asarray(Image.open(root / row["depth"])) > 0, ratio >= 0.7)
    assert done.tasks["light"].below == sum(not row["light"] for row in table) > 0


def photo(root: Path, number: int) -> Photo:
    return np.asarray(Image.open(root / f"images/{number}.png"))


def test_a_threshold_that_leaves_nothing_names_the_largest_confidence(root: Path) -> None:
    before = files(root)
    grey = [root / "images/2.png", root / "images/3.png"]
    largest = max(teacher(photo(root, n))["light"].probability for n in (2, 3))
    with pytest.raises(InputError, match=f"threshold 0.999 leaves no label, since the largest .* {largest:.8g}: "):
        label(light, grey, root / "t.csv", threshold=0.999)
    assert files(root) == before


HUMAN = (
    "image,note,split,light,parts\r\n"
    'images/0.png,"a ""b"", c",train,bright,\r\n'  # which the teacher calls dark
    "images/1.png,,train,,\r\n"
    "images/2.png,,test,,\r\n"
    "images/3.png,x,val,dark,\r\n"
    "images/4.png,,train,,masks/own.png\r\n"
)


@pytest.fixture
def human(root: Path) -> Path:
    (root / "masks").mkdir()
    Image.fromarray(np.ones((8, 11), np.uint8)).save(root / "masks/own.png")
    (root / "t.csv").write_bytes(HUMAN.encode())
    return root / "t.csv"


def fill(human: Path, given: Any = (), **options: Any) -> Labelled:
    return label(teacher, given, human, tasks=["light", "parts"], fill=True, **options)


def test_empty_cells_alone_are_filled_and_none_that_are_scored(human: Path) -> None:
    done = fill(human)
    assert human.read_bytes().decode().split("\r\n") == [
        "image,note,split,light,parts,light_confidence,parts_confidence,machine_made",
        'images/0.png,"a ""b"", c",train,bright,parts-machine/images/0.png,,1.0000,parts',
        "images/1.png,,train,dark,parts-machine/images/1.png,0.8000,0.8000,light;parts",
        "images/2.png,,test,,,,,",
        "images/3.png,x,val,dark,,,,",
        "images/4.png,,train,bright,masks/own.png,0.8000,,light",
        "",
    ]
    assert (done.held_out, done.added, done.filled) == (2, 0, 4)


@pytest.mark.parametrize("threshold", [None, 0.9])
@pytest.mark.parametrize("everything", [False, True])
def test_a_second_time_changes_nothing(human: Path, threshold: float | None, everything: bool) -> None:
    given = list(human.parent.rglob("*.png")) if everything else []
    fill(human, given, threshold=threshold)
    first = files(human.parent)
    again = list(human.parent.rglob("*.png")) if everything else []
    assert fill(human, again, threshold=threshold).filled == 0
    assert files(human.parent) == first


def test_new_images_become_rows_and_only_chosen_ones_are_filled(human: Path) -> None:
    done = fill(human, [human.parent / "images/1.png", human.parent / "images/5.png", human.parent / "masks/own.png"])
    table = rows(human)
    assert [row["image"] for row in table] == [f"images/{number}.png" for number in range(6)]
    assert [row["machine_made"] for row in table] == ["", "light;parts", "", "", "", "light;parts"]
    assert (table[5]["split"], done.added, done.held_out) == ("train", 1, 0)


def test_an_image_is_the_same_however_the_table_writes_its_path(human: Path) -> None:
    human.write_bytes(HUMAN.replace("images/1.png", "./images//1.png").encode())
    done = fill(human, [human.parent / "images/1.png"])
    assert (done.added, [row["machine_made"] for row in rows(human)]) == (0, ["", "light;parts", "", "", ""])


def test_a_label_file_is_never_replaced(human: Path) -> None:
    own = human.parent / "parts-machine/images/1.png"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"precious")
    fill(human)
    assert own.read_bytes() == b"precious"
    assert rows(human)[1]["parts"] == "parts-machine/images/1-2.png"


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, InputError])
def test_after_an_error_nothing_is_left(human: Path, error: type[BaseException]) -> None:
    calls = 0

    def breaks(photo: Photo) -> Results:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise error("now")
        return teacher(photo)

    before, folders = files(human.parent), sorted(human.parent.rglob("*"))
    if error is InputError:  # a photo that the teacher cannot answer is left out alone
        done = label(breaks, [], human, fill=True, tasks=["light", "parts"], batch_size=1)
        assert len(done.faults) == 2
        assert all(line.endswith(": now") and "t.csv, line" in line for line in done.faults)
        return
    with pytest.raises(error):
        label(breaks, [], human, fill=True, tasks=["light", "parts"], batch_size=1)
    assert files(human.parent) == before
    assert sorted(human.parent.rglob("*")) == folders


def test_images_that_cannot_be_read_are_left_out_and_named(root: Path) -> None:
    (root / "images/9.png").write_bytes(b"no picture")
    done = label(light, [*images(root)], root / "t.csv")
    assert len(rows(root / "t.csv")) == 6
    [fault] = done.faults
    assert "images/9.png" in fault


def test_parquet_is_filled_as_csv_is(root: Path) -> None:
    label(light, images(root)[:3], root / "t.parquet")
    done = label(light, images(root), root / "t.parquet", fill=True)
    assert done.added == 3
    label(light, images(root), root / "t.csv")
    table = arrow_parquet.read_table(root / "t.parquet").to_pylist()
    assert [{**row, "light_confidence": f"{row['light_confidence']:.4f}"} for row in table] == rows(root / "t.csv")


def refused(*arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as raised:
        label(*arguments, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_what_cannot_be_used_is_refused_in_a_sentence(human: Path, root: Path, tmp_path: Path) -> None:
    before = files(root)
    some = images(root)
    assert "exists and is never overwritten: fill its empty cells with --fill" in refused(light, some, human)
    assert "is not a file, expected a table to fill" in refused(light, some, root / "u.csv", fill=True)
    assert "threshold is 1.5, expected a confidence from 0 to 1" in refused(light, some, root / "u.csv", threshold=1.5)
    assert "expected a .csv or a .parquet file" in refused(light, some, root / "u.txt")
    assert "is not below" in refused(light, some, root / "images/deeper/u.csv")
    assert "there is no image to label" in refused(light, [], root / "u.csv")
    assert "unknown task 'ligth', did you mean 'light'?" in refused(light, some, root / "u.csv", tasks=["ligth"])
    assert "the teacher gives list" in refused(lambda photo: [], some, root / "u.csv")
    small = {"parts": teacher(np.zeros((2, 2, 3), np.uint8))["parts"]}
    assert "'parts' is 2x2, expected the photo's 8x11" in refused(lambda photo: small, some, root / "u.csv")
    other = {"light": Choice("light", "x", 0, {"x": 1.0})}
    said = refused(lambda photo: other, [], human, fill=True)
    assert "t.csv, line 2: the label of light is 'bright', which the teacher cannot give (its classes are x)" in said
    Image.fromarray(np.full((8, 11), 7, np.uint8)).save(root / "masks/own.png")
    said = refused(teacher, [], human, fill=True)
    assert (
        "t.csv, line 6: the label of parts is 'masks/own.png', which the teacher cannot give (it has the id 7" in said
    )
    declared = {"light": {"kind": "regression", "range": [0, 1]}}
    said = refused(light, [], human, fill=True, declared=declared)
    assert "column 'light' is declared as regression, and the teacher's task is of kind classification" in said
    (root / "masks/own.png").write_bytes(before["masks/own.png"])
    assert files(root) == before


def test_masks_are_written_with_the_ids_that_the_columns_declare(human: Path, root: Path) -> None:
    Image.fromarray(np.full((8, 11), 90, np.uint8)).save(root / "masks/own.png")
    declared = {"parts": {"kind": "segmentation", "ids": {40: "a", 90: "b"}, "void": 255}}
    fill(human, declared=declared)
    assert set(np.unique(np.asarray(Image.open(root / rows(human)[1]["parts"])))) <= {40, 90}


def test_masks_of_0_and_255_that_nobody_declares_are_not_filled_with_0_and_1(human: Path, root: Path) -> None:
    mask = np.zeros((8, 11), np.uint8)
    mask[:3] = 255
    Image.fromarray(mask).save(root / "masks/own.png")
    before = files(root)
    with pytest.raises(InputError, match=r"the ids 0, 255, of which 255 may be a class or mean void: declare"):
        fill(human)
    assert files(root) == before
    fill(human, declared={"parts": {"kind": "segmentation", "ids": {"a": 0, "b": 255}}})
    assert set(np.unique(np.asarray(Image.open(root / rows(human)[1]["parts"])))) <= {0, 255}


def test_few_rows_are_in_memory_at_a_time(root: Path) -> None:
    def peak(rows: int) -> int:
        lines = (f"images/{number % 6}.png,train,{'' if number % 1000 == 0 else 'dark'}\n" for number in range(rows))
        (root / "t.csv").write_text("image,split,light\n" + "".join(lines))
        tracemalloc.start()
        assert label(light, [], root / "t.csv", fill=True).filled == rows // 1000
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(20_000) < 1.2 * peak(8_000)


class Sided:
    """A network whose points are at the brightest column, so that a mirror image exchanges them."""

    about = About(
        {
            "eyes": {
                "kind": "vector",
                "names": ["left", "y", "right", "z"],
                "ranges": [0, 1],
                "unit": "",
                "decimals": [3] * 4,
                "points": True,
                "swap": [[0, 2], [1, 3]],
            },
            "turn": {"kind": "regression", "unit": "", "range": [0, 1], "decimals": 3, "mirror": False},
        },
        (8, 11),
        (0.0,) * 3,
        (1.0,) * 3,
    )

    def estimate(self, images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        at = (images.mean((1, 2)).argmax(1) + 0.5) / images.shape[3]
        eyes = np.stack([at - 0.03, 0 * at, at + 0.03, 0 * at + 0.5], 1).astype(np.float32)
        return {"eyes": eyes, "turn": at.astype(np.float32)}


def test_a_mirror_image_exchanges_the_sides_of_a_network(root: Path) -> None:
    pixels = np.zeros((8, 11, 3), np.uint8)
    pixels[:, 2] = 255
    Image.fromarray(pixels).save(root / "images/0.png")
    done = label(Predictor(Sided()), [root / "images/0.png"], root / "t.csv", threshold=0.9)
    [row] = rows(root / "t.csv")
    left, _, right, _ = row["eyes"].split(";")
    assert (float(left), float(right)) == pytest.approx((2.5 / 11 - 0.03, 2.5 / 11 + 0.03))
    assert row["eyes"].split(";")[1::2] == ["?", "?"]  # y and z are exchanged, and differ by half the photo
    assert float(row["eyes_confidence"]) == pytest.approx(1, abs=1e-4)
    assert done.declared["eyes"]["swap"] == {"left": "right", "y": "z"}
    assert "turn_confidence" not in row
    assert float(row["turn"]) == pytest.approx(2.5 / 11)
    assert done.notes == [
        "turn has no confidence, since its images cannot be mirrored: the threshold does not apply to it"
    ]
    assert done.declared["turn"]["mirror"] is False
