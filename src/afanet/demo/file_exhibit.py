"""An exported file that answers one photo at a time, in the form that the page shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from afanet.demo.answers import described, fractions, shown
from afanet.errors import InputError
from afanet.framing import framing
from afanet.inference.formats import open_file
from afanet.names import chosen_tasks
from afanet.normalisation import as_picture
from afanet.report.pictures import as_url
from afanet.tasks import DenseTask, Description, Task, read_task
from afanet.tasks.kinds import read_estimate


class FileExhibit:
    """A file of `afanet export`, for the page; it has no sample images and no connections to show or cut.

    Raises `InputError` for a file that cannot be used, or that an older version wrote without descriptions of tasks.
    """

    samples = 0

    def __init__(self, path: Path) -> None:
        self.path, self.model = path, open_file(path)
        kept = self.model.description.get("described")
        if not isinstance(kept, dict) or set(self.model.about.tasks) - set(kept):
            raise InputError(f"{path} does not describe its tasks, as older files do not: export the run again")
        names = list(self.model.about.tasks)
        self.tasks: dict[str, Task] = {name: read_task(Description.from_json(name, kept[name])) for name in names}
        self._lock = Lock()

    def about(self) -> dict[str, Any]:
        """See `Exhibit`."""
        data = self.model.description.get("data")
        return {
            "run": self.path.name,
            "method": str(self.model.description.get("method", "")),
            "tasks": [described(task) for task in self.tasks.values()],
            "data": str(data.get("description", "")) if isinstance(data, dict) else "",
            "layers": [],
            "places": [],
            "lacking": "",
            "readable": False,
            "cuttable": False,
            "samples": self.samples,
            "size": self.model.about.size,
            "channels": self.model.about.normalisation.channels,
        }

    def sample(self, number: int) -> bytes:
        """See `Exhibit`; a file has no samples, so this raises `InputError`."""
        raise InputError(f"there is no sample {number}: a file has none")

    array = sample

    def answer(
        self,
        photo: NDArray[np.uint8],
        to: int = 0,
        source: int = 0,
        layers: int = 0,
        tasks: Sequence[str] | None = None,
    ) -> dict[str, Any]:
        """See `Exhibit`; the file always computes all tasks, and has no layers to cut."""
        names = list(self.tasks)
        chosen = chosen_tasks(names if tasks is None else tasks, names)
        if layers:
            raise InputError(f"{layers} layers were to be cut, and tasks meet at 0")
        about = self.model.about
        frame = framing((photo.shape[0], photo.shape[1]), about.size, about.resize)
        with self._lock:
            estimates = self.model.estimate(about.prepare(photo, about.size)[None])
        answer: dict[str, Any] = {"size": photo.shape[:2], "seen": fractions(frame), "taken": [], "shares": []}
        if about.normalisation.channels not in (1, 3):  # the browser cannot draw it
            answer["photo"] = as_url(as_picture(photo), "JPEG", 1024)
        answer["tasks"] = []
        for name in chosen:
            task, estimate = self.tasks[name], estimates[name][0]
            if not np.isfinite(estimate).all():
                raise InputError(f"in {self.path} task '{name}' has outputs that are not finite: export the run again")
            if isinstance(task, DenseTask):
                estimate = estimate[..., *frame.filled.slices]
            size = (frame.filled.height, frame.filled.width)
            value = torch.as_tensor(read_estimate(name, about.tasks[name], estimate, size).as_target())
            answer["tasks"].append(shown(task, value, torch.from_numpy(np.asarray(estimate)), frame))
        return answer
