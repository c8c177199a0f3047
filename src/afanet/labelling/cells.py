"""Turns results into the cells of a row: writes label files, and compares confidences with the threshold."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.files import LONGEST, make_folder, path_in, remove_files, remove_folders, write_whole
from afanet.labelling.summary import OfTask
from afanet.tasks.label import CONFIDENCE, MACHINE, LabelFile
from afanet.tasks.result import DenseResult, Result

FOLDER = "{}-machine"


@dataclass
class Cells:
    """Makes the cells of rows, and counts them; `root` is the folder of the table.

    `declared` has the keys of columns that a recipe declares. `remove` deletes all files that were written.
    """

    root: Path
    threshold: float | None
    declared: Mapping[str, Mapping[str, Any]]
    tasks: dict[str, OfTask] = field(default_factory=dict)
    written: list[Path] = field(default_factory=list)
    made: list[Path] = field(default_factory=list)

    def of(
        self, image: str, results: Mapping[str, Result], mirrors: Mapping[str, Result], wanted: Collection[str]
    ) -> dict[str, str]:
        """By column, the cells of the tasks `wanted` whose confidence reaches the threshold, and these confidences."""
        cells: dict[str, str] = {}
        for name in (name for name in results if name in wanted):
            result, count = results[name], self.tasks.setdefault(name, OfTask())
            sure = result.confidence(mirrors.get(name))
            known: NDArray[np.bool_] | None = None
            if sure is not None:
                count.most = max(count.most, float(np.nanmax(sure, initial=0)))
                known = np.asarray(np.isfinite(sure) if self.threshold is None else sure >= self.threshold)
                if not known.any():
                    count.below += 1
                    continue
            pixels = known if known is not None and known.ndim else None
            label = result.as_label(pixels, self.declared.get(name, {}))
            cells[name] = label if isinstance(label, str) else self._write(name, image, label)
            count.filled += 1
            if sure is not None:
                confidence = _of_all(result, sure, known)
                count.rated, count.confidences = count.rated + 1, count.confidences + confidence
                cells[f"{name}{CONFIDENCE}"] = f"{confidence:.4f}"
        return cells

    def _write(self, task: str, image: str, label: LabelFile) -> str:
        """Write a label file under a new name; returns its path below `root`."""
        parts = Path(image).with_suffix("").parts
        folder = path_in(self.root, FOLDER.format(task), *parts[:-1])
        file, number = path_in(folder, f"{parts[-1]}{label.suffix}"), 2
        while file.exists() or file.is_symlink():
            file, number = path_in(folder, f"{parts[-1]}-{number}{label.suffix}"), number + 1
        try:
            self.made += make_folder(folder)
        except OSError as error:
            raise InputError(f"{folder} cannot be made: {error.strerror or error}") from error
        self.written.append(file)
        write_whole(file, label.content)
        return file.relative_to(self.root).as_posix()

    def remove(self) -> None:
        """Remove every file and folder that was made here."""
        remove_files(self.written)
        remove_folders(self.made)


def _of_all(result: Result, sure: float | NDArray[np.float32], known: NDArray[np.bool_] | None) -> float:
    """The confidence of a cell: the mean over pixels, or the lowest confidence of its known parts."""
    if isinstance(result, DenseResult) or known is None or not known.ndim:
        return float(np.nanmean(sure))
    return float(np.asarray(sure)[known].min())


def made_in(cells: Mapping[str, str]) -> list[str]:
    """The tasks whose labels in a row are machine-made."""
    return [name for part in cells.get(MACHINE, "").split(";") if (name := part.strip())]


def name_fault(image: str) -> str | None:
    """Why label files for an image cannot be named after it, in words; None if they can."""
    try:
        length = max(len(f"{part}.png".encode()) for part in Path(image).parts)
    except UnicodeEncodeError:
        return f"{image!r} is not UTF-8, in which tables are written: rename it"
    if length > LONGEST:
        return f"{image} has a name of {length} bytes, expected at most {LONGEST}: rename it"
    return None
