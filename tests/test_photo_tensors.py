"""Whatever Pillow writes: every mode, format and orientation is one tensor, in training and predicting alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from afanet.data import open_data
from afanet.data.steps import with_resize
from afanet.data.transforms import as_input
from afanet.demo.upload import read_upload
from afanet.framing import RESIZES, Resize
from afanet.inference import About, Predictor
from afanet.inference.model import Estimates
from afanet.inference.run_model import AboutRun
from afanet.inspection.connections import read_photos
from afanet.normalisation import IMAGENET
from afanet.photo import photo_size, read_photo
from afanet.tasks import Classification

ORIENTATION = 0x0112
ALL = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM")
FORMS = {  # in which Pillow writes a mode
    "1": ALL,
    "L": ALL,
    "RGB": ALL,
    "P": ("PNG", "WEBP", "TIFF", "BMP", "GIF"),
    "LA": ("PNG", "WEBP", "TIFF"),
    "PA": ("WEBP", "TIFF"),
    "RGBA": ("PNG", "WEBP", "TIFF", "GIF"),
    "RGBX": ("JPEG", "TIFF"),
    "CMYK": ("JPEG", "TIFF"),
    "YCbCr": ("JPEG", "TIFF"),
    "LAB": ("TIFF",),
    "I;16": ("PNG", "TIFF", "PPM"),
    "I;16B": ("PNG", "TIFF"),
}
# For each EXIF orientation: whether the picture is mirrored first, and how many quarters it is then turned left.
TURNS = {1: (0, 0), 2: (1, 0), 3: (0, 2), 4: (1, 2), 5: (1, 1), 6: (0, 3), 7: (1, 3), 8: (0, 1)}
TURNED = ("PNG", "JPEG", "WEBP", "TIFF")  # the formats that keep EXIF
sides = st.integers(1, 40)


@dataclass(frozen=True)
class Picture:
    """A picture to write; `transparent` is the value or the palette index that is not to be seen."""

    image: Image.Image
    form: str
    orientation: int
    transparent: int | None

    def write(self, file: Path) -> None:
        exif = Image.Exif()
        exif[ORIENTATION] = self.orientation
        settings = {} if self.transparent is None else {"transparency": self.transparent}
        self.image.save(file, self.form, exif=exif, lossless=True, exact=True, **settings)


@st.composite
def pictures(draw: st.DrawFn, modes: tuple[str, ...] = tuple(FORMS), lossless: bool = False) -> Picture:
    mode = draw(st.sampled_from(modes))
    forms = [form for form in FORMS[mode] if not lossless or form in ("PNG", "TIFF")]
    form = draw(st.sampled_from(forms))
    width, height = draw(sides), draw(sides)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    blank = Image.new(mode, (width, height))
    image = Image.frombytes(mode, (width, height), rng.bytes(len(blank.tobytes())))
    if mode in ("P", "PA"):
        image.putpalette(rng.bytes(768))
    orientation = draw(st.sampled_from(list(TURNS))) if form in TURNED else 1
    hides = form in ("PNG", "GIF") and mode in ("P", "L", "I;16")
    transparent = draw(st.none() | st.integers(0, 255)) if hides and (form, mode) != ("GIF", "L") else None
    return Picture(image, form, orientation, transparent)


class Seen:
    """A model that keeps what it is asked about."""

    def __init__(self, about: type[About], size: tuple[int, int], resize: Resize):
        meanings = {"kind": Classification("kind", ["hall", "attic"]).meaning}
        self.about = about(meanings, size, IMAGENET.mean, IMAGENET.std, resize)
        self.images = np.zeros(0, np.float32)

    def estimate(self, images: NDArray[np.float32]) -> Estimates:
        self.images = images
        return {"kind": np.full((len(images), 2), 0.5, np.float32)}


def trained_on(file: Path, size: tuple[int, int], resize: Resize) -> NDArray[np.float32]:
    """The tensor of a photo in the test split of a manifest, by which networks are scored; training's is the same."""
    rows = [f"{file.name},{split},{label}\n" for split, label in (("train", "cat"), ("train", "dog"), ("test", "cat"))]
    (file.parent / "manifest.csv").write_text("image,split,pet\n" + "".join(rows))
    tasks = {"pet": {"kind": "classification", "classes": ["cat", "dog"]}}
    data = with_resize(open_data("manifest", file.parent, size, tasks=tasks, augment=False), resize)
    image: Tensor = data.test[0]["image"].as_subclass(Tensor)
    assert torch.equal(data.train[0]["image"].as_subclass(Tensor), image)
    return image.numpy()


def predicted_on(file: Path, size: tuple[int, int], about: type[About], resize: Resize) -> NDArray[np.float32]:
    seen = Seen(about, size, resize)
    Predictor(seen)(file)
    return seen.images[0]


@settings(max_examples=150, deadline=None)
@given(picture=pictures(), size=st.tuples(sides, sides) | st.none(), resize=st.sampled_from(RESIZES))
def test_training_and_predicting_see_one_tensor(
    picture: Picture, size: tuple[int, int] | None, resize: Resize, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("any") / "photo.jpg"  # the content decides, not the name
    picture.write(file)
    pixels = read_photo(file)
    assert photo_size(file) == pixels.shape[:2]
    same = size is None
    size = size or (pixels.shape[0], pixels.shape[1])
    trained = trained_on(file, size, resize)
    assert trained.shape == (3, *size)
    assert trained.tobytes() == predicted_on(file, size, AboutRun, resize).tobytes()
    assert trained.tobytes() == read_photos([file], size, resize)[0].numpy().tobytes()  # inspect
    assert trained.tobytes() == as_input(read_upload(file.read_bytes()), size, resize).numpy().tobytes()  # demo
    without_torch = predicted_on(file, size, About, resize)
    levels = np.abs(without_torch - trained) * np.array(IMAGENET.std)[:, None, None] * 255
    assert levels.max() < (1e-9 if same else 1.01)
    assert (without_torch == 0).all(0).sum() >= (trained == 0).all(0).sum()  # padding is 0 in both


def turned(pixels: NDArray[np.float64], orientation: int) -> NDArray[np.float64]:
    mirrored, quarters = TURNS[orientation]
    return np.rot90(pixels[:, ::-1] if mirrored else pixels, quarters)


def on_white(picture: Picture) -> NDArray[np.float64]:
    """What a person sees, by arithmetic: (H, W, 3), not rounded."""
    image, mode = picture.image, picture.image.mode
    values = np.asarray(image).astype(float)
    if mode == "I;16":
        colours, covered = np.repeat(values[..., None] / 257, 3, 2), values != picture.transparent
    elif mode in ("P", "L"):
        palette = np.array(image.getpalette() if mode == "P" else np.arange(256).repeat(3)).reshape(-1, 3)
        colours, covered = palette[np.asarray(image)].astype(float), values != picture.transparent
    elif mode == "1":
        colours, covered = np.repeat(values[..., None] * 255, 3, 2), np.ones(values.shape)
    else:
        colours = np.repeat(values[..., :1], 3, 2) if mode == "LA" else values[..., :3]
        covered = values[..., -1] / 255 if mode in ("LA", "RGBA") else np.ones(values.shape[:2])
    cover = covered.astype(float)[..., None]
    return turned(colours * cover + 255 * (1 - cover), picture.orientation)


@settings(max_examples=200, deadline=None)
@given(picture=pictures(("1", "L", "LA", "P", "RGB", "RGBA", "I;16"), lossless=True))
def test_what_is_read_is_what_a_person_sees(picture: Picture, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("seen") / "photo"
    picture.write(file)
    seen = on_white(picture)
    pixels = read_photo(file)
    assert pixels.shape == seen.shape
    assert np.abs(pixels - seen).max() < 1.0


@settings(max_examples=30, deadline=None)
@given(picture=pictures(), most=st.integers(1, 60))
def test_the_size_of_strips_changes_nothing(
    picture: Picture, most: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("strips") / "photo"
    picture.write(file)
    whole = read_photo(file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("afanet.photo.STRIP", most)
        assert (read_photo(file) == whole).all()


def test_tensors_compared_as_bytes_are_floats_of_32_bits() -> None:
    assert as_input(np.zeros((2, 2, 3), np.uint8), (2, 2)).dtype == torch.float32
