"""Teachers: anything that answers a photo with results by task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from afanet.errors import InputError
from afanet.inference.predictor import Predictor
from afanet.names import chosen_tasks
from afanet.photo import Pixels
from afanet.tasks.result import DenseResult, Result

Results = Mapping[str, Result]


class Teacher(Protocol):
    """A callable from a photo (H, W, 3) uint8 to a `Result` for each task; an `afanet.Predictor` is one.

    Dense results have the photo's size. A teacher may raise `InputError` for a photo that it cannot answer; the photo
    is then left out.

    >>> import numpy as np
    >>> from afanet.inference import Choice
    >>> def light(photo):
    ...     bright = float(photo.mean() / 255)
    ...     name = "bright" if bright > 0.5 else "dark"
    ...     return {"light": Choice("light", name, int(bright > 0.5), {"dark": 1 - bright, "bright": bright})}
    >>> str(light(np.full((4, 6, 3), 204, np.uint8))["light"])
    'bright (80%)'
    """

    def __call__(self, photo: Pixels, /) -> Results: ...


@dataclass
class Asked:
    """A teacher, and the `tasks` that it is asked for, all if None.

    `meanings` are the meanings of a network's tasks. `sided` has the tasks that depend on the side (`mirror: false`):
    no mirror image can confirm them.
    """

    teacher: Teacher
    tasks: Sequence[str] | None = None
    meanings: Mapping[str, Mapping[str, Any]] = field(init=False)
    sided: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.meanings = self.teacher.model.about.tasks if isinstance(self.teacher, Predictor) else {}
        self.sided = frozenset(name for name, meaning in self.meanings.items() if not meaning.get("mirror", True))

    @property
    def channels(self) -> int:
        """The number of channels of the images that the teacher takes."""
        return self.teacher.model.about.normalisation.channels if isinstance(self.teacher, Predictor) else 3

    def answer(self, photos: Sequence[Pixels]) -> list[tuple[Results, Results] | InputError]:
        """For each photo its results and, for compared tasks, those of its mirror image, mirrored back."""
        answers = list(self._ask(photos, mirrored=False))
        compared = [
            index
            for index, results in enumerate(answers)
            if not isinstance(results, InputError)
            if any(result.compared for name, result in results.items() if name not in self.sided)
        ]
        turned = dict(zip(compared, self._ask([photos[index] for index in compared], mirrored=True), strict=True))
        pairs: list[tuple[Results, Results] | InputError] = []
        for index, results in enumerate(answers):
            mirror = turned.get(index, {})
            if isinstance(results, InputError) or isinstance(mirror, InputError):
                pairs.append(
                    results if isinstance(results, InputError) else InputError(f"of its mirror image: {mirror}")
                )
                continue
            both = [name for name in results if name in mirror and name not in self.sided]
            pairs.append((results, {name: mirror[name] for name in both if results[name].compared}))
        return pairs

    def _ask(self, photos: Sequence[Pixels], mirrored: bool) -> Iterator[Results | InputError]:
        """Results of photos, or of their `mirrored` images, mirrored back."""
        if isinstance(self.teacher, Predictor):
            yield from map(self._chosen, self.teacher.attempt(photos, mirrored))
            return
        for photo in photos:
            try:
                results = self.teacher(np.ascontiguousarray(photo[:, ::-1]) if mirrored else photo)
            except InputError as error:
                yield error
                continue
            _require_results(results, photo)
            turned = {name: result.mirrored() for name, result in results.items()} if mirrored else results
            yield self._chosen(turned)

    def _chosen(self, results: Results | InputError) -> Results | InputError:
        if self.tasks is None or isinstance(results, InputError):
            return results
        return {name: results[name] for name in chosen_tasks(self.tasks, list(results))}


def _require_results(results: object, photo: Pixels) -> None:
    """Raise `InputError` for answers that break the rules of `Teacher`."""
    if not isinstance(results, Mapping) or not all(isinstance(result, Result) for result in results.values()):
        raise InputError(
            f"the teacher gives {type(results).__name__}, expected a mapping from each task's name to a Result, such "
            "as afanet.inference.Choice"
        )
    for name, result in results.items():
        maps = result.maps if isinstance(result, DenseResult) else {}
        for values in (getattr(result, key) for key in maps):
            if values.shape[:2] != photo.shape[:2]:
                raise InputError(
                    f"the teacher's result for task '{name}' is {values.shape[0]}x{values.shape[1]}, expected the "
                    f"photo's {photo.shape[0]}x{photo.shape[1]} pixels: resize it"
                )
