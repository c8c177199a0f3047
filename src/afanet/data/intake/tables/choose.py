"""Chooses the table of labels in a folder: the one that names the most images, or one for each split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from afanet.data.intake.tables.fit import Fit, fit_table
from afanet.data.intake.tables.sheet import ENDINGS, Sheet
from afanet.data.intake.tree import meaning_of
from afanet.errors import InputError

MOST = 20  # most tables that are looked at
SPLIT = "split"


@dataclass(frozen=True)
class Joined(Sheet):
    """Tables with the same header, one for each split; a last column says the split."""

    parts: Mapping[str, Sheet] = field(default_factory=dict)

    def batches(self) -> Iterator[list[pa.Array]]:
        """The batches of all tables."""
        for split, sheet in self.parts.items():
            for batch in sheet.batches():
                yield [*batch, pa.array([split] * len(batch[0]), pa.string())]


def tables_in(folder: Path) -> list[Path]:
    """The tables in a folder and the folders in it, the nearest first; hidden ones are left out."""
    below = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    return [
        path
        for place in (folder, *below)
        for path in sorted(place.iterdir())
        if path.suffix.lower() in ENDINGS and path.is_file() and not path.name.startswith(".")
    ]


def choose_table(paths: Sequence[Path], root: Path, images: Sequence[str]) -> tuple[Fit | None, list[str]]:
    """The table among `paths` that names the most of `images`, and a line for each that was not taken.

    Raises `InputError` if none fits and one cannot be read.
    """
    fits: list[Fit] = []
    notes: list[str] = []
    faults: list[InputError] = []
    for path in paths[:MOST]:
        try:
            fit = fit_table(path, root, images)
        except InputError as error:
            faults.append(error)
            notes.append(f"left out: {error}")
            continue
        if fit:
            fits.append(fit)
        else:
            notes.append(f"left out: {path.relative_to(root)}, since no column of it names an image")
    if len(paths) > MOST:
        notes.append(f"left out: {len(paths) - MOST} more tables, such as {paths[MOST].relative_to(root)}")
    if faults and not fits:
        raise faults[0]
    if joined := _joined(fits):
        return joined, notes
    fits.sort(key=lambda fit: (-fit.found, len(fit.sheet.path.parts), -len(fit.sheet.header), fit.sheet.path))
    notes += [
        f"left out: {fit.sheet.path.relative_to(root)}, since {fits[0].sheet.path.relative_to(root)} names "
        + (f"more images ({fits[0].found}, not {fit.found})" if fits[0].found > fit.found else "as many images")
        for fit in fits[1:]
    ]
    return fits[0] if fits else None, notes


def _joined(fits: Sequence[Fit]) -> Fit | None:
    """The tables of several splits as one, if they have the same header and the same column for images."""
    by_split: dict[str, Fit] = {}
    for fit in fits:
        split = meaning_of(fit.sheet.path.stem, {})[0]
        if split is None or split in by_split:
            return None
        by_split[split] = fit
    layouts = {(tuple(fit.sheet.header), fit.column) for fit in fits}
    if len(by_split) < 2 or len(layouts) > 1:
        return None
    first = fits[0]
    if SPLIT in first.sheet.header:
        return None
    names = ", ".join(fit.sheet.path.name for fit in fits[1:])
    notes = list(dict.fromkeys([f"joined with {names}", *(note for fit in fits for note in fit.sheet.notes)]))
    parts = {split: fit.sheet for split, fit in by_split.items()}
    sheet = Joined(first.sheet.path, [*first.sheet.header, SPLIT], notes, parts=parts)
    return Fit(sheet, first.column, first.names, sum(fit.found for fit in fits), sum(fit.named for fit in fits))
