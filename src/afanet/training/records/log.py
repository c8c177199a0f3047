"""The log of a run: a row an epoch in a CSV file, and TensorBoard and other loggers where installed."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from afanet.errors import InputError
from afanet.files import read_text, require_regular, write_whole


class Log:
    """Writes `log.csv`, event files for TensorBoard into `tensorboard/` beside it, and to Lightning's `loggers`.

    `step` is where a resumed run continues: rows written after it are removed. The columns of the table are those of
    its first row, even if that row is from a version that logged less.
    """

    def __init__(self, file: Path, step: int = 0, loggers: Mapping[str, Any] = {}) -> None:
        self.file = file
        self.loggers = dict(loggers)
        self.board: Any = None
        self.columns: list[str] = _forget_after(file, step) if require_regular(file).exists() else []
        if find_spec("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter

            folder = file.parent / "tensorboard"
            try:
                write_whole(folder / "trial", bytes(4096)).unlink()  # otherwise a full disk would only show in a thread
                self.board = SummaryWriter(str(folder), purge_step=step + 1 if step else None)
            except OSError as error:
                raise InputError(f"{folder} cannot be written: {error.strerror}") from None

    def epoch(self, row: Mapping[str, float]) -> None:
        """Log the values of an epoch; `epoch` and `step` say which."""
        try:
            with self.file.open("a", newline="", encoding="utf-8") as file:
                self.columns = self.columns or list(row)
                writer = csv.DictWriter(file, self.columns, extrasaction="ignore")
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerow(row)
        except OSError as error:
            raise InputError(f"{self.file} cannot be written: {error.strerror}") from None
        self.scalars({key: value for key, value in row.items() if key not in ("epoch", "step")}, int(row["step"]))

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Single values, to every logger but the table."""
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)
        for logger in self.loggers.values():
            logger.log_metrics(dict(values), step)

    def picture(self, name: str, picture: NDArray[np.uint8], step: int) -> None:
        """An image (H, W, 3), to TensorBoard and to loggers that take images."""
        if self.board is not None:
            self.board.add_image(name, picture, step, dataformats="HWC")
        for logger in self.loggers.values():
            if hasattr(logger, "log_image"):
                logger.log_image(name, [picture], step=step)

    def close(self) -> None:
        """Write out everything."""
        if self.board is not None:
            self.board.close()
        for logger in self.loggers.values():
            logger.finalize("success")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        if error and self.board is not None:
            with suppress(OSError):  # the disk may be what failed
                self.board.close()  # its thread writes into a folder that may be removed next


def _forget_after(file: Path, step: int) -> list[str]:
    """Remove the rows after `step`; returns the columns of the table."""
    try:
        reader = csv.DictReader(StringIO(read_text(file)))
        names = list(reader.fieldnames or [])
        # A full disk or a kill may have cut a row short.
        whole_rows = [row for row in reader if None not in row and None not in row.values()]
        kept = [row for row in whole_rows if int(row["step"]) <= step]
    except InputError:
        raise
    except (OSError, ValueError, KeyError, csv.Error):
        raise InputError(f"{file} is not the log that train wrote: restore it, or remove it") from None
    text = StringIO(newline="")
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(kept)
    write_whole(file, text.getvalue())
    return names
