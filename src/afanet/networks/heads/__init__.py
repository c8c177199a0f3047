"""The heads: one file and one row for each kind of head from a backbone's stages to one task's output."""

from __future__ import annotations

from inspect import isclass
from typing import TYPE_CHECKING

from afanet.errors import InputError, shown, unknown
from afanet.registry import Registry

if TYPE_CHECKING:
    from afanet.networks.heads.head import Head

DEFAULT = {"dense": "deeplab", "pooled": "linear"}  # by output


def _read(name: str, given: object) -> type[Head]:
    from afanet.networks.heads.head import Head  # here, for help texts list the rows without torch

    if not isclass(given) or not issubclass(given, Head):
        raise InputError(f"head {name!r:.120} is {shown(given)}, expected a class that derives from afanet.Head")
    if missing := sorted(getattr(given, "__abstractmethods__", ())):
        raise InputError(f"head {name!r:.120} is {given.__name__}, which lacks {', '.join(missing)}: define it")
    if (output := getattr(given, "output", None)) not in DEFAULT:
        raise unknown(f"output of head {given.__name__}", str(output), DEFAULT)
    return given


HEADS: Registry[type[Head]] = Registry(
    "head",
    "head",
    {
        "deeplab": "afanet.networks.heads.deeplab:DenseHead",
        "linear": "afanet.networks.heads.linear:PooledHead",
    },
    _read,
)


def register_head(name: str, given: type[Head]) -> None:
    """Add a head to those that recipes and `create_network` know, in this process.

    Args:
        name: a new word of letters, digits and _.
        given: a class that derives from :class:`~afanet.networks.Head`.

    Raises:
        InputError: for a name of the package's own, and for anything else than such a class.

    >>> from afanet import Head
    >>> from torch import nn
    >>> class Largest(Head):
    ...     output = "pooled"
    ...     def __init__(self, stages, outputs):
    ...         super().__init__()
    ...         self.logits = nn.Linear(stages[-1].channels, outputs)
    ...     def forward(self, features, size):
    ...         return self.logits(features[-1].amax((2, 3)))
    >>> register_head("largest", Largest)
    >>> list(HEADS)
    ['deeplab', 'linear', 'largest']
    """
    HEADS.register(name, given)
