"""One small run of a pixel network, and what a photo looks like as a file."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from afanet.cli.main import main
from afanet.comparison.runs import Finished
from afanet.demo import Exhibit

FLAGS = """--backbone test_resnet --network.output_stride 16 --size 32 48 --data.options.train_scenes 8
--data.options.test_scenes 6 --network.meet stages --steps 2 --batch-size 4 --workers 0 --device cpu"""


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "afa"
    assert main(["train", "rooms", "--method", "afa", *FLAGS.split(), "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def exhibit(run: Path) -> Exhibit:
    return Exhibit(Finished.read(run))


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def as_file() -> Callable[..., bytes]:
    def save(pixels: np.ndarray | Image.Image, form: str = "PNG", **options: object) -> bytes:
        file = io.BytesIO()
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        image.save(file, form, **options)
        return file.getvalue()

    return save
