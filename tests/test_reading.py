"""What is no file is not opened, and no text is read without end."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from afanet.comparison.variants import read_variants
from afanet.data.sets.adience.labels import read_fold
from afanet.data.sets.cityscapes import read_camera
from afanet.data.sets.manifest.table import open_table
from afanet.data.sets.nyuv2.matlab import MatFile
from afanet.data.sets.nyuv2.splits import read_splits
from afanet.errors import InputError
from afanet.files import read_text, require_regular
from afanet.inference.onnx_model import OnnxModel
from afanet.inference.predictor import Predictor
from afanet.inference.video import read_frames
from afanet.inspection.connections import read_photos
from afanet.json_text import parse_json, read_json
from afanet.label_files import read_array, read_image
from afanet.networks.weights import read_state_dict
from afanet.photo import read_photo
from afanet.recipe.load import load_recipe
from afanet.report.page import report_page  # noqa: F401  (opened before the bound on memory is set)
from afanet.runs.checkpoint import read_checkpoint
from afanet.runs.folder import RunFolder
from afanet.training.records.log import Log

from .bounds import bounded

READERS: dict[str, Callable[[Path], object]] = {
    "recipe.yaml": load_recipe,
    "variants.yaml": lambda file: read_variants(load_recipe("rooms"), str(file)),
    "photo.jpg": read_photo,
    "label.png": lambda file: read_image(file, "L", "label map"),
    "map.npy": lambda file: read_array(file, "map"),
    "inspected.png": lambda file: read_photos([file], (8, 8)),
    "film.mp4": lambda file: list(read_frames(file)),
    "camera.json": read_camera,
    "fold_0_data.txt": read_fold,
    "nyu.mat": lambda file: MatFile(file, np.zeros(895, np.uint8)),
    "splits.mat": lambda file: read_splits(file, range(4)),
    "table.csv": open_table,
    "table.parquet": open_table,
    "weights.pth": read_state_dict,
    "weights.safetensors": read_state_dict,
    "last.ckpt": read_checkpoint,
    "metrics.json": lambda file: RunFolder(file.parent).read_results(),
    "log.csv": Log,
    "model.onnx": OnnxModel,
    "run": Predictor,
    "any.json": read_json,
}


def pipe(file: Path) -> None:
    os.mkfifo(file)


def device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def listener(file: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(file.name)


@pytest.mark.parametrize("make", [pipe, device, listener, Path.mkdir])
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_refused_and_not_opened(
    name: str, make: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    file = tmp_path / name
    make(file)
    with bounded(5), pytest.raises(InputError, match=name) as caught:
        READERS[name](file)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(file))


def test_a_text_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "sparse.json"
    with file.open("wb") as stream:
        stream.truncate(10 << 30)
    with bounded(5), pytest.raises(InputError, match=r"sparse\.json has 10,737,418,240 bytes, expected at most"):
        read_json(file)
    with bounded(5), pytest.raises(InputError, match="has more than 10 bytes"):
        read_text(Path("/proc/self/maps"), most=10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 10**6, "nested"),
        ('{"a":' * 500, "is not JSON|nested"),
        ("[" * 500 + "]" * 500, "nested more than 64 deep"),
        ("1" * 5000, "has a number of too many digits"),
        ('{"a": "\\ud800"}', "has half a character"),
        ("{", "is not JSON"),
        ("", "is not JSON"),
    ],
)
def test_json_that_is_none_or_deep_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=f"^it .*({message})"):
        parse_json(text, "it")


def test_a_file_that_is_one_is_left_to_who_opens_it(tmp_path: Path) -> None:
    file = tmp_path / "a"
    assert require_regular(file) is file
    file.write_bytes(b"\xef\xbb\xbf[1]")
    assert read_json(file) == [1]
    link = tmp_path / "link"
    link.symlink_to(file)
    assert require_regular(link) == link
