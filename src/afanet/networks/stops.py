"""What happens where branches that run by themselves meet: their outputs go in, and come back fused."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from afanet.networks.compose import Meeting
from afanet.networks.layout import Layout, keys_of, pick, where_of

Grids = Mapping[str, Sequence[int]]  # the (H, W) of maps of one branch, by layer


@dataclass(frozen=True)
class Stop:
    """A point of every branch, and the tensors that meet there."""

    layers: Mapping[str, str]  # by task
    meetings: Sequence[Meeting]

    def meet(self, network: nn.Module, outputs: Mapping[str, Any], grids: Mapping[str, Grids]) -> dict[str, Any]:
        """The outputs of the layers, by task, with fused features; `grids` has what each branch's maps are now."""
        fused: dict[str, dict[Any, Tensor]] = {task: {} for task in outputs}
        for meeting in self.meetings:
            features = {task: pick(output, meeting.key) for task, output in outputs.items()}
            entered = []
            for task, layout in meeting.layouts.items():
                now = _grid(layout, outputs[task], {**grids[next(iter(grids))], **grids[task]})  # a trunk runs once
                entered.append(layout.enter(features[task], now, where_of(task, self.layers[task])))
            layer = network.get_submodule(f"fusion.{meeting.name}")
            given = [entered]
            if meeting.takes_prefix(layer):
                given.append([layout.enter_prefix(features[task]) for task, layout in meeting.layouts.items()])
            together = layer(*given)
            for i, (task, layout) in enumerate(meeting.layouts.items()):
                prefix = together[len(entered) + i] if len(given) == 2 else None
                fused[task][meeting.key] = layout.leave(together[i], features[task], prefix)
        return {task: _replaced(output, fused[task]) for task, output in outputs.items()}

    @property
    def maps(self) -> dict[str, set[str]]:
        """By task, the layers whose (H, W) are needed here."""
        return {
            task: {
                layout.grid_of
                for layout in (meeting.layouts[task] for meeting in self.meetings)
                if isinstance(layout.grid_of, str)
            }
            for task in self.layers
        }


def _grid(layout: Layout, output: Any, grids: Grids) -> Sequence[int] | None:
    if isinstance(layout.grid_of, str):
        return grids.get(layout.grid_of)
    return None if layout.grid_of is None else output[layout.grid_of]


def _replaced(output: Any, fused: Mapping[Any, Tensor]) -> Any:
    """A layer's output with fused features in place of its own; what it holds beside them passes unchanged."""
    if None in fused:
        return fused[None]
    if isinstance(output, Mapping):
        whole: Any = copy.copy(output)
        for key, features in fused.items():
            whole[key] = features
        return whole
    items = [fused.get(key, output[key]) for key in keys_of(output)]
    return type(output)(*items) if hasattr(output, "_fields") else type(output)(items)
