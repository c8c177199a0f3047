"""The methods: each is one row that says what tasks share, in which layer branches meet, and what follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import getdoc, isclass, signature
from typing import TYPE_CHECKING

from afanet.errors import InputError, shown, unknown
from afanet.registry import Registry, imported

if TYPE_CHECKING:
    from afanet.fusion import Fusion
    from afanet.networks.backbones import Backbone
    from afanet.networks.decoders.decoder import Decoder
    from afanet.networks.woven import Woven

# The layers where branches meet, given the number of shared stages.
MEET: dict[str, Callable[[Backbone, int], list[str]]] = {
    "stages": lambda backbone, shared: backbone.stages[shared:],
    "blocks": lambda backbone, shared: [block for stage in backbone.blocks[shared:] for block in stage],
    "last_blocks": lambda backbone, shared: backbone.blocks[-1],
}


@dataclass(frozen=True)
class Method:
    """A method of multi-task learning.

    Args:
        description: one line for lists of methods.
        share: whether the tasks share the whole backbone.
        trunk: whether the tasks may share only the backbone's first stages.
        fusion: the layer in which branches meet, a class that derives from `Fusion` (or `module:attribute`, imported
            on first use). The class says where they meet, see `Fusion.meet`. None if no branches meet.
        finish: called with the woven network and an image batch's shape, it returns the final network; None for none.
        decoder: the decoder between the backbones and the heads, a class that derives from `Decoder`; None for none.
        dense: whether all tasks must be dense.
        compared: whether `afanet compare` trains the method by default.
        fusion_rate: the authors' factor on the learning rate of the fusion layers; None for the factor of the heads,
            which are trained from scratch too.
    """

    description: str
    share: bool = False
    trunk: bool = True
    fusion: type[Fusion] | str | None = None
    finish: Callable[[Woven, Sequence[int]], Woven] | str | None = None
    decoder: type[Decoder] | str | None = None
    dense: bool = False
    compared: bool = False
    fusion_rate: float | None = None

    @property
    def alone(self) -> bool:
        """Whether each task learns by itself."""
        return not self.share and self.fusion is None and self.decoder is None

    @property
    def adapters(self) -> tuple[str, ...]:
        """The ways to have adapters, the default first: one set for each task ("task"), or one for all ("shared")."""
        if not self.share:
            return ("task", "shared") if self.fusion else ("task",)
        return ("shared",) if self.finish or self.decoder else ("shared", "task")

    @property
    def layer(self) -> type[Fusion] | None:
        """The class of the layer in which branches meet."""
        layer: type[Fusion] | None = imported(self.fusion)
        return layer

    @property
    def decoding(self) -> type[Decoder] | None:
        """The class of the decoder."""
        decoder: type[Decoder] | None = imported(self.decoder)
        return decoder

    @property
    def finished(self) -> Callable[[Woven, Sequence[int]], Woven] | None:
        """`finish`, imported."""
        finish: Callable[[Woven, Sequence[int]], Woven] | None = imported(self.finish)
        return finish

    def takes(self, option: str) -> bool:
        """Whether its fusion layers have an option, such as `per_task`."""
        return self.layer is not None and option in signature(self.layer).parameters


def _read(name: str, given: object) -> Method:
    """The row for what is registered: a row, or a class that derives from `Fusion`."""
    from afanet.fusion import Fusion  # here, because help texts list the rows without importing torch

    if isinstance(given, Method):
        return given
    if not isclass(given) or not issubclass(given, Fusion):
        raise InputError(
            f"method {name!r:.120} is {shown(given)}, expected a class that derives from afanet.Fusion: write one with "
            "a method fuse(self, xs)"
        )
    if missing := sorted(getattr(given, "__abstractmethods__", ())):
        raise InputError(f"method {name!r:.120} is {given.__name__}, which lacks {', '.join(missing)}: define it")
    if given.meet not in MEET:
        raise unknown(f"meeting point {given.__name__}.meet", str(given.meet), MEET)
    return Method((getdoc(given) or given.__name__).partition("\n")[0], fusion=given)


METHODS: Registry[Method] = Registry(
    "method",
    "method",
    {
        "single": Method("every task has its own network", trunk=False, compared=True),
        "hard": Method("one backbone for all tasks, one head for each", share=True, compared=True),
        "cross_stitch": Method(
            "after each stage, one learnt weight per channel for every pair of tasks",
            fusion="afanet.fusion:CrossStitch",
            compared=True,
            fusion_rate=100,
        ),
        "nddr": Method(
            "after each stage, a 1x1 convolution over the features of all tasks",
            fusion="afanet.fusion:NDDR",
            compared=True,
            fusion_rate=100,
        ),
        "sluice": Method(
            "after each stage, one learnt weight for every pair of halves of all tasks' channels",
            fusion="afanet.fusion:Sluice",
        ),
        "mtan": Method(
            "one backbone for all tasks, and for each task its own attention to every stage",
            share=True,
            trunk=False,
            finish="afanet.networks.mtan:attend",
            compared=True,
        ),
        "mmoe": Method(
            "the backbones of all tasks are experts, and each task mixes them by a gate that looks at the image",
            trunk=False,
            decoder="afanet.networks.decoders.mmoe:MMoE",
        ),
        "cgc": Method(
            "each task mixes its own backbone with a shared one, by a gate that looks at the image",
            trunk=False,
            decoder="afanet.networks.decoders.cgc:CGC",
        ),
        "pad_net": Method(
            "one backbone for all tasks, after which each task takes gated features of the others",
            share=True,
            trunk=False,
            decoder="afanet.networks.decoders.pad_net:PADNet",
        ),
        "mti_net": Method(
            "pad_net at every scale of the backbone, from the coarsest to the finest",
            share=True,
            trunk=False,
            decoder="afanet.networks.decoders.mti_net:MTINet",
            dense=True,
        ),
        "cross_attention": Method(
            "one backbone for all tasks; at every scale each task attends to the pixels of all tasks",
            share=True,
            trunk=False,
            decoder="afanet.networks.decoders.cross_attention:CrossAttention",
            dense=True,
        ),
        "afa": Method(
            "in the last stage, gates between the tasks, by channel and then by pixel",
            fusion="afanet.fusion:AFA",
            compared=True,
        ),
        "afa_channel": Method("afa with only the gates by channel", fusion="afanet.fusion:ChannelAggregation"),
        "afa_spatial": Method("afa with only the gates by pixel", fusion="afanet.fusion:SpatialAggregation"),
    },
    _read,
)


def listed(wanted: Callable[[Method], bool] = lambda row: True) -> str:
    """The names of the package's own methods for which `wanted` is true, for a sentence.

    >>> listed(lambda row: row.share)
    'hard, mtan, pad_net, mti_net or cross_attention'
    >>> listed(lambda row: row.dense)
    'mti_net or cross_attention'
    """
    names = [name for name in METHODS.own if wanted(METHODS[name])]
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def compared() -> list[str]:
    """The methods that are compared by default.

    >>> compared()
    ['single', 'hard', 'cross_stitch', 'nddr', 'mtan', 'afa']
    """
    return [name for name in METHODS.own if METHODS[name].compared]


def register_method(name: str, given: type[Fusion] | Method) -> None:
    """Add a method that recipes and `create_network` can use in this process.

    Args:
        name: a new name of letters, digits and _.
        given: the layer in which branches meet, a class that derives from :class:`~afanet.fusion.Fusion`; or a row.

    Raises:
        InputError: for a name of the package's own methods, and for anything but such a class or row.

    >>> from afanet import Fusion
    >>> class Mean(Fusion):
    ...     "Every task gets the mean of all."
    ...     def fuse(self, xs):
    ...         return [sum(xs) / len(xs)] * len(xs)
    >>> register_method("mean", Mean)
    >>> METHODS["mean"].description
    'Every task gets the mean of all.'
    """
    METHODS.register(name, given)
