"""All labels that a folder or a file has: from its folders, a table, or both together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from afanet.data.sets.manifest.contents import Column, Contents
from afanet.data.sets.manifest.folder import file_columns, files_below, images_below, layouts, read_folder, relative
from afanet.data.sets.manifest.tables.choose import choose_table, tables_in
from afanet.data.sets.manifest.tables.fit import Fit
from afanet.data.sets.manifest.tables.headers import task_name
from afanet.data.sets.manifest.tables.labels import Place, read_table
from afanet.data.sets.manifest.tables.sheet import ENDINGS, open_sheet
from afanet.errors import InputError
from afanet.paths import IMAGE_FOLDER, near, require_folder
from afanet.tasks.column import FileColumn
from afanet.tasks.kinds import KINDS

LEVELS = 3  # folders above a file that may hold its images
ENOUGH = 0.5  # of the images that a table names are in the folder
COMPARED = 1000  # cells
LABEL_ENDINGS = (".png", ".npy")
LABEL = "label"  # the task of folders of classes


def read_contents(path: Path) -> tuple[Path, Contents]:
    """The folder of the images that a folder or a table is about, and what there is to learn from them.

    Raises `InputError` if there are no images or nothing to learn from, or a file cannot be read.
    """
    if path.is_file():
        root, contents = _above(path)
    else:
        require_folder(path, IMAGE_FOLDER)
        root, contents = path, _look(path, tables_in(path))[0]
    if not contents.columns:
        lines = "".join(f" ({note})" for note in contents.notes)
        splits = " in folders of splits" if contents.splits else ""
        outside = f" ({len(contents.outside)} in none, such as {contents.outside[0]})" if contents.outside else ""
        raise InputError(
            f"{root} has {len(contents.images)} images{splits}{outside} and nothing to learn from them{lines}, "
            f"expected {layouts()}"
        )
    return root, contents


def _above(file: Path) -> tuple[Path, Contents]:
    """The nearest folder above a table that has most of its images."""
    if file.suffix.lower() not in ENDINGS:
        raise InputError(f"{file} is a file, expected a folder with images, or a table ({', '.join(ENDINGS)})")
    file = file.absolute()
    open_sheet(file)
    best: tuple[float, Path, Contents] | None = None
    faults = []
    for folder in islice(file.parents, LEVELS):
        try:
            contents, fit = _look(folder, [file])
        except InputError as error:
            faults.append(error)
            continue
        share = fit.found / fit.named if fit else 0
        if share and (best is None or share > best[0]):
            best = share, folder, contents
        if share > ENOUGH:
            break
    if best is None:
        own = next((fault for fault in faults if str(file) in str(fault)), None)
        why = f" ({faults[0]})" if faults else ""
        raise own or InputError(
            f"{file} names no image in the folders above it{why}, expected a column with the images' names"
        )
    return Path(near(best[1])), best[2]


def _look(folder: Path, tables: Sequence[Path]) -> tuple[Contents, Fit | None]:
    """What a folder and the table in it that fits have to learn from; and that table."""
    contents = read_folder(folder)
    if not tables:
        return contents, None
    fit, notes = choose_table(tables, folder, contents.images)
    if fit is None or fit.found < ENOUGH * fit.named:
        everything = [relative(image, folder) for image in images_below(folder, files_below(folder))]
        if len(everything) > len(contents.images):
            wider, others = choose_table(tables, folder, everything)
            if wider and (fit is None or wider.found > fit.found):
                fit, notes = wider, others
    if fit is None:
        return replace(contents, notes=[*contents.notes, *notes]), None
    label_files = [relative(file, folder) for file in files_below(folder) if file.suffix.lower() in LABEL_ENDINGS]
    table = read_table(fit, Place(folder, label_files, file_columns()))
    return join(contents, replace(table, notes=[*table.notes, *notes])), fit


def join(folder: Contents, table: Contents) -> Contents:
    """The contents of a folder and of a table that names its images.

    Where the table has labels, folders are not taken to be classes, and label files that it names are its own.
    """
    columns = dict(folder.columns)
    notes = [*folder.notes, *table.notes]
    if LABEL in columns and table.columns and columns[LABEL].declared["kind"] == "classification":
        notes.append(f"no label: {columns.pop(LABEL).summary}, since the table has labels")
    for name, column in list(columns.items()):
        if any(_share(column, other) for other in table.columns.values()):
            del columns[name]
    for name, column in table.columns.items():
        columns[task_name(name, columns)] = column
    images = table.images if len(table.images) > len(folder.images) else folder.images
    labels = {cell for column in columns.values() if _has_files(column) for cell in column.cells.values()}
    images = [image for image in images if image not in labels]
    splits = table.splits or folder.splits
    outside = folder.outside
    if table.splits:
        everything = sorted({*images, *folder.outside})
        images = [image for image in everything if image in splits]
        outside = [image for image in everything if image not in splits]
    return Contents(
        images,
        columns,
        folder.unpaired,
        splits,
        outside,
        groups=table.groups,
        notes=notes,
        split_source="table" if table.splits else folder.split_source,
    )


def _has_files(column: Column) -> bool:
    return issubclass(KINDS[column.declared["kind"]].column_class, FileColumn)


def _share(column: Column, other: Column) -> bool:
    """Whether two columns name the same files."""
    return _has_files(column) and any(
        other.cells.get(image) == cell for image, cell in islice(column.cells.items(), COMPARED)
    )
