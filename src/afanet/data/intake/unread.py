"""Folders that nothing reads, although their files have the names of images."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from afanet.data.intake.contents import Contents
from afanet.data.intake.folder import files_below, relative


def unread_folders(contents: Contents, root: Path) -> list[str]:
    """A warning for each folder in `root` with files that are named like images and belong to no image or label."""
    cells = {cell for column in contents.columns.values() for cell in column.cells.values()}
    known = cells.union(contents.images, contents.outside, contents.unpaired)
    names = {PurePosixPath(image).stem for image in contents.images}
    warnings = []
    for folder in sorted(place for place in root.iterdir() if place.is_dir()):
        alike = [file for file in files_below(folder) if file.stem in names and relative(file, root) not in known]
        if alike:
            warnings.append(
                f"warning: {folder.name}/ is not read, but {len(alike)} of its files have the names of images: if they "
                "are masks, rename the folder to masks"
            )
    return warnings
