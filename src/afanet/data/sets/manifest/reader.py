"""Reads the samples of a manifest's rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor
from torchvision import tv_tensors

from afanet.data.files import require_shape
from afanet.data.sample import Reader, Sample
from afanet.data.sets.manifest.rows import Labels, Rows
from afanet.data.sets.manifest.table import Table
from afanet.errors import InputError
from afanet.images import read_image
from afanet.tasks.column import FileColumn, ValueColumn


class ManifestReader(Reader):
    """Reader of rows by their number, counted from 0; files are below `root`."""

    def __init__(self, root: Path, table: Table, rows: Rows):
        self.root = root
        self.manifest = table.path
        self.locate = table.locate
        self.rows = rows

    def files(self, row: Any) -> tuple[Path, ...]:
        image = self.root / self.rows.images[int(row)].as_py()
        return self.manifest, image, *(file for column, path in self._maps(row) for file in column.files(path))

    def optional_files(self, row: Any) -> list[Path]:
        return [file for column, path in self._maps(row) for file in column.optional_files(path)]

    def _maps(self, row: Any) -> Iterator[tuple[FileColumn, Path]]:
        for labels in self._labels(row).values():
            if isinstance(labels.column, FileColumn):
                yield labels.column, self.root / labels.values[int(row)].as_py()

    def group(self, row: Any) -> str | None:
        return self.rows.groups[int(row)].as_py() or None if self.rows.groups is not None else None

    def values(self, row: Any) -> dict[str, Tensor]:
        columns = {name: labels.column for name, labels in self._labels(row).items()}
        return {
            name: column.target(self.rows.labels[name].values[int(row)])
            for name, column in columns.items()
            if isinstance(column, ValueColumn)
        }

    def groups(self, items: Sequence[Any]) -> Iterator[str]:
        if self.rows.groups is None:
            return
        wanted = np.zeros(len(self.rows.groups), bool)
        wanted[items] = True
        start = 0
        for chunk in self.rows.groups.chunks:
            named = chunk.filter(pa.array(wanted[start : start + len(chunk)])).unique()
            yield from filter(None, named.to_pylist())
            start += len(chunk)

    def __call__(self, row: Any) -> Sample:
        """The sample of a row; its id has the manifest's name, the line or row, and the image's path."""
        image = self.rows.images[int(row)].as_py()
        try:
            pixels = read_image(self.root / image)
            targets = {
                name: self._target(labels, int(row), pixels.shape[:2]) for name, labels in self._labels(row).items()
            }
            for name, target in targets.items():
                if target.ndim >= 2:
                    file = self.root / self.rows.labels[name].values[int(row)].as_py()
                    require_shape(file, target.shape[-2:], image, pixels.shape[:2])
        except InputError as error:
            raise InputError(f"{self.manifest}, {self.locate(int(row))}: {error}") from None
        return {
            "image": tv_tensors.Image(torch.from_numpy(pixels.transpose(2, 0, 1))),
            "targets": targets,
            "id": f"{self.manifest.name}, {self.locate(int(row))}: {image}",
        }

    def _labels(self, row: Any) -> dict[str, Labels]:
        return {name: labels for name, labels in self.rows.labels.items() if labels.labelled[row]}

    def _target(self, labels: Labels, row: int, size: tuple[int, int]) -> Tensor:
        if isinstance(labels.column, FileColumn):
            return labels.column.read(self.root / labels.values[row].as_py())
        assert isinstance(labels.column, ValueColumn)
        return labels.column.target_in(labels.values[row], size)
