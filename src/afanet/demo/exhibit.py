"""A finished run that answers one photo at a time, in the form that the page shows."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from afanet.data import Data
from afanet.data.transforms import as_input, denormalise, to_pixels
from afanet.demo.answers import described, fractions, shown
from afanet.errors import InputError
from afanet.framing import Framing, framing
from afanet.fusion import cut_connection
from afanet.fusion.meetings import fusion_layers, lacking
from afanet.inspection.connections import Gates, Readings, reading
from afanet.names import chosen_tasks
from afanet.normalisation import as_picture
from afanet.outside import short_name
from afanet.recipe.preprocessing import normalisation
from afanet.report.inspect_page import overlay
from afanet.report.pictures import as_url
from afanet.runs.examples import spread_over
from afanet.runs.loaded import TaskPredictor
from afanet.runs.run import Run
from afanet.tasks import DenseTask, Task
from afanet.tasks.drawing.png import png

SAMPLES = 6


class Exhibit:
    """A run's network with a few images of its test split; it may be called from several threads."""

    def __init__(self, run: Run) -> None:
        self.data, tasks = _open(run)
        self.run = run
        self.normalisation = normalisation(run.recipe.network)
        self.predictor = TaskPredictor(run, tasks)
        layers = fusion_layers(self.predictor.network)
        self.layers = list(layers)
        self.places = places([layer.size for layer in layers.values()])
        self.readable = any(layer.offers_flow for layer in layers.values())
        self.cuttable = bool(layers) and all(layer.offers_cut for layer in layers.values())
        self._lock = Lock()  # the network changes while connections are cut or recorded

    @property
    def samples(self) -> int:
        """The number of sample images; 0 if the run's data cannot be read."""
        return min(SAMPLES, len(self.data.test)) if self.data else 0

    def about(self) -> dict[str, Any]:
        """What the page shows before there is a photo."""
        return {
            "run": self.run.path.name,
            "method": short_name(self.run.recipe.network.method),
            "tasks": [described(task) for task in self.predictor.tasks.values()],
            "data": str(self.run.results.get("data", "")),
            "layers": self.layers,
            "places": self.places,
            "lacking": lacking(self.predictor.network),
            "readable": self.readable,
            "cuttable": self.cuttable,
            "samples": self.samples,
            "size": self.run.recipe.data.size,
            "channels": self.normalisation.channels,
        }

    def sample(self, number: int) -> bytes:
        """A test image as a PNG at the network's input size; raises `InputError` for a number beyond the last."""
        return png(np.ascontiguousarray(as_picture(self._pixels(number))))

    def array(self, number: int) -> bytes:
        """The image of `sample` with all its channels, as a `.npy` file."""
        file = io.BytesIO()
        np.save(file, self._pixels(number))
        return file.getvalue()

    def _pixels(self, number: int) -> NDArray[np.uint8]:
        if self.data is None or not 0 <= number < self.samples:
            raise InputError(f"there is no sample {number}: there are {self.samples}, counted from 0")
        index, split = spread_over(len(self.data.test), SAMPLES)[number], self.data.test
        pixels, resize = to_pixels(split[index]["image"], self.normalisation), self.run.recipe.data.resize
        if resize == "letterbox":  # without the padding, which `answer` adds again, bit for bit
            height, width = split.read(split.items[index])["image"].shape[-2:]
            pixels = pixels[framing((height, width), self.run.recipe.data.size, resize).filled.slices]
        return pixels

    def answer(
        self,
        photo: NDArray[np.uint8],
        to: int = 0,
        source: int = 0,
        layers: int = 0,
        tasks: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """The predictions of `tasks` (default: all) for an image (H, W, C), and what each takes from the others.

        Only what these tasks need is computed. If `layers` is above 0, task `to` gets nothing from task `source` at the
        last `layers` layers, and each task's answer also says what this cut changed. Raises `InputError` for an unknown
        connection, task or number of layers.
        """
        chosen = chosen_tasks(list(self.predictor.tasks) if tasks is None else tasks, list(self.predictor.tasks))
        if not 0 <= layers <= len(self.layers):
            raise InputError(f"{layers} layers were to be cut, and tasks meet at {len(self.layers)}")
        data = self.run.recipe.data
        frame = framing((photo.shape[0], photo.shape[1]), data.size, data.resize)
        image = as_input(photo, data.size, data.resize, self.normalisation)[None]
        answer: dict[str, Any] = {"size": photo.shape[:2], "seen": fractions(frame)}
        if self.normalisation.channels not in (1, 3):  # the browser cannot draw it
            answer["photo"] = as_url(as_picture(photo), "JPEG", 1024)
        network = self.predictor.network
        with self._lock:
            if not self.layers:
                return answer | {
                    "tasks": self._show(frame, self._logits(image, frame, chosen)),
                    "taken": [],
                    "shares": [],
                }
            with reading(network) as read:
                whole = self._logits(image, frame, chosen)
            answer |= self._connections(*read(), image[0], frame, chosen)
            if not layers:
                return answer | {"tasks": self._show(frame, whole)}
            with ExitStack() as cuts:
                for layer in self.layers[-layers:]:
                    cuts.enter_context(cut_connection(network, layer, to, source))
                cut = self._logits(image, frame, chosen)
        return answer | {"tasks": self._show(frame, cut, whole)}

    def _logits(self, image: Tensor, frame: Framing, chosen: Sequence[str]) -> dict[str, Tensor]:
        """The network's outputs for an image, without the padding around it."""
        logits = {name: logits.float().cpu() for name, logits in self.predictor.answer(image, chosen).items()}
        dense = {name for name, task in self.predictor.tasks.items() if isinstance(task, DenseTask)}
        return {name: values[..., *frame.filled.slices] if name in dense else values for name, values in logits.items()}

    def _show(
        self, frame: Framing, logits: Mapping[str, Tensor], whole: Mapping[str, Tensor] | None = None
    ) -> list[dict[str, Any]]:
        return [
            shown(task, task.predict(logits[name])[0], task.estimate(logits[name])[0], frame)
            | (self._before(task, frame, whole[name], logits[name]) if whole else {})
            for name, task in self.predictor.tasks.items()
            if name in logits
        ]

    def _before(self, task: Task, frame: Framing, whole: Tensor, cut: Tensor) -> dict[str, Any]:
        """The answer before a cut, as a picture or in words, and how much the cut changed."""
        before = shown(task, task.predict(whole)[0], task.estimate(whole)[0], frame)
        kept = {key: before[key] for key in ("picture", "words") if key in before}
        return {"before": kept, "changed": task.change(whole, cut)}

    def _connections(
        self, gates: Gates, readings: Readings, image: Tensor, frame: Framing, chosen: Sequence[str]
    ) -> dict[str, Any]:
        names = list(self.predictor.tasks)
        photo = denormalise(image, self.normalisation)

        def draw(kept: Tensor) -> str:
            drawn = frame.on_photo(overlay(photo, 1 - kept.numpy()).transpose(2, 0, 1), absent=0)
            return as_url(drawn.transpose(1, 2, 0), "JPEG", 512)

        taken = [
            {"layer": layer, "to": name, "picture": draw(kinds["spatial"][0, number, number, 0])}
            for layer, kinds in gates.items()
            if "spatial" in kinds
            for number, name in enumerate(names)
            if name in chosen
        ]
        shares = [{"layer": layer, "shares": of_layer.flow[0].tolist()} for layer, of_layer in readings.items()]
        return {"taken": taken, "shares": shares}


def places(sizes: Sequence[tuple[int, int] | None]) -> list[str]:
    """A name for each layer at which tasks meet, in the network's order, from the size of its features.

    >>> places([(24, 32), (12, 16)]), places([None])
    (['meeting 1 of 2, 24x32 pixels', 'meeting 2 of 2, the last, 12x16 pixels'], ['the only meeting'])
    """
    count = len(sizes)
    names = [f"meeting {number} of {count}" for number in range(1, count)]
    names += [f"meeting {count} of {count}, the last" if count > 1 else "the only meeting"] * (count > 0)
    return [f"{name}, {size[0]}x{size[1]} pixels" if size else name for name, size in zip(names, sizes, strict=True)]


def _open(run: Run) -> tuple[Data | None, dict[str, Task]]:
    """The run's data and tasks; if the data cannot be read, None and the tasks as the run describes them."""
    try:
        return run.open()
    except InputError:
        return None, run.tasks
