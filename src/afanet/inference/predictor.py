"""From a finished run or an exported file to results for photos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from afanet.errors import InputError, shown
from afanet.framing import framing
from afanet.images import to_image
from afanet.inference.formats import open_file, suffix_of
from afanet.inference.model import Model, SomeTasks
from afanet.inference.together import Results
from afanet.inference.views import average, scaled
from afanet.limits import MOST_PHOTOS, MOST_PIXELS, MOST_SCALES
from afanet.normalisation import as_channels
from afanet.photo import Pixels
from afanet.tasks.kinds import outputs, read_estimate

Photo = str | Path | Image.Image | NDArray[np.uint8]


class Predictor:
    """Predicts photos with a network; the results know their units and draw themselves.

    `source` is the folder of a finished run (which needs torch, but not the run's data), a file of `afanet export`
    (which needs only its runtime, such as ONNX Runtime), or a `Model` of your own. With `flip`, it averages over the
    photo and its mirror image. With several `scales`, it averages over the network's own size times each scale. With
    `tasks`, it gives results only for these; a run's network then computes only what they need.

    Raises `InputError` for a source that cannot be used, for tasks that it does not have, for `flip` if a task has
    `mirror: false`, for scales outside 0.1 to 10 or with images of more than 64 million pixels, and for a batch of more
    than 1024 photos.

        predictor = afanet.Predictor("runs/rooms-afa-seed0")
        results = predictor("photo.jpg")
        results["depth"].metres         # (H, W) float32, at the photo's own size
        results                         # in a notebook: the photo and all results, with their legends
        results["segmentation"]         # this result alone
    """

    def __init__(
        self,
        source: str | Path | Model,
        *,
        flip: bool = False,
        scales: Sequence[float] = (1.0,),
        batch_size: int = 8,
        device: str | None = None,
        tasks: Sequence[str] | None = None,
    ) -> None:
        if not scales or not all(0.1 <= scale <= 10 for scale in scales):
            raise InputError(f"scales are {list(scales)}, expected at least one, and each from 0.1 to 10")
        if len(scales) > MOST_SCALES:
            raise InputError(f"there are {len(scales)} scales, expected at most {MOST_SCALES}")
        if not 1 <= batch_size <= MOST_PHOTOS:
            raise InputError(f"batch_size is {shown(batch_size)}, expected 1 to {MOST_PHOTOS}")
        if isinstance(source, str | Path):
            self.model = open_model(source, device, tasks)
        else:
            self.model = source if tasks is None else SomeTasks(source, tasks)
        self.name = str(source) if isinstance(source, str | Path) else "the model"
        height, width = scaled(self.model.about.size, max(scales))
        if height * width > MOST_PIXELS:
            raise InputError(
                f"scale {max(scales):g} makes images of {height}x{width} pixels, expected at most {MOST_PIXELS:,}"
            )
        sided = [name for name, meaning in self.model.about.tasks.items() if not meaning.get("mirror", True)]
        if flip and sided:
            raise InputError(
                f"flip averages with the mirror image, but task '{sided[0]}' depends on the side (mirror: false): "
                "leave --flip out"
            )
        self.flip, self.scales, self.batch_size = flip, tuple(scales), batch_size

    def __call__(self, image: Photo) -> Results:
        """Results by task for a path, a PIL image or an array (H, W, C) uint8; raises as `to_image` does."""
        [results] = self.predict([image])
        return results

    def predict(self, images: Iterable[Photo]) -> Iterator[Results]:
        """Results by task for each image in order, computed `batch_size` images at a time.

        Raises `InputError` for outputs that are not finite.
        """
        for results in self.attempt(images):
            if isinstance(results, InputError):
                raise results
            yield results

    def attempt(self, images: Iterable[Photo], mirrored: bool = False) -> Iterator[Results | InputError]:
        """Like `predict`, but if an image's outputs are not finite, it yields the error and goes on.

        With `mirrored`, the network sees only the mirror images, and the results are mirrored back.
        """
        remaining, channels = iter(images), self.model.about.normalisation.channels
        while batch := list(islice(remaining, self.batch_size)):
            photos = [as_channels(to_image(image, channels), channels) for image in batch]
            batch_estimates = average(self.model, photos, self.flip, self.scales, mirrored)
            for index, photo in enumerate(photos):
                estimates = {name: values[index] for name, values in batch_estimates.items()}
                broken = [name for name, values in estimates.items() if not np.isfinite(values).all()]
                yield self._fault(broken[0]) if broken else self._read(estimates, photo)

    def _read(self, estimates: Mapping[str, NDArray[np.float32]], photo: Pixels) -> Results:
        """The results for a photo; they are absent at pixels that the network did not see."""
        about = self.model.about
        frame = framing((photo.shape[0], photo.shape[1]), about.size, about.resize)
        results = {
            name: read_estimate(name, meaning, estimates[name], (frame.seen.height, frame.seen.width))
            for name, meaning in about.tasks.items()
        }
        return Results(photo, {name: result.within(frame.photo, frame.seen) for name, result in results.items()})

    def _repr_html_(self) -> str:
        """Its tasks as a table, with the size of the images that the network sees, for a notebook."""
        height, width = self.model.about.size
        rows = _row("th", ("task", "kind", "estimate"))
        rows += "".join(_row("td", row) for row in outputs(self.model.about.tasks))
        return f"<b>Predictor</b> of {escape(self.name)}, which sees {height}x{width} pixels<table>{rows}</table>"

    def _fault(self, task: str) -> InputError:
        again = ", and export it again" if suffix_of(self.name) else ""
        return InputError(
            f"in {self.name} task '{task}' has outputs that are not finite: train its network again with a lower "
            f"optimizer.lr, or with optimizer.clip{again}"
        )


def _row(tag: str, cells: Iterable[str]) -> str:
    return "<tr>" + "".join(f'<{tag} style="text-align: left">{escape(cell)}</{tag}>' for cell in cells) + "</tr>"


def open_model(source: str | Path, device: str | None = None, tasks: Sequence[str] | None = None) -> Model:
    """The model in a run's folder or a file of `afanet export`, for all or some of its tasks.

    Raises `InputError` for any other source.
    """
    path = Path(source)
    if suffix_of(source):
        return open_file(path, device, tasks)
    if path.is_file():
        raise InputError(f"{path} is a file, expected the folder of a run or a file of `afanet export`, such as .onnx")
    from afanet.inference.run_model import RunModel
    from afanet.runs.run import load_run

    return RunModel(load_run(source), device, tasks)
