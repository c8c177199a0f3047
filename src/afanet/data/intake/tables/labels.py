"""What a table teaches: the split, the group and the tasks in its columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from afanet.data.intake.cells import Cells
from afanet.data.intake.contents import Column, Contents
from afanet.data.intake.guess import guess_column, names_files
from afanet.data.intake.tables.aligned import align
from afanet.data.intake.tables.fit import Fit
from afanet.data.intake.tables.flags import groups_of_flags, is_flag, join_flags
from afanet.data.intake.tables.headers import is_group, split_of_cells, task_name
from afanet.data.intake.tables.label_files import guess_files
from afanet.tasks.column import FileColumn

REASONS = 12  # most columns that are listed as not being labels


@dataclass(frozen=True)
class Place:
    """Where files that cells name may be."""

    root: Path
    label_files: list[str]
    file_columns: Mapping[str, type[FileColumn]]


def read_table(fit: Fit, place: Place) -> Contents:
    """The contents of a table that fits its images; `notes` has assumptions, `no_labels` why columns are none."""
    sheet = fit.sheet
    aligned = align(fit)
    cells = aligned.columns
    counts = {header: column.counts() for header, column in cells.items()}
    how = "".join(f"; {note}" for note in sheet.notes)
    notes = [
        f"{sheet.path.relative_to(place.root)}: {aligned.images} images by its column '{sheet.header[fit.column]}'{how}"
    ]
    notes += aligned.notes
    splits, remark, used = _splits(cells, counts)
    notes += remark
    groups, remark, more = _groups({header: cells[header] for header in cells if header not in used}, counts)
    notes += remark
    headers = [header for header in cells if header not in used | more]
    columns, reasons = _columns(headers, cells, counts, place)
    if sheet.headless and len(columns) == 1:
        columns = {"label": next(iter(columns.values()))}
    no_labels = [f"no label: column '{header}', since {reason}" for header, reason in list(reasons.items())[:REASONS]]
    if len(reasons) > REASONS:
        no_labels.append(f"no labels: {len(reasons) - REASONS} more columns, such as '{list(reasons)[REASONS]}'")
    return Contents(list(fit.names.images), columns, [], splits, groups=groups, notes=notes, no_labels=no_labels)


def _splits(
    cells: Mapping[str, Cells], counts: Mapping[str, Mapping[str, int]]
) -> tuple[dict[str, str], list[str], set[str]]:
    meanings = {header: meant for header in cells if (meant := split_of_cells(header, counts[header]))}
    if not meanings:
        return {}, [], set()
    header, *others = sorted(meanings, key=lambda name: -len(cells[name]))
    meant = meanings[header]
    splits = {image: meant[cell] for image, cell in cells[header].items() if cell in meant}
    notes = [
        f"split: as the column '{header}' says ({', '.join(f'{cell} is {split}' for cell, split in meant.items())})"
    ]
    if strange := [cell for cell in counts[header] if cell and cell not in meant]:
        notes.append(f"left out: {sum(counts[header][cell] for cell in strange)} images of split '{strange[0][:50]}'")
    notes += [f"no label: column '{other}', since '{header}' says the split" for other in others]
    return splits, notes, set(meanings)


def _groups(
    cells: Mapping[str, Cells], counts: Mapping[str, Mapping[str, int]]
) -> tuple[dict[str, str], list[str], set[str]]:
    headers = [header for header in cells if is_group(header, counts[header])]
    if not headers:
        return {}, [], set()
    header, *others = sorted(headers, key=lambda name: len(counts[name]))
    note = f"group: the column '{header}', {len(counts[header])} of them"
    also = [f"no label: column '{other}', since '{header}' says the group" for other in others]
    return dict(cells[header].items()), [note, *also], set(headers)


def _columns(
    headers: list[str], cells: Mapping[str, Cells], counts: Mapping[str, Mapping[str, int]], place: Place
) -> tuple[dict[str, Column], dict[str, str]]:
    """The tasks of columns, by name, and by header why other columns are none."""
    columns: dict[str, Column] = {}
    reasons: dict[str, str] = {}
    joined: set[str] = set()
    for name, labels in groups_of_flags([header for header in headers if is_flag(counts[header])]).items():
        if task := join_flags(name, labels, {header: cells[header] for header in labels}):
            columns[task_name(task[0], columns)] = task[1]
            joined |= set(labels)
    for header in headers:
        if header in joined:
            continue
        if header.lower().endswith("_confidence"):
            reasons[header] = "its name is that of a confidence"
            continue
        if names_files(counts[header]):
            guess = guess_files(header, cells[header], place.root, place.label_files, place.file_columns)
        else:
            guess = guess_column(header, cells[header])
        if isinstance(guess, str):
            reasons[header] = guess
            continue
        name = task_name(header, columns)
        said = guess.summary if name == header else f"{guess.summary}; column '{header}'"
        columns[name] = replace(guess, summary=said)
    return columns, reasons
