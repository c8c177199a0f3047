"""Collects all labels of a folder or a file: from folders, a table, annotations, or several of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from afanet.data.intake.contents import Column, Contents
from afanet.data.intake.folder import file_columns, files_below, images_below, layouts, read_folder, relative
from afanet.data.intake.formats import read_annotations
from afanet.data.intake.tables.choose import choose_table, tables_in
from afanet.data.intake.tables.fit import Fit
from afanet.data.intake.tables.headers import task_name
from afanet.data.intake.tables.labels import Place, read_table
from afanet.data.intake.tables.sheet import ENDINGS, open_sheet
from afanet.errors import InputError
from afanet.paths import IMAGE_FOLDER, near, require_folder
from afanet.tasks.column import FileColumn
from afanet.tasks.kinds import KINDS

LEVELS = 3  # folders above a file that may hold its images
ENOUGH = 0.5  # share of the images named by a table that must be in the folder
COMPARED = 1000  # cells
LABEL = "label"  # the task of class folders


def read_contents(path: Path) -> tuple[Path, Contents]:
    """The folder with the images of a folder, a table or an annotation file, and the labels to learn from.

    Raises `InputError` if there are no images or nothing to learn from, or a file cannot be read.
    """
    if path.is_file():
        root, contents = _above(path)
    else:
        require_folder(path, IMAGE_FOLDER)
        annotated = read_annotations(path)
        root, contents = path, _look(path, tables_in(path), annotated)[0]
    if not contents.columns:
        lines = "".join(f" ({note})" for note in [*contents.notes, *contents.no_labels])
        splits = " in folders of splits" if contents.splits else ""
        outside = f" ({len(contents.outside)} in none, such as {contents.outside[0]})" if contents.outside else ""
        raise InputError(
            f"{root} has {len(contents.images)} images{splits}{outside} and nothing to learn from them{lines}, "
            f"expected {layouts()}"
        )
    return root, contents


def _above(file: Path) -> tuple[Path, Contents]:
    """The nearest folder above a table or an annotation file that has most of its images."""
    file = file.absolute()
    is_table = file.suffix.lower() in ENDINGS
    if is_table:
        open_sheet(file)
    best: tuple[float, Path, Contents] | None = None
    faults = []
    for folder in islice(file.parents, LEVELS):
        try:
            if is_table:
                contents, fit = _look(folder, [file], None)
                share = fit.found / fit.named if fit else 0
            else:
                contents, share = _annotated(file, folder), 1
        except InputError as error:
            faults.append(error)
            continue
        if share and (best is None or share > best[0]):
            best = share, folder, contents
        if share > ENOUGH:
            break
    if best is None:
        own = next((fault for fault in faults if str(file) in str(fault)), None if is_table else faults[0])
        why = f" ({faults[0]})" if faults else ""
        raise own or InputError(
            f"{file} names no image in the folders above it{why}, expected a column with the images' names"
        )
    return Path(near(best[1])), best[2]


def _annotated(file: Path, folder: Path) -> Contents:
    """The contents of an annotation file for the images below a folder."""
    contents = read_annotations(file, folder)
    if contents is None:
        raise InputError(f"{file} is a file, expected {IMAGE_FOLDER}, a table ({', '.join(ENDINGS)}) or annotations")
    return _look(folder, [], contents)[0]


def _look(folder: Path, tables: Sequence[Path], annotated: Contents | None) -> tuple[Contents, Fit | None]:
    """The labels of a folder, of its annotations and of the table in it that fits; and that table."""
    contents = read_folder(folder) if annotated is None else join_annotations(folder, annotated)
    if not tables:
        return contents, None
    fit, notes = choose_table(tables, folder, contents.images)
    if fit is None or fit.found < ENOUGH * fit.named:
        everything = [relative(image, folder) for image in images_below(folder, files_below(folder))]
        if annotated is None and len(everything) > len(contents.images):
            wider, others = choose_table(tables, folder, everything)
            if wider and (fit is None or wider.found > fit.found):
                fit, notes = wider, others
    if fit is None:
        return replace(contents, notes=[*contents.notes, *notes]), None
    columns = file_columns()
    endings = {ending for column in columns.values() for ending in column.endings}
    label_files = [relative(file, folder) for file in files_below(folder) if file.suffix.lower() in endings]
    table = read_table(fit, Place(folder, label_files, columns))
    table = replace(table, notes=[*table.notes, *notes])
    if annotated is None and table.columns and LABEL in contents.columns:
        folders = contents.columns[LABEL].declared["classes"]
        kept = {name: column for name, column in contents.columns.items() if name != LABEL}
        said = f"no label: the {len(folders)} folders of images, such as {folders[0]}, since the table has labels"
        contents = replace(contents, columns=kept, notes=[*contents.notes, said])
    return join_table(contents, table), fit


def join_annotations(folder: Path, annotated: Contents) -> Contents:
    """The annotations, and for their images also label files of other kinds in the folder."""
    source = "annotations" if annotated.splits else annotated.split_source
    try:
        files = read_folder(folder)
    except InputError as error:  # the usual folders may hold other files than labels
        return replace(annotated, split_source=source, notes=[*annotated.notes, f"left out: {error}"])
    known = {column.declared["kind"] for column in annotated.columns.values()}
    more = {
        name: column
        for name, column in files.columns.items()
        if has_files(column) and column.declared["kind"] not in known and name not in annotated.columns
    }
    images = set(annotated.images)
    cells = {
        name: {image: cell for image, cell in column.cells.items() if image in images} for name, column in more.items()
    }
    columns = {name: replace(column, cells=cells[name]) for name, column in more.items() if cells[name]}
    return replace(annotated, split_source=source, columns=annotated.columns | columns)


def join_table(contents: Contents, table: Contents) -> Contents:
    """The joint contents of a folder and a table that names its images; label files named by the table belong to it."""
    columns = {
        name: column
        for name, column in contents.columns.items()
        if not any(_share(column, other) for other in table.columns.values())
    }
    for name, column in table.columns.items():
        columns[task_name(name, columns)] = column
    images = table.images if len(table.images) > len(contents.images) else contents.images
    labels = {cell for column in columns.values() if has_files(column) for cell in column.cells.values()}
    images = [image for image in images if image not in labels]
    joined = replace(
        contents,
        images=images,
        columns=columns,
        groups=table.groups,
        notes=[*contents.notes, *table.notes],
        no_labels=table.no_labels,
    )
    if not table.splits:
        return joined
    everything = sorted({*images, *contents.outside})
    return replace(
        joined,
        images=[image for image in everything if image in table.splits],
        splits=table.splits,
        outside=[image for image in everything if image not in table.splits],
        split_source="table",
    )


def has_files(column: Column) -> bool:
    """Whether the cells of a column name files."""
    return issubclass(KINDS[column.declared["kind"]].column_class, FileColumn)


def _share(column: Column, other: Column) -> bool:
    """Whether two columns name the same files."""
    return has_files(column) and any(
        other.cells.get(image) == cell for image, cell in islice(column.cells.items(), COMPARED)
    )
