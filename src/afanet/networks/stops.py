"""A stop of branches that run by themselves: they hand in their outputs, and get them back fused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from afanet.networks.contents import pick, replaced, sizes_in
from afanet.networks.layout import Layout, where_of
from afanet.networks.meetings import Meeting

Grids = Mapping[str, Sequence[int]]  # the (H, W) of one branch's maps, by layer


@dataclass(frozen=True)
class Stop:
    """A point in every branch, and the tensors that meet there."""

    layers: Mapping[str, str]  # by task
    meetings: Sequence[Meeting]

    def meet(self, network: nn.Module, outputs: Mapping[str, Any], grids: Mapping[str, Grids]) -> dict[str, Any]:
        """The outputs of the layers, by task, with fused features; `grids` has the current (H, W) of branches' maps."""
        fused: dict[str, dict[Any, Tensor]] = {task: {} for task in outputs}
        for meeting in self.meetings:
            features = {task: pick(outputs[task], meeting.key) for task in meeting.layouts}
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
                if task in meeting.readers:
                    prefix = together[len(entered) + i] if len(given) == 2 else None
                    fused[task][meeting.key] = layout.leave(together[i], features[task], prefix)
        return {task: replaced(output, fused[task]) if fused[task] else output for task, output in outputs.items()}

    @property
    def maps(self) -> dict[str, set[str]]:
        """For each task, the layers whose (H, W) are needed here."""
        return {
            task: {
                layout.grid_of
                for layout in (meeting.layouts[task] for meeting in self.meetings if task in meeting.layouts)
                if isinstance(layout.grid_of, str)
            }
            for task in self.layers
        }


def grid_at(args: Sequence[Any], keywords: Mapping[str, Any], output: Any) -> Sequence[int]:
    """The (H, W) of a layer's map; if its output is not a map, every (H, W) among its arguments, in one row."""
    if isinstance(output, Tensor) and output.dim() == 4:
        return output.shape[2:]
    return [number for size in sizes_in([*args, *keywords.values()]) for number in size]


def _grid(layout: Layout, output: Any, grids: Grids) -> Any:
    if isinstance(layout.grid_of, str):
        return grids.get(layout.grid_of)
    return None if layout.grid_of is None else output[layout.grid_of]
