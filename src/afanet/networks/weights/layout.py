"""A layout: how other packages name the tensors of their networks, with rules that rename to timm's names.

A layout may also rename to the names of a network's first authors, if timm's own converter knows these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

Tensors = dict[str, Tensor]


def _same(state: Tensors) -> Tensors:
    return state


@dataclass(frozen=True)
class KeyLayout:
    """How the tensors of a family of networks are named.

    Attributes:
        name: the layout's name in reports.
        first: a pattern for the name of a tensor in the stem; the text before the match is the prefix of all names.
        also: a pattern for part of another name, which distinguishes this layout from others with such a stem.
        rules: patterns and their replacements, applied to each name in order.
        finish: a function that is applied to the renamed tensors.
        in_order: whether modules correspond by their order, so that no rules are needed.
        of_imagenet: whether all of the authors' weights were trained on images normalised by ImageNet's numbers.
    """

    name: str
    first: str
    also: str
    rules: tuple[tuple[str, str], ...] = ()
    finish: Callable[[Tensors], Tensors] = _same
    in_order: bool = False
    of_imagenet: bool = False

    def prefixes(self, names: Mapping[str, object]) -> list[str]:
        """The prefix of the names of each network with this layout; empty if `names` have none."""
        if not any(re.search(self.also, name) for name in names):
            return []
        pattern = re.compile(rf"(.*?\.|){self.first}")
        return list(dict.fromkeys(match[1] for name in names if (match := pattern.fullmatch(name))))

    def rename(self, state: Tensors) -> Tensors:
        """The tensors (without the prefix of their names) under the names of timm or of the first authors."""
        return self.finish({self._renamed(name): tensor for name, tensor in state.items()})

    def _renamed(self, name: str) -> str:
        for pattern, replacement in self.rules:
            name = re.sub(pattern, replacement, name)
        return name
