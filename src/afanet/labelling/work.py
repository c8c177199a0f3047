"""One call of `label`: reads rows, labels images in batches, and writes changed rows, in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from afanet.errors import InputError
from afanet.files import whole
from afanet.images import read_image
from afanet.labelling.cells import Cells, made_in, name_fault
from afanet.labelling.fitting import declarations, require_fitting
from afanet.labelling.plan import Plan, below, read_plan
from afanet.labelling.summary import Labelled
from afanet.labelling.table import Change, Row, Table
from afanet.labelling.teacher import Asked, Results
from afanet.normalisation import as_channels
from afanet.paths import LEAVING
from afanet.photo import Pixels
from afanet.tasks.label import CONFIDENCE, MACHINE

AHEAD = 4096  # most rows that are read ahead, since few of them may need a label

Answer = tuple[Results, Results]  # results for a photo, and for its mirror image
Waiting = tuple[Row, Pixels | None]  # a row, with the pixels of its image if the row needs a label


class Work:
    """The table and the teacher of one call; `cells` writes the labels and counts them."""

    def __init__(self, table: Table, asked: Asked, cells: Cells, batch_size: int) -> None:
        self.table, self.asked, self.cells, self.batch_size = table, asked, cells, batch_size
        self.root = table.path.parent
        self.faults: list[str] = []
        self.added = 0

    def run(self, images: Sequence[str | Path], begin: Callable[[int], Callable[[], None]]) -> Labelled:
        """Label the images; `begin` is called with their number, and the function that it returns after each image."""
        named = below(self.root, images)
        first = self._first(named)
        results = first[0]
        plan = read_plan(self.table, named, list(results))
        require_fitting(results, plan.labels, self.table, self.cells.declared)
        declared = declarations(results, self.asked, self.cells.declared)
        advance = begin(plan.total)
        if plan.total:
            with whole(self.table.path) as partial:
                self.table.write(partial, self._columns(first), self._changes(plan, advance))
                self._require_some(plan)
        notes = [note for name in results if (note := self._note(name, first))]
        return Labelled(self.table.path, self.cells.tasks, declared, plan.held_out, self.added, self.faults, notes)

    def _first(self, images: Sequence[str]) -> Answer:
        """The answer to the first usable image, which shows the tasks; raises `InputError` if no image can be used."""
        fault = f"there is no image to label: name images that lie in {self.root} or below"
        for image in chain(images, (row.cells.get("image", "") for row in self.table.rows())):
            try:
                pixels = self._read(image)
            except InputError as error:
                fault = str(error)
                continue
            [answer] = self.asked.answer([pixels])
            if not isinstance(answer, InputError):
                return answer
            fault = str(answer)
        raise InputError(fault)

    def _read(self, image: str) -> Pixels:
        """The pixels of an image of the table, with the teacher's channels."""
        if not image or re.search(LEAVING, image):
            raise InputError(f"image is '{image:.100}', expected a path inside {self.root}, relative to it")
        if fault := name_fault(image):
            raise InputError(fault)
        path = self.root / image
        return as_channels(read_image(path), self.asked.channels, str(path))

    def _columns(self, answer: Answer) -> list[str]:
        """The columns that the table lacks."""
        results, mirrors = answer
        rated = [name for name, result in results.items() if result.confidence(mirrors.get(name)) is not None]
        columns = [*results, *(f"{name}{CONFIDENCE}" for name in rated), MACHINE]
        return [name for name in columns if name not in self.table.header]

    def _changes(self, plan: Plan, advance: Callable[[], None]) -> Iterator[Change]:
        """Every row in order, then the rows of added images, all with their new cells."""
        batch: list[Waiting] = []
        waiting = 0
        for row in chain(self.table.rows(), (Row(image, {"image": image, "split": "train"}) for image in plan.added)):
            pixels = None
            if plan.wanted(row):
                try:
                    pixels = self._read(row.cells["image"])
                except InputError as error:
                    self._leave_out(row, error)
                advance()
            batch.append((row, pixels))
            waiting += pixels is not None
            if waiting == self.batch_size or len(batch) == AHEAD:
                yield from self._answered(batch, plan)
                batch, waiting = [], 0
        yield from self._answered(batch, plan)

    def _answered(self, batch: Sequence[Waiting], plan: Plan) -> Iterator[Change]:
        photos = [pixels for _, pixels in batch if pixels is not None]
        answers = iter(self.asked.answer(photos) if photos else ())
        for row, pixels in batch:
            answer = next(answers) if pixels is not None else None
            if isinstance(answer, InputError):
                self._leave_out(row, answer)
            if isinstance(answer, tuple):
                cells = self.cells.of(row.cells["image"], *answer, plan.wanted(row))
                filled = [name for name in answer[0] if name in cells]
                if filled:
                    cells[MACHINE] = ";".join(dict.fromkeys([*made_in(row.cells), *filled]))
                self.added += row.raw is None
                yield row, cells
            elif row.raw is not None:
                yield row, {}

    def _leave_out(self, row: Row, error: InputError) -> None:
        where = f"{self.table.path}, {row.location}: " if row.raw is not None else f"{row.location}: "
        self.faults.append(f"{where}{error}")

    def _require_some(self, plan: Plan) -> None:
        """Raise `InputError` if nothing was labelled, now or before."""
        counts = self.cells.tasks.values()
        if any(count.filled for count in counts) or plan.begun:
            return
        if self.faults and not any(count.below for count in counts):
            raise InputError("\n  ".join([f"none of {len(self.faults)} images can be labelled:", *self.faults]))
        if self.cells.threshold is None:
            raise InputError("the teacher gives no value for any pixel: look at the pictures of `afanet predict`")
        most = max(count.most for count in counts)
        raise InputError(
            f"threshold {self.cells.threshold:g} leaves no label, since the largest confidence is {most:.8g}: give a "
            "lower threshold"
        )

    def _note(self, name: str, answer: Answer) -> str | None:
        """The reason why a task has no confidence; None if it has one."""
        results, mirrors = answer
        if results[name].confidence(mirrors.get(name)) is not None:
            return None
        why = "since its images cannot be mirrored" if name in self.asked.sided else "since its results give none"
        applies = "" if self.cells.threshold is None else ": the threshold does not apply to it"
        return f"{name} has no confidence, {why}{applies}"
