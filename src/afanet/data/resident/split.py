"""A split in a device's memory, which gives whole batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2

from afanet.data.cache import WHOLE, Cached
from afanet.data.resident.images import coloured, on_device, zoomed
from afanet.data.resident.steps import Steps, View, steps_of
from afanet.data.resident.targets import as_seen, cut, source_pixels, whole_as_seen
from afanet.data.sample import Batch, Split
from afanet.normalisation import as_channels
from afanet.tasks import Task
from afanet.tasks.maps import Points, target_types


class Resident(Split):
    """A split whose images and maps are in a device's memory; values for the whole image are on the CPU.

    Single samples are the same as those of the split. On the CPU, the memory is that of the mapped cache files, which
    all processes of a machine share.

    Args:
        split: a split that is read from a cache.
        name: the split's name, for messages.
        tasks: the tasks for which a batch has targets.
        device: where the batches are made.

    Raises:
        InputError: for a transform that is not supported, see `Steps.read`.
    """

    def __init__(self, split: Split, name: str, tasks: Mapping[str, Task], device: torch.device) -> None:
        super().__init__(split.read, split.items, split.transform)
        self.name, self.tasks, self.device = name, dict(tasks), device
        self.cached = cast(Cached, split.read)
        self._steps: dict[tuple[int, ...], Steps] = {}
        steps = self.steps(0)
        self.size = steps.zoom.size
        self.images = torch.from_numpy(self._channels(steps.channels)).to(device)
        self.mean, self.std = (
            torch.tensor(values, device=device)[:, None, None] for values in (steps.normalise.mean, steps.normalise.std)
        )
        self.around = torch.tensor([round(255 * mean) for mean in steps.zoom.mean], device=device).float()[
            :, None, None
        ]
        types: dict[str, Any] = {"Tensor": Tensor, **target_types()}
        self.kinds = {
            task: types[self.cached.index["kinds"][task]] for task in self.tasks if task in self.cached.targets
        }
        self.values = {task: self._values(task) for task in self.kinds}

    def steps(self, number: int) -> Steps:
        """The steps of sample `number`'s transform."""
        origin = self.read.origin(self.items[number])
        if origin not in self._steps:
            self._steps[origin] = steps_of(self.transform, origin, self.name)
        return self._steps[origin]

    def batch(
        self, numbers: Sequence[int], seeds: Sequence[int] | None = None, crop: v2.RandomCrop | None = None
    ) -> Batch:
        """A batch on the device, as `Collate` makes it, of the samples with these numbers, augmented by `seeds`.

        Each sample is augmented as its own steps, and then `crop`, would do it after `torch.manual_seed(seed)`; the
        generator of the process does not change.
        """
        steps = [self.steps(number) for number in numbers]
        views = self._draw(numbers, steps, seeds, crop)
        images = coloured(zoomed(self.images, numbers, views, self.size, self.around), views)
        images = images.mul_(1 / 255).sub_(self.mean).div_(self.std)
        rows, columns = source_pixels(views, self.size)
        outside = None
        if bool((rows < 0).any() | (columns < 0).any()):  # on the CPU, so that nothing waits for the device
            outside = on_device((rows < 0)[:, :, None] | (columns < 0)[:, None, :], self.device)
            images.masked_fill_(outside[:, None], 0)
        chosen = [on_device(numbers_, self.device) for numbers_ in (torch.tensor(numbers), rows, columns)]
        part = self.size if crop is None else (int(crop.size[0]), int(crop.size[1]))
        targets = {}
        for task in self.tasks:
            if task not in self.kinds:
                targets[task] = self._absent(task, part).expand(len(numbers), *self._absent(task, part).shape)
            elif self.kinds[task].__name__ in WHOLE:
                targets[task] = self._whole(task, numbers, steps, views, part)
            else:
                maps = self._maps(task, chosen, steps, views, outside)
                targets[task] = self._labelled(task, numbers, _cropped(maps, views, part), part)
        ids = self.cached.index["ids"]
        return {"image": _cropped(images, views, part), "targets": targets, "id": [ids[number] for number in numbers]}

    def _draw(
        self,
        numbers: Sequence[int],
        steps: Sequence[Steps],
        seeds: Sequence[int] | None,
        crop: v2.RandomCrop | None,
    ) -> list[View]:
        extents = self.cached.index.get("extents")
        whole = (int(self.images.shape[1]), int(self.images.shape[2]))
        sizes = [tuple(extents[number]) if extents else whole for number in numbers]
        generator = torch.default_generator
        before, views = generator.get_state(), []
        for position, (of_sample, size) in enumerate(zip(steps, sizes, strict=True)):
            if seeds is not None:
                generator.manual_seed(seeds[position])
            views.append(of_sample.draw(size, crop))
        generator.set_state(before)
        return views

    def _maps(
        self,
        task: str,
        chosen: Sequence[Tensor],
        steps: Sequence[Steps],
        views: Sequence[View],
        outside: Tensor | None,
    ) -> Tensor:
        kind = self.kinds[task]
        maps = as_seen(cut(self.values[task], *chosen), kind, views)
        maps = self._swapped(task, maps, steps, views)
        maps = maps.long() if kind is tv_tensors.Mask else maps
        for step in steps[0].after:
            maps = step(kind(maps)).as_subclass(Tensor)
        if outside is not None:
            void = self._absent(task, self.size).to(maps.dtype)
            maps = torch.where(outside.view(len(maps), *[1] * (maps.ndim - 3), *self.size), void, maps)
        return maps

    def _whole(
        self, task: str, numbers: Sequence[int], steps: Sequence[Steps], views: Sequence[View], part: tuple[int, int]
    ) -> Tensor:
        stored, labelled = self.values[task], self.cached.index["labelled"][task]
        values = []
        for number, of_sample, view in zip(numbers, steps, views, strict=True):
            value = whole_as_seen(stored[number], self.kinds[task], of_sample, view)
            if view.mirrored and task in of_sample.swapping:
                value = of_sample.swapping[task].swapped(value)
            values.append(value if labelled[number] else self.tasks[task].unlabelled(part))
        return on_device(torch.stack(values), self.device)

    def _swapped(self, task: str, maps: Tensor, steps: Sequence[Steps], views: Sequence[View]) -> Tensor:
        wanted = [view.mirrored and task in of.swapping for view, of in zip(views, steps, strict=True)]
        if not any(wanted):
            return maps
        chosen = on_device(torch.tensor(wanted), self.device)
        return torch.where(_beside(chosen, maps), self.tasks[task].swapped(maps), maps)

    def _labelled(self, task: str, numbers: Sequence[int], maps: Tensor, part: tuple[int, int]) -> Tensor:
        labelled = [self.cached.index["labelled"][task][number] for number in numbers]
        if all(labelled):
            return maps
        chosen = on_device(torch.tensor(labelled), self.device)
        return torch.where(_beside(chosen, maps), maps, self._absent(task, part))

    def _absent(self, task: str, size: tuple[int, int]) -> Tensor:
        return on_device(self.tasks[task].unlabelled(size), self.device)

    def _channels(self, channels: int) -> Any:
        """The images, with the channels that the network takes."""
        images = self.cached.images
        if images.shape[-1] == channels:
            return images
        return np.stack([as_channels(image, channels, self.cached.index["ids"][n]) for n, image in enumerate(images)])

    def _values(self, task: str) -> Tensor:
        values, kind = torch.from_numpy(self.cached.targets[task]), self.kinds[task]
        if kind is Tensor or kind is Points:
            return values
        for step in self.steps(0).before:
            values = step(kind(values)).as_subclass(Tensor)
        return values.to(self.device)


def _beside(chosen: Tensor, maps: Tensor) -> Tensor:
    """The choice of samples in a batch, (B,), in a shape that broadcasts with `maps`."""
    return chosen.view(-1, *[1] * (maps.ndim - 1))


def _cropped(values: Tensor, views: Sequence[View], size: tuple[int, int]) -> Tensor:
    """The crop of each image or map at its view's corner."""
    if tuple(values.shape[-2:]) == size:
        return values
    corners = [view.corner for view in views]
    parts = [
        value[..., top : top + size[0], left : left + size[1]]
        for value, (top, left) in zip(values, corners, strict=True)
    ]
    return torch.stack(parts)
