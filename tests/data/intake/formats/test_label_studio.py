"""Label Studio's JSON becomes masks, and choices, numbers and ratings tasks of their own."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as pycoco

from afanet.data.intake.formats import read_annotations
from afanet.data.intake.formats.brush import read_brush
from afanet.data.intake.formats.shapes import ShapeError
from afanet.errors import InputError

from .trees import HEIGHT, SQUARE, WIDTH, contents_of, masks_of, photos, rectangle, write


def pack(mask: NDArray[np.bool_], sizes: tuple[int, int, int, int] = (3, 4, 8, 16), raw: int = 1) -> list[int]:
    """An encoder that knows the format alone: runs of equal words, and, up to `raw` long, words one by one."""
    words = [channel for opaque in mask.flatten() for channel in (7, 8, 9, 255 if opaque else 0)]
    bits = f"{len(words):032b}{8 - 1:05b}" + "".join(f"{size - 1:04b}" for size in sizes)

    def length(count: int) -> str:
        chosen = next(number for number, size in enumerate(sizes) if count <= 2**size)
        return f"{chosen:02b}{count - 1:0{sizes[chosen]}b}"

    waiting: list[int] = []

    def flush() -> str:
        text = "".join(
            "0" + length(len(part)) + "".join(f"{word:08b}" for word in part)
            for start in range(0, len(waiting), 2 ** sizes[1])
            if (part := waiting[start : start + 2 ** sizes[1]])
        )
        waiting.clear()
        return text

    for word, group in groupby(words):
        count = len(list(group))
        if count <= raw:
            waiting += [word] * count
            continue
        bits += flush()
        while count:
            now = min(count, 2 ** sizes[-1])
            bits += "1" + length(now) + f"{word:08b}"
            count -= now
    bits += flush()
    bits += "0" * (-len(bits) % 8)
    return [int(bits[start : start + 8], 2) for start in range(0, len(bits), 8)]


@given(
    st.integers(1, 12), st.integers(1, 12), st.sampled_from([(3, 4, 8, 16), (1, 2, 3, 4)]), st.integers(0, 2), st.data()
)
def test_what_another_encoder_packed_is_unpacked(
    height: int, width: int, sizes: tuple[int, int, int, int], raw: int, data: Any
) -> None:
    seed, share = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.sampled_from([0, 0.1, 0.5, 1]))
    mask = np.random.default_rng(seed).random((height, width)) < share
    assert (read_brush(pack(mask, sizes, raw), height, width) == mask).all()


@pytest.mark.parametrize("values", [[], [0], [256], ["a"], None, 7, {}, [0] * 100, [[1]], [1.5]])
def test_other_brush_masks_are_refused(values: Any) -> None:
    with pytest.raises(ShapeError):
        read_brush(values, 3, 4)


def test_a_cut_brush_mask_is_refused() -> None:
    packed = pack(np.ones((5, 6), np.bool_))
    for end in range(len(packed) - 1):
        with pytest.raises(ShapeError):
            read_brush(packed[:end], 5, 6)


def region(kind: str, **value: Any) -> dict[str, Any]:
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    return size | {"id": "x", "type": kind, "from_name": "label", "to_name": "image", "value": value}


def percent(ring: list[float]) -> list[list[float]]:
    return [[x / WIDTH * 100, y / HEIGHT * 100] for x, y in zip(ring[::2], ring[1::2], strict=True)]


def polygon(label: str, ring: list[float] = SQUARE) -> dict[str, Any]:
    return region("polygonlabels", points=percent(ring), polygonlabels=[label], closed=True)


def given_value(name: str, kind: str, value: Any) -> dict[str, Any]:
    return {"id": name, "type": kind, "from_name": name, "to_name": "image", "value": {kind: value}}


def task(image: str, *results: Any, **more: Any) -> dict[str, Any]:
    annotation = {"id": 1, "was_cancelled": False, "created_at": "2024-01-01T00:00:00Z", "result": list(results)}
    return {"id": 5, "data": {"image": image}, "annotations": [annotation], **more}


def refusal(file: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_annotations(file)
    return str(caught.value)


def test_polygons_and_brushes_become_masks(tmp_path: Path) -> None:
    photos(tmp_path, ["a.png", "b.png", "c.png"])
    rng = np.random.default_rng(0)
    blob, ring = rng.random((HEIGHT, WIDTH)) < 0.4, rng.uniform(0, 20, 12).tolist()
    tasks = [
        task("/data/upload/3/1a2b3c4d-a.png", polygon("road")),
        task("s3://bucket/x/b.png", region("brushlabels", rle=pack(blob), format="rle", brushlabels=["car"])),
        task("/data/local-files/?d=x/c.png", polygon("car", ring)),
    ]
    write(tmp_path / "project.json", tasks)
    masks = masks_of(tmp_path)
    assert contents_of(tmp_path).columns["segmentation"].declared["classes"] == ["background", "car", "road"]
    assert (masks["a.png"] == rectangle(3, 4, 9, 14, 2)).all()
    assert (masks["b.png"] == blob).all()
    pixels = np.array(percent(ring)) / 100 * [WIDTH, HEIGHT]
    expected = pycoco.decode(pycoco.frPyObjects([pixels.flatten().tolist()], HEIGHT, WIDTH)[0])
    assert (masks["c.png"] == expected).all()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("/data/upload/1/12345678-my photo.png", "my photo.png"),
        ("https://host/a/b%20c.png?X-Sign=1/2#z", "b c.png"),
        ("/data/local-files/?d=disk%2Fsub/a.png", "sub/a.png"),
        ("C:\\photos\\a.png", "a.png"),
        ("12345678-a.png", "12345678-a.png"),
        ("/tasks/7/presign/?fileuri=czM6Ly9idWNrZXQvZm9sZGVyL2EucG5n", "folder/a.png"),
    ],
)
def test_addresses_name_local_files(tmp_path: Path, name: str, file: str) -> None:
    photos(tmp_path, [file])
    write(tmp_path / "project.json", [task(name, polygon("road"))])
    assert contents_of(tmp_path).images == [file]


def test_the_newest_annotation_counts_that_is_not_cancelled(tmp_path: Path) -> None:
    photos(tmp_path, ["a.png", "b.png"])
    annotations = [
        {"id": 1, "updated_at": "2024-03-01", "result": [polygon("road")]},
        {"id": 2, "updated_at": "2024-02-01", "result": []},
        {"id": 3, "updated_at": "2024-09-01", "was_cancelled": True, "result": []},
    ]
    write(
        tmp_path / "project.json", [task("a.png", annotations=annotations), task("b.png", annotations=annotations[2:])]
    )
    assert {name: mask.any() for name, mask in masks_of(tmp_path).items()} == {"a.png": True}
    notes = contents_of(tmp_path).notes
    assert any(note.startswith("1 tasks have several annotations: the newest counts") for note in notes)
    assert any(note.startswith("1 tasks without an annotation") for note in notes)


def test_choices_numbers_and_ratings_become_tasks(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(10)]
    photos(tmp_path, names)
    tasks = [
        task(
            name,
            given_value("weather", "choices", [["rain", "sun"][number % 2]]),
            given_value("things", "choices", [["car"], ["car", "tree"], ["tree"]][number % 3]),
            given_value("count", "number", number * 1.5),
            given_value("quality", "rating", 1 + number % 4),
            given_value("remark", "textarea", ["nice"]),
        )
        for number, name in enumerate(names)
    ]
    write(tmp_path / "project.json", tasks)
    contents = contents_of(tmp_path)
    columns = contents.columns
    assert columns["weather"].declared == {"kind": "classification", "classes": ["rain", "sun"]}
    assert columns["things"].declared["kind"] == "multi_label"
    assert columns["things"].cells["1.png"] == "car;tree"
    assert columns["count"].declared["kind"] == "regression"
    assert set(columns) == {"weather", "things", "count", "quality"}
    assert any(note.startswith("10 results of the kind textarea are left out") for note in contents.notes)


def test_rectangles_become_labels_of_images(tmp_path: Path) -> None:
    photos(tmp_path, ["a.png"])
    box = region("rectanglelabels", x=1, y=1, width=9, height=9, rectanglelabels=["car"])
    write(tmp_path / "project.json", [task("a.png", box)])
    assert contents_of(tmp_path).columns["contents"].cells == {"a.png": "car"}


def test_all_faults_are_counted_in_one_sentence(tmp_path: Path) -> None:
    photos(tmp_path, ["a.png", "b.png"])
    broken = [
        region("polygonlabels", points=[[1], [2, 3]], polygonlabels=["road"]),
        region("polygonlabels", points=[[1, None], [2, 3], [4, 5]], polygonlabels=["road"]),
        region("brushlabels", rle=[1, 2, 3], brushlabels=["road"]),
        region("brushlabels", rle=pack(np.ones((2, 2), np.bool_)), brushlabels=["road"]),
        {"type": "choices", "id": "c"},
    ]
    huge = polygon("road") | {"original_width": 10**9}
    tasks = [task("a.png", *broken), task("a.png"), 7, {"id": 3}, task("a/../b.png"), {"id": 4, "data": {"text": "x"}}]
    said = refusal(write(tmp_path / "project.json", [*tasks, task("b.png", huge)]))
    for part in (
        "has 10 kinds of fault",
        "1 polygons with an odd count",
        "1 polygons with a coordinate that is not a number",
        "1 brush masks that are cut short (such as one in a.png)",
        "1 brush masks of another size than their image",
        "1 results without 'value' (such as c)",
        "1 images that are listed twice",
        "2 tasks without 'data' (such as 7)",
        "1 names of images that lead out of the folder (such as a/../b.png)",
        "1 tasks without the name of an image in 'data' (such as 4)",
        "1 images without a size in whole numbers",
    ):
        assert part in said
