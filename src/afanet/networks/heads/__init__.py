"""The heads, from a backbone's stages to one task's output: one file and one row for each kind of head."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import isclass
from typing import TYPE_CHECKING

from afanet.errors import InputError, shown, unknown
from afanet.registry import Registry

if TYPE_CHECKING:
    from afanet.networks.heads.head import Head

Forms = Mapping[str, "type[Head] | str"]  # the classes of one head, by output
OUTPUTS = ("dense", "pooled")
RENAMED = {"deeplab": "deeplabv3plus"}  # earlier names that recipes and runs may still use


def _read(name: str, given: object) -> Forms:
    from afanet.networks.heads.head import Head  # here, because help texts list the rows without importing torch

    if not isclass(given) or not issubclass(given, Head):
        raise InputError(f"head {name!r:.120} is {shown(given)}, expected a class that derives from afanet.Head")
    if missing := sorted(getattr(given, "__abstractmethods__", ())):
        raise InputError(f"head {name!r:.120} is {given.__name__}, which lacks {', '.join(missing)}: define it")
    if (output := getattr(given, "output", None)) not in OUTPUTS:
        raise unknown(f"output of head {given.__name__}", str(output), OUTPUTS)
    return {output: given}


_ROWS: dict[str, Forms] = {
    "deeplabv3plus": {"dense": "afanet.networks.heads.deeplabv3plus:DeepLabV3Plus"},
    "dpt": {"dense": "afanet.networks.heads.dpt:DPT"},
    "mlp": {"dense": "afanet.networks.heads.mlp:MLP"},
    "mlp64": {"dense": "afanet.networks.heads.mlp:MLP64"},
    "fpn": {"dense": "afanet.networks.heads.fpn:FPN"},
    "linear": {
        "dense": "afanet.networks.heads.linear:DenseLinear",
        "pooled": "afanet.networks.heads.linear:PooledLinear",
    },
}
HEADS: Registry[Forms] = Registry(
    "head", "head", _ROWS | {earlier: _ROWS[name] for earlier, name in RENAMED.items()}, _read
)


def listed(output: str) -> str:
    """The names of the package's own heads that can give this output, for a sentence.

    >>> listed("dense")
    'deeplabv3plus, dpt, mlp, mlp64, fpn or linear'
    """
    names = [name for name in HEADS.own if name not in RENAMED and output in HEADS[name]]
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def described() -> str:
    """The package's own heads by output, for a sentence.

    >>> described()
    'deeplabv3plus, dpt, mlp, mlp64, fpn or linear for dense outputs, linear for pooled ones'
    """
    return f"{listed('dense')} for dense outputs, {listed('pooled')} for pooled ones"


def register_head(name: str, given: type[Head]) -> None:
    """Add a head that recipes and `create_network` can use in this process.

    Args:
        name: a new name of letters, digits and _.
        given: a class that derives from :class:`~afanet.networks.Head`.

    Raises:
        InputError: for a name of the package's own heads, and for anything but such a class.

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
    >>> "largest" in HEADS
    True
    """
    HEADS.register(name, given)
