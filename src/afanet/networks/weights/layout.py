"""A layout: how others name the tensors of their networks, with rules that rename to timm's names.

A layout may also rename to the names of a network's first authors, where timm's own converter knows these.
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
        name: as reports call it.
        first: a pattern for the name of a tensor of the stem; what is before it is before all names.
        also: a pattern for a part of another name, which tells this layout from others with such a stem.
        rules: patterns and what replaces them, applied to each name in order.
        finish: what is done to the renamed tensors.
        in_order: whether modules correspond by their order instead, so that rules need not name them.
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
        """What is before the names of each network of this layout, empty where `names` have none."""
        if not any(re.search(self.also, name) for name in names):
            return []
        pattern = re.compile(rf"(.*?\.|){self.first}")
        return list(dict.fromkeys(match[1] for name in names if (match := pattern.fullmatch(name))))

    def rename(self, state: Tensors) -> Tensors:
        """The tensors, without what was before their names, as timm or the first authors name them."""
        return self.finish({self._renamed(name): tensor for name, tensor in state.items()})

    def _renamed(self, name: str) -> str:
        for pattern, replacement in self.rules:
            name = re.sub(pattern, replacement, name)
        return name
