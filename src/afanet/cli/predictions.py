"""What `afanet predict` writes and prints: the results for each photo, and lists of all."""

from __future__ import annotations

import csv
import errno
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afanet.errors import InputError
from afanet.files import path_in, remove_files, write_whole
from afanet.json_text import to_json

if TYPE_CHECKING:
    from afanet.photo import Pixels
    from afanet.tasks.result import Result

TOGETHER = "side-by-side"
LINES, TABLE = "predictions.jsonl", "predictions.csv"

# Errors caused by the name of one file; other files in the same folder can still be written.
OF_THE_NAME = frozenset([errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.EISDIR])

Named = tuple[Path, str, "Pixels"]


@dataclass
class Predictions:
    """The results for photos: lines of JSON and rows of a table, one per photo.

    If there is a folder `out`, they are written there, beside each photo's files. With `printed`, lines are printed.
    """

    out: Path | None
    printed: bool = False
    lines: list[dict[str, Any]] = field(default_factory=list)
    rows: list[dict[str, str | float]] = field(default_factory=list)

    @property
    def tables(self) -> bool:
        """Whether the rows have more than the photos' names."""
        return bool(self.rows) and len(self.rows[0]) > 2

    def add(self, photo: Named, results: Mapping[str, Result]) -> str | None:
        """Write, print and list the results for one photo.

        If they cannot be written because of this photo's name, returns the reason; raises `InputError` for any other
        reason.
        """
        try:
            line, row = _save(self.out, photo, results)
        except InputError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in OF_THE_NAME:
                raise
            return f"{photo[0]}: {error}"
        if self.printed:
            print(to_json(line), flush=True)  # in ASCII, which every encoding of the output has
        self.lines.append(line)
        self.rows.append(row)
        return None

    def write(self) -> None:
        """Write the lists, unless they are empty."""
        if self.out is None:
            return
        if self.lines:
            text = "".join(to_json(line, ensure_ascii=False) + "\n" for line in self.lines)
            write_whole(self.out / LINES, text)
        if self.tables:
            write_whole(self.out / TABLE, _table(self.rows))

    def report(self) -> None:
        """Print how many files there are of each kind, unless lines are printed."""
        if self.out is None or self.printed:
            return
        kinds = Counter(Path(file).parent.as_posix() for line in self.lines for file in line["files"])
        for kind, count in kinds.items():
            print(f"{self.out / kind}: {count} file{'s' if count > 1 else ''}")
        if self.lines:
            print(f"{self.out / LINES}: a line for each of {len(self.lines)}{f', {TABLE} too' if self.tables else ''}")


def _save(
    out: Path | None, photo: Named, results: Mapping[str, Result]
) -> tuple[dict[str, Any], dict[str, str | float]]:
    """Write the pictures for one photo, if there is a folder; returns its line of JSON and its row of the table."""
    from afanet.tasks.result import PooledResult

    path, name, pixels = photo
    pooled = {task: result for task, result in results.items() if isinstance(result, PooledResult)}
    files = [] if out is None else _save_pictures(out, photo, results)
    line = {
        "image": str(path),
        "name": name,
        "size": list(pixels.shape[:2]),
        "predictions": {task: result.as_json() for task, result in pooled.items()},
        "files": files,
    }
    row: dict[str, str | float] = {"image": str(path), "name": name}
    for result in pooled.values():
        row |= result.columns()
    return line, row


def _save_pictures(out: Path, photo: Named, results: Mapping[str, Result]) -> list[str]:
    """Write the pictures for one photo, all or none; returns their paths in the folder."""
    from afanet.inference.together import side_by_side
    from afanet.tasks.drawing.png import png
    from afanet.tasks.result import PooledResult

    _, name, pixels = photo
    written: list[Path] = []
    try:
        for result in results.values():
            if not isinstance(result, PooledResult):
                written += result.save(out, name)
        written.append(write_whole(path_in(out, TOGETHER, f"{name}.png"), png(side_by_side(pixels, results))))
    except BaseException:
        remove_files(written)
        raise
    return [file.relative_to(out).as_posix() for file in written]


def _table(rows: Sequence[dict[str, Any]]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()
