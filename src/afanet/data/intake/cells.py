"""The cells of one column by image, kept as Arrow strings, which take only a few bytes per image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


class Cells(Mapping[str, str]):
    """Cells by image, without empty ones.

    Args:
        rows: the place of every image in `texts`.
        texts: a string for each image, "" if its cell is empty.

    >>> cells = Cells({"a.jpg": 0, "b.jpg": 1}, pa.array(["cat", ""]))
    >>> dict(cells), cells.get("b.jpg"), len(cells)
    ({'a.jpg': 'cat'}, None, 1)
    """

    def __init__(self, rows: Mapping[str, int], texts: pa.Array):
        self.rows = rows
        self.texts = texts
        self.filled: NDArray[np.bool_] = pc.not_equal(texts, "").to_numpy(zero_copy_only=False)

    def __getitem__(self, image: str) -> str:
        row = self.rows[image]
        if not self.filled[row]:
            raise KeyError(image)
        text: str = self.texts[row].as_py()
        return text

    def __contains__(self, image: object) -> bool:
        row = self.rows.get(image) if isinstance(image, str) else None
        return row is not None and bool(self.filled[row])

    def __iter__(self) -> Iterator[str]:
        return (image for image, row in self.rows.items() if self.filled[row])

    def __len__(self) -> int:
        return int(self.filled.sum())

    def counts(self) -> Counter[str]:
        """How many images have each text, including ""."""
        counted = pc.value_counts(self.texts)
        return Counter(dict(zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True)))

    def mapped(self, change: Callable[[str], str]) -> Cells:
        """The cells with every text changed: `change` is called once for each."""
        encoded = self.texts.dictionary_encode()
        texts = pa.array([change(text) for text in encoded.dictionary.to_pylist()], pa.string())
        return Cells(self.rows, texts.take(encoded.indices))
