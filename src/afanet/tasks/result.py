"""The result of a task for one photo. Needs only NumPy and Pillow."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afanet.errors import InputError
from afanet.files import path_in, write_whole
from afanet.framing import Box
from afanet.json_text import to_json
from afanet.tasks.drawing.draw import Pixels, bars, fit, stack, title
from afanet.tasks.drawing.png import png
from afanet.tasks.label import AsLabel
from afanet.tasks.meaning import Check

NOTEBOOK = 480  # width of a picture in a notebook, pixels
SHOWN = 8  # bars at most
CARD = 360  # width of a picture, pixels


class Result(AsLabel, ABC):
    """The answer of a network for one photo and one `task`.

    `expected` has a check for each key of the kind's meaning (see `Task.meaning`); keys in `optional` may be missing.
    In a model card, `reads` says what an estimate is, and `limits` what users should beware of.
    """

    task: str
    expected: ClassVar[Mapping[str, Check]] = {}
    optional: ClassVar[frozenset[str]] = frozenset()
    reads: ClassVar[str]
    limits: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def meaning_fault(cls, meaning: Mapping[str, Any]) -> str | None:
        """What is invalid in a meaning of this kind, in words; None if nothing."""
        for key, (expected, fits) in cls.expected.items():
            if key not in meaning and key in cls.optional:
                continue
            if key not in meaning:
                return f"'{key}' is missing, expected {expected}"
            if not fits(meaning[key]):
                return f"'{key}' is {meaning[key]!r:.60}, expected {expected}"
        return None

    @classmethod
    def estimate_shape(cls, meaning: Mapping[str, Any]) -> tuple[int | None, ...] | None:
        """The shape of the estimate of one photo; None for an axis of any length, or where the kind does not say."""
        return None

    @classmethod
    def undo(cls, estimate: NDArray[np.float32], mirrored: bool, scale: float) -> NDArray[np.float32]:
        """Estimates (B, C, H, W) of a view, turned back into estimates of the photo.

        The view was `mirrored` left to right, and showed everything `scale` times as large; the pixels are already
        moved back, so only values change here.
        """
        return estimate

    @classmethod
    def undo_meant(
        cls, meaning: Mapping[str, Any], estimate: NDArray[np.float32], mirrored: bool, scale: float
    ) -> NDArray[np.float32]:
        """As `undo`, which it calls by default; for kinds in which the task's meaning decides how to undo."""
        return cls.undo(estimate, mirrored, scale)

    @classmethod
    def of_view(
        cls,
        meaning: Mapping[str, Any],
        estimate: NDArray[np.float32],
        mirrored: bool,
        size: tuple[int, int],
        filled: Box,
    ) -> NDArray[np.float32]:
        """An estimate (C,) for a whole view, turned into one for the part of the photo that the view shows.

        The view was `mirrored` left to right, and the photo fills the part `filled` of its `size`.
        """
        return estimate

    @classmethod
    @abstractmethod
    def read(cls, task: str, meaning: Mapping[str, Any], estimate: NDArray[np.float32], size: tuple[int, int]) -> Self:
        """The result from an estimate, for a photo of `size` = (H, W)."""

    def within(self, photo: tuple[int, int], seen: Box) -> Self:
        """This result, for the part `seen` of a photo (H, W), as a result for the whole photo: absent elsewhere."""
        return self

    def as_target(self) -> NDArray[Any]:
        """The result in the form of its task's target for one image, for scores at the photo's own size.

        Raises `InputError` for a kind without this method.
        """
        raise InputError(
            f"task '{self.task}' cannot be scored by its results: {type(self).__name__} has no method 'as_target'; "
            "leave --at and --window out"
        )

    @abstractmethod
    def picture(self) -> Pixels:
        """The result drawn, (H, W, 3) uint8 RGB. Dense results have the photo's size and no legend."""

    @abstractmethod
    def figure(self, width: int) -> Pixels:
        """The picture at this width in pixels, with its legend below; narrower pictures stand on white."""

    @abstractmethod
    def save(self, folder: str | Path, name: str) -> list[Path]:
        """Write files called `name` into subfolders of `folder` named after the task; returns their paths.

        Either all files are written or none. Raises `InputError` for a file that cannot be written.
        """


class DenseResult(Result):
    """A result with a value for every pixel of the photo.

    A dataclass with `maps` also works for photos of which the network sees only a part.
    """

    resampling = Image.Resampling.BILINEAR  # of pictures only

    @property
    def maps(self) -> Mapping[str, float]:
        """Its attributes that are arrays (H, W, ...), each with the value that means absent."""
        return {}

    def within(self, photo: tuple[int, int], seen: Box) -> Self:
        """See `Result`; raises `InputError` for a kind without `maps`."""
        if (seen.height, seen.width) == photo:
            return self
        if not self.maps:
            raise InputError(
                f"task '{self.task}' cannot be absent outside the crop that the network sees: its result, "
                f"{type(self).__name__}, has no 'maps'; train with data.resize stretch or letterbox"
            )
        grown = {name: _grown(getattr(self, name), photo, seen, absent) for name, absent in self.maps.items()}
        result: Self = dataclasses.replace(cast(Any, self), **grown)
        return result

    @abstractmethod
    def legend(self, width: int) -> Pixels:
        """The legend of the picture's colours, at this width in pixels."""

    def save_legend(self, folder: Path, legend: Pixels) -> None:
        """Write `TASK-legend.png` into `folder`, one for all photos, unless it is there already."""
        file, content = path_in(folder, f"{self.task}-legend.png"), png(legend)
        if not file.is_file() or file.read_bytes() != content:
            write_whole(file, content)

    def figure(self, width: int) -> Pixels:
        """The picture at this width in pixels, with its legend."""
        return stack([fit(self.picture(), width, self.resampling), self.legend(width)])

    def _repr_png_(self) -> bytes:
        return png(self.figure(NOTEBOOK))


def _grown(values: NDArray[Any], photo: tuple[int, int], seen: Box, absent: float) -> NDArray[Any]:
    shape = (*photo, *values.shape[2:])
    grown = np.full(shape, absent, np.result_type(values.dtype, np.min_scalar_type(absent)))
    grown[seen.slices] = values
    return grown


class PooledResult(Result):
    """A result that can be put in words."""

    @abstractmethod
    def __str__(self) -> str:
        """The result in words, with its unit."""

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """The result as JSON, with all probabilities."""

    @abstractmethod
    def columns(self) -> dict[str, str | float]:
        """The cells of a table, by the column's name."""

    @property
    def likely(self) -> list[tuple[str, float]]:
        """Names with their probabilities, the most probable first."""
        return []

    def marked(self, picture: Pixels) -> Pixels:
        """A picture of the photo, of any size, with marks at the places that the result names; most name none."""
        return picture

    def picture(self) -> Pixels:
        """The result in words, with bars for the most probable names."""
        return self.figure(CARD)

    def figure(self, width: int) -> Pixels:
        """The result in words, with bars for the most probable names."""
        parts = [title(f"{self.task}: {self}", width)]
        return stack([*parts, bars(self.likely[:SHOWN], width)] if self.likely else parts)

    def save(self, folder: str | Path, name: str) -> list[Path]:
        """`TASK/NAME.json`."""
        text = to_json(self.as_json(), indent=2, ensure_ascii=False) + "\n"
        return [write_whole(path_in(Path(folder), self.task, f"{name}.json"), text.encode())]

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{escape(name)}</td><td>{share:.1%}</td></tr>" for name, share in self.likely[:SHOWN])
        return f"<b>{escape(self.task)}: {escape(str(self))}</b><table>{rows}</table>"
