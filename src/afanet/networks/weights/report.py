"""The report on what was loaded from a file into a backbone, in a line and by module."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from afanet.errors import shown

# Tensors that a file may have or lack: a batch norm's number of batches, and tables of positions in a window.
UNCOUNTED = ("num_batches_tracked", "relative_position_index", "relative_coords_table", "attn_mask")
MOST_LAYERS = 10  # the most layers that are named in a line


@dataclass(frozen=True)
class Report:
    """What was loaded from a file into a backbone; tensors in `UNCOUNTED` are not counted.

    Attributes:
        name: the name of the backbone.
        source: the file, as the line names it.
        notes: how the file differs from what the backbone expects.
        loaded: names of the backbone's tensors that came from the file.
        missing: names of the backbone's tensors that did not.
        used: names of the file's tensors that the backbone took.
        unused: names of the file's tensors that it did not take.
    """

    name: str
    source: str
    notes: tuple[str, ...]
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    used: tuple[str, ...]
    unused: tuple[str, ...]

    @property
    def few(self) -> bool:
        """Whether fewer than half of the backbone's tensors were loaded."""
        return len(self.loaded) < len(self.missing)

    def line(self) -> str:
        """The report in one line."""
        notes = f" ({', '.join(self.notes)})" if self.notes else ""
        few = "; the file has fewer than half of them, the others start at random" if self.few else ""
        return f"{self.name}: {self.counts()} loaded from {self.source}{notes}, {self.rest()}{few}"

    def counts(self) -> str:
        """How many of the backbone's tensors were loaded, in words."""
        return f"{len(self.loaded)} of {len(self.loaded) + len(self.missing)} tensors"

    def rest(self) -> str:
        """The missing and the unused tensors, counted by layer; if only some of a layer's are, out of how many."""
        missing = Counter(map(_outermost, self.missing))
        total = missing + Counter(layer for layer in map(_outermost, self.loaded) if layer in missing)
        unused = Counter(_unused_layers(self.unused, self.used))
        return f"missing: {_listed(missing, total)}, unused: {_listed(unused, unused)}"

    def by_module(self) -> dict[str, tuple[int, int, int]]:
        """For each module, the numbers of tensors that were loaded, that are missing, and that the file has unused.

        Modules are the backbone's; unused tensors are under the file's own names.
        """
        counts = [Counter(map(module_of, names)) for names in (self.loaded, self.missing, self.unused)]
        modules = dict.fromkeys(module_of(key) for key in (*self.loaded, *self.missing))
        ordered = [*modules, *(name for name in counts[2] if name not in modules)]
        return {module: (counts[0][module], counts[1][module], counts[2][module]) for module in ordered}


def reported(
    name: str, source: str, notes: Iterable[str], own: Iterable[str], loaded: Collection[str], file: Mapping[str, bool]
) -> Report:
    """The report on a backbone with the tensors `own`, `loaded` of which come from a file.

    `file` says for each of the file's tensors whether it was used.
    """
    counted = [key for key in own if not key.endswith(UNCOUNTED)]
    theirs = {key: used for key, used in file.items() if not key.endswith(UNCOUNTED)}
    return Report(
        name,
        source,
        tuple(notes),
        tuple(key for key in counted if key in loaded),
        tuple(key for key in counted if key not in loaded),
        tuple(key for key, used in theirs.items() if used),
        tuple(key for key, used in theirs.items() if not used),
    )


def module_of(key: str) -> str:
    """The module around a tensor, down to the first number in its name.

    >>> [module_of(key) for key in ("model.blocks.3.norm1.bias", "layer1.0.conv1.weight", "stages_0.blocks.1.gamma")]
    ['blocks.3', 'layer1', 'stages_0']
    >>> module_of("pos_embed"), module_of("patch_embed.proj.bias")
    ('pos_embed', 'patch_embed')
    """
    parts = key.removeprefix("model.").split(".")
    numbered = next((i for i, part in enumerate(parts[:-1]) if re.search(r"\d", part)), 0)
    return ".".join(parts[: numbered + 1])


def plain(name: str) -> str:
    """A name from a file in a form that cannot break the line or the terminal.

    >>> plain("layer1.conv"), plain("a\\x1b[2Kb")
    ('layer1.conv', 'a\\\\x1b[2Kb')
    """
    return shown(name, 120)[1:-1]


def _outermost(key: str) -> str:
    return f"{key.removeprefix('model.').split('.')[0]}.*"


def _unused_layers(keys: Iterable[str], used: Collection[str]) -> list[str]:
    """For each of `keys`, none of which is in `used`, the outermost layer that has no tensor in `used`.

    >>> _unused_layers(["layer1.1.conv.weight", "fc.bias"], {"layer1.0.weight"})
    ['layer1.1.*', 'fc.*']
    """
    touched = {layer for key in used for layer in _layers(key)}
    return [next((f"{layer}.*" for layer in _layers(key) if layer not in touched), key) for key in keys]


def _layers(key: str) -> list[str]:
    """The layers around a tensor, the outermost first: `a` and `a.b` for `a.b.weight`."""
    return list(accumulate(key.split(".")[:-1], "{}.{}".format))


def _listed(layers: Mapping[str, int], totals: Mapping[str, int]) -> str:
    """Layers with their numbers of tensors, and with the total if these are not all."""
    parts = [
        f"{plain(layer)} ({count if count == totals[layer] else f'{count} of {totals[layer]}'})"
        for layer, count in layers.items()
    ]
    more = [f"{len(parts) - MOST_LAYERS} more layers"] if len(parts) > MOST_LAYERS else []
    return ", ".join(parts[:MOST_LAYERS] + more) or "none"
