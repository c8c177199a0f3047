"""Small data sets in the published layouts, written by the tests themselves, and the real ones where they lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

SHARED = Path(__file__).parents[3] / "shared" / "data"
HEADER = "user_id\toriginal_image\tface_id\tage\tgender\tx\n"


@pytest.fixture
def shared() -> Callable[[str], Path]:
    """The path of a folder of real data; the test is skipped, by its name, where it is missing."""

    def find(name: str) -> Path:
        if not (SHARED / name).exists():
            pytest.skip(f"../shared/data/{name} is missing")
        return SHARED / name

    return find


def write_splits(root: Path, train: object = (1, 2, 3), test: object = (4,)) -> None:
    as_column = {"trainNdxs": np.array(train, np.uint16)[:, None], "testNdxs": np.array(test, np.uint16)[:, None]}
    savemat(root / "splits.mat", as_column)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Four frames of 12x16 pixels as plain folders: labels 0..40, depth 1000 mm and more, with a hole."""
    rng = np.random.default_rng(0)
    for folder in ("rgb", "label40", "depth_mm"):
        (tmp_path / folder).mkdir()
    for index in range(1, 5):
        Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8)).save(tmp_path / f"rgb/{index:04d}.jpg")
        labels = (np.arange(192, dtype=np.uint8).reshape(12, 16) + index) % 41
        Image.fromarray(labels).save(tmp_path / f"label40/{index:04d}.png")
        depth = (1000 + np.arange(192, dtype=np.uint16).reshape(12, 16)) * np.uint16(index)
        depth[0, 0] = 0
        Image.fromarray(depth).save(tmp_path / f"depth_mm/{index:04d}.png")
    write_splits(tmp_path)
    return tmp_path


@pytest.fixture
def mat(tmp_path: Path) -> Path:
    """Four frames of 12x16 pixels in the layout of the official MATLAB file, the labels counting up from 0."""
    path = tmp_path / "nyu_depth_v2_labeled.mat"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file["images"] = rng.integers(0, 256, (4, 3, 16, 12), np.uint8)
        file["labels"] = np.arange(4 * 192, dtype=np.uint16).reshape(4, 12, 16).transpose(0, 2, 1)
        file["depths"] = rng.uniform(1, 9, (4, 16, 12)).astype(np.float32)
    write_splits(tmp_path)
    return path


@pytest.fixture
def adience(tmp_path: Path) -> Path:
    """Five folds of two people, each person with a photo of the fold's own age and gender."""
    ages = ["(0, 2)", "(25, 32)", "None", "35", "(38, 42)"]
    genders = ["f", "m", "u", "", "f"]
    for fold in range(5):
        rows = []
        for person in range(2):
            user, photo = f"{fold}{person}@N00", f"{person}_o.jpg"
            folder = tmp_path / "aligned" / user
            folder.mkdir(parents=True)
            colour = (40 * fold, 100 * person, 7)
            Image.new("RGB", (10, 8), colour).save(folder / f"landmark_aligned_face.{person}.{photo}", "PNG")
            rows.append(f"{user}\t{photo}\t{person}\t{ages[fold]}\t{genders[fold]}\t0\n")
        (tmp_path / f"fold_{fold}_data.txt").write_text(HEADER + "".join(rows))
    return tmp_path


def write_photo(path: Path, size: tuple[int, int], colour: tuple[int, int, int]) -> None:
    """A photo of one colour, (H, W) = `size`, kept without loss whatever its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1], colour).save(path, "PNG")


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    """Two streets to train and one to test on, 8x16 pixels: every label id, disparities of all kinds, cameras."""
    streets = {"train/aachen/aachen_000000_000019": 1, "train/bochum/bochum_000000_000313": 2}
    streets |= {"val/frankfurt/frankfurt_000000_000294": 3}
    for street, number in streets.items():
        write_photo(tmp_path / f"leftImg8bit/{street}_leftImg8bit.png", (8, 16), (number, 20, 30))
        maps = {
            "gtFine": ("gtFine_labelIds.png", np.arange(128, dtype=np.uint8).reshape(8, 16) % 34),
            "disparity": ("disparity.png", np.arange(128, dtype=np.uint16).reshape(8, 16) * np.uint16(170 * number)),
        }
        for kind, (end, values) in maps.items():
            path = tmp_path / f"{kind}/{street}_{end}"
            path.parent.mkdir(parents=True)
            Image.fromarray(values).save(path)
        camera = tmp_path / f"camera/{street}_camera.json"
        camera.parent.mkdir(parents=True)
        camera.write_text(json.dumps({"extrinsic": {"baseline": 0.1 * number}, "intrinsic": {"fx": 2000.0 + number}}))
    return tmp_path


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    """Six faces of 8x6 pixels, two in each partition, face i wearing the attributes that i + 1 divides."""
    folder = tmp_path / "celeba"
    photos = [f"{number:06d}.jpg" for number in range(1, 7)]
    for number, photo in enumerate(photos, start=1):
        write_photo(folder / "img_align_celeba" / photo, (8, 6), (number, 20, 30))
    names = " ".join(f"Attribute_{number}" for number in range(1, 41))
    worn = [" ".join("1" if number % (i + 1) == 0 else "-1" for number in range(1, 41)) for i in range(6)]
    lists = {
        "list_attr_celeba.txt": (f"6\n{names} \n", worn),  # the published line of names ends in a space
        "identity_CelebA.txt": ("", ["2880", "2880", "17", "18", "19", "19"]),
        "list_bbox_celeba.txt": ("6\nimage_id x_1 y_1 width height\n", ["1  2  3  4"] * 6),
        "list_landmarks_align_celeba.txt": ("6\nlefteye_x lefteye_y\n", ["1  2"] * 6),
        "list_eval_partition.txt": ("", ["0", "0", "1", "1", "2", "2"]),
    }
    for name, (header, rows) in lists.items():
        lines = [f"{photo}  {row}\n" for photo, row in zip(photos, rows, strict=True)]
        (folder / name).write_text(header + "".join(lines))
    return tmp_path


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two cats' and a dog's breed, two photos of each to train and one to test on, 8x10 pixels with trimaps."""
    folder = tmp_path / "oxford-iiit-pet"
    breeds = {"Abyssinian": 1, "american_bulldog": 2, "Bengal": 1}
    outline = np.array([[1, 2, 3, 3, 2] * 2] * 8, np.uint8)
    for split, numbers in {"trainval": (1, 2), "test": (30,)}.items():
        rows = []
        for label, (breed, species) in enumerate(breeds.items(), start=1):
            for number in numbers:
                write_photo(folder / f"images/{breed}_{number}.jpg", (8, 10), (label, number, 30))
                trimap = folder / f"annotations/trimaps/{breed}_{number}.png"
                trimap.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.roll(outline, label, axis=1)).save(trimap)
                rows.append(f"{breed}_{number} {label} {species} 1\n")
        (folder / f"annotations/{split}.txt").write_text("".join(rows))
    return tmp_path


def write_parts(path: Path, things: list[tuple[int, list[tuple[str, np.ndarray]]]]) -> None:
    """A file of PASCAL-Part: the class of each thing, with its parts by name."""
    objects = np.zeros((1, len(things)), [(key, object) for key in ("class", "class_ind", "mask", "parts")])
    for number, (kind, parts) in enumerate(things):
        written = np.zeros((1, len(parts)) if parts else (0, 0), [("part_name", object), ("mask", object)])
        for place, (name, mask) in enumerate(parts):
            written[0, place] = name, mask.astype(np.uint8)
        objects[0, number] = "thing", np.uint8(kind), np.ones((1, 1), np.uint8), written
    anno = np.zeros((1, 1), [("imname", object), ("objects", object)])
    anno[0, 0] = "name", objects
    savemat(path, {"anno": anno})


@pytest.fixture
def pascal(tmp_path: Path) -> Path:
    """Three images to train on and one to test on, 24x32, as PASCAL_MT; the third shows nobody."""
    rng = np.random.default_rng(0)
    folders = ("JPEGImages", "ImageSets/Context", "semseg/VOC12", "semseg/pascal-context", "human_parts", "sal_distill")
    for folder in (*folders, "normals_distill", "pascal-context/trainval"):
        (tmp_path / folder).mkdir(parents=True)
    half = np.arange(32)[None].repeat(24, 0) < 16
    for index, name in enumerate(("2008_000001", "2008_000002", "2008_000003", "2008_000004")):
        Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)).save(tmp_path / f"JPEGImages/{name}.jpg")
        source = "VOC12" if index % 2 else "pascal-context"
        Image.fromarray(np.where(half, 15, 255).astype(np.uint8)).save(tmp_path / f"semseg/{source}/{name}.png")
        parts = [] if index == 2 else [(15, [("head", half), ("lfoot", ~half)]), (12, [("tail", half)])]
        write_parts(tmp_path / f"human_parts/{name}.mat", parts)
        Image.fromarray(np.where(half, 130, 20).astype(np.uint8)).save(tmp_path / f"sal_distill/{name}.png")
        Image.fromarray(np.full((24, 32, 3), (127, 127, 255), np.uint8)).save(tmp_path / f"normals_distill/{name}.png")
        labels = np.where(half, 284, 2).astype(np.uint16)  # person, which NYUv2 knows, and aeroplane
        savemat(tmp_path / f"pascal-context/trainval/{name}.mat", {"LabelMap": labels})
    (tmp_path / "ImageSets/Context/train.txt").write_text("2008_000001\n2008_000002\n2008_000003\n")
    (tmp_path / "ImageSets/Context/val.txt").write_text("2008_000004\n")
    return tmp_path
