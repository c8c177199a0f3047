"""Freezes parts of a network for some epochs, or for good, while it trains."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from afanet.errors import InputError
from afanet.networks.frozen import KeepsFrozen, keep_frozen
from afanet.networks.parts import Part, find_part
from afanet.networks.woven import Woven


class Freezing:
    """Freezes and thaws parts of a network from epoch to epoch; parts that were frozen before stay frozen.

    A frozen part is in evaluation mode, and its parameters get no gradient.

    Args:
        network: made by `create_network`.
        plan: for each part by name, after how many epochs it starts to learn; None means never.
        old: the tasks that "old" names.

    Raises:
        InputError: for a part that the network does not have, and if nothing would ever learn.

    >>> from afanet import Pooled, create_network
    >>> network = create_network("hard", {"age": Pooled(8), "gender": Pooled(2)}, "resnet18", size=(64, 64))
    >>> freezing = Freezing(network, {"backbone": 2, "task:age": None})
    >>> for epoch in range(3):
    ...     changed = freezing.apply(epoch)
    ...     print(changed, sum(p.requires_grad for p in network.parameters()))
    True 2
    False 2
    True 62
    """

    def __init__(self, network: Woven, plan: Mapping[str, int | None], old: Collection[str] = ()) -> None:
        self.network = network
        self.until = dict(plan)
        self.parts = {what: find_part(network, what, old) for what in plan}
        for what, part in self.parts.items():
            if not part.layers and not part.own:
                raise InputError(f"freeze is {what!r}, but the network has none: leave it out")
        self._learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._before = {part: part.frozen for part in network.modules() if isinstance(part, KeepsFrozen)}
        self._now: list[str] | None = None
        for_good = set(self._frozen(self._names(self.last)).parameters())
        if plan and for_good.issuperset(self._learning):
            raise InputError(f"with {', '.join(plan)} frozen, nothing of the network learns: freeze less")

    @property
    def frozen(self) -> list[str]:
        """The names of the parts that are frozen now."""
        return list(self._now or ())

    @property
    def last(self) -> int:
        """The epoch from which nothing changes any more, counted from 0."""
        return max((epochs for epochs in self.until.values() if epochs), default=0)

    def apply(self, epoch: int) -> bool:
        """Freeze the parts that the plan freezes in an epoch, counted from 0, and thaw the rest.

        Returns whether this changed anything.
        """
        names = self._names(epoch)
        if names == self._now:
            return False
        self._now = names
        self._set(self._frozen(names))
        return True

    def _set(self, frozen: Part) -> None:
        for parameter in self._learning:
            parameter.requires_grad_(True)
        for part, before in self._before.items():
            part.frozen = before
        for parameter in frozen.parameters():
            parameter.requires_grad_(False)
        keep_frozen(self.network, frozen.layers)

    def release(self) -> None:
        """Undo all freezing by the plan."""
        self._set(Part())
        self._now = None

    def _names(self, epoch: int) -> list[str]:
        return [what for what, epochs in self.until.items() if epochs is None or epoch < epochs]

    def _frozen(self, names: Collection[str]) -> Part:
        return sum((self.parts[name] for name in names), Part())
