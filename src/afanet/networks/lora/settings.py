"""The settings of adapters: their rank, whether tasks share them, and on which layers they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from afanet.errors import InputError, shown, unknown
from afanet.limits import MOST_SIDE
from afanet.networks.methods import Method, listed

BY = ("task", "shared")
WHERE = {"attention": "those of its attentions", "all": "its linear layers and 1x1 convolutions"}


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters on a frozen backbone: a layer's weight W becomes W + BA, where B starts at zero.

    Args:
        rank: the number of columns of B and rows of A; a layer with n inputs and m outputs trains rank x (n + m)
            values.
        by: "task" for a set of adapters for each task, "shared" for one set for all. None means the method's default:
            shared if one backbone serves all tasks, else by task.
        where: "attention", the projections around each attention, or "all", every linear layer and 1x1 convolution.

    Raises:
        InputError: for any other value.
    """

    rank: int = 16
    by: str | None = None
    where: str = "attention"

    def __post_init__(self) -> None:
        if not isinstance(self.rank, int) or isinstance(self.rank, bool) or not 0 < self.rank <= MOST_SIDE:
            raise InputError(f"lora rank is {shown(self.rank)}, expected a whole number from 1 to {MOST_SIDE:,}")
        for key, value, known in (("by", self.by, BY), ("where", self.where, tuple(WHERE))):
            if value not in known and not (key == "by" and value is None):
                raise unknown(f"lora {key}", str(value), known)


@dataclass(frozen=True)
class Adapters:
    """The adapters of a network, and the name of their backbone; see `Lora`."""

    backbone: str
    rank: int
    by: str
    where: str


def read_lora(
    lora: Lora | Mapping[str, Any], backbone: str, method: str, row: Method, trunk: int | None = None
) -> Adapters:
    """The adapters of a network with this method; raises `InputError` for adapters that it cannot have.

    Tasks that share only the first stages (`trunk`) have their own adapters by default.

    >>> from afanet.networks.methods import METHODS
    >>> read_lora({"rank": 4}, "vit_small_patch16_224", "hard", METHODS["hard"])
    Adapters(backbone='vit_small_patch16_224', rank=4, by='shared', where='attention')
    """
    if isinstance(lora, Mapping):
        known = [field.name for field in fields(Lora)]
        for key in lora:
            if key not in known:
                raise unknown("key of lora", str(key), known)
        lora = Lora(**lora)
    if not isinstance(lora, Lora):
        raise InputError(f"lora is {shown(lora)}, expected a mapping such as {{'rank': 16, 'by': 'task'}}")
    by = lora.by or ("task" if trunk else row.adapters[0])
    if by not in row.adapters:
        able = listed(lambda other: by in other.adapters)
        raise InputError(
            f"method '{method}' cannot have adapters by {by!r}, expected lora.by {row.adapters[0]}: leave it out, or "
            f"choose {able}"
        )
    return Adapters(backbone, lora.rank, by, lora.where)
