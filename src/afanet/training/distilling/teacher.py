"""A teacher: the network of a finished run, which answers for the images that a student trains on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from afanet.errors import InputError, shown
from afanet.json_text import to_json
from afanet.networks import Woven
from afanet.normalisation import Normalisation
from afanet.paths import is_on_hub, near
from afanet.recipe.preprocessing import normalisation
from afanet.runs.run import Run, load_run
from afanet.tasks import DenseTask, Task
from afanet.training.distilling.attention import attention, head_inputs

SAME = ("classes", "labels", "names", "unit")  # keys that the meanings of teacher and student must share


class Answer(NamedTuple):
    """A teacher's answer, by task: estimates (see `Task.estimate`), float32, and the attention of its features."""

    estimates: dict[str, Tensor]
    attention: dict[str, Tensor]


class Teacher:
    """A finished run that teaches some of the tasks of another.

    Its network sees each view of the student at the scale that it was trained at, with its own normalisation.

    Args:
        source: a run folder, a folder that `afanet save` wrote, or `hub:OWNER/NAME`.
        tasks: the student's tasks.
        channels: the channels of the student's images.

    Attributes:
        name: the source as a person would write it.
        tasks: the names of the tasks that the teacher teaches.
        digest: a hash of its weights, and of everything else that decides its answers.

    Raises:
        InputError: for a source that is not a finished run, has none of the tasks, means something else by one of them,
            or takes images with other channels.
    """

    def __init__(self, source: str, tasks: Mapping[str, Task], channels: int) -> None:
        self.name = near(source)
        run = load_run(source)
        self.tasks = [name for name in run.tasks if name in tasks]
        if not self.tasks:
            raise InputError(
                f"{self.name} has the tasks {', '.join(run.tasks)}, but none of {', '.join(tasks)}: name a run that "
                "has one of them, or rename its tasks with `afanet tasks`"
            )
        for name in self.tasks:
            _require_same(self.name, tasks[name], run.tasks[name])
        self.normalisation = normalisation(run.recipe.network)
        if self.normalisation.channels != channels:
            raise InputError(
                f"{self.name} takes images of {self.normalisation.channels} channels, but this recipe has {channels}: "
                "choose a teacher with the same channels"
            )
        self.size = run.recipe.data.size
        self.own = {name: run.tasks[name] for name in self.tasks}
        self.digest = _digest(run)
        self.network = cast(Woven, run.network()).requires_grad_(False)

    @property
    def title(self) -> str:
        """The name without folders of this machine."""
        return self.name if is_on_hub(self.name) else self.name.rstrip("/").rpartition("/")[2]

    def answer(
        self, images: Tensor, taken: Normalisation, size: tuple[int, int], outside: Tensor | None = None
    ) -> Answer:
        """The answer for images (B, C, H, W) of a student.

        Args:
            images: as the student takes them, normalised by `taken`.
            taken: the student's normalisation.
            size: height and width of the student's whole images, of which `images` may be crops.
            outside: where the images are padded, (B, H, W) bool; None for nowhere.
        """
        view = images if taken == self.normalisation else _converted(images, taken, self.normalisation)
        view = view if outside is None else view.masked_fill(outside[:, None], 0)
        window = (images.shape[-2], images.shape[-1])
        own = (round(window[0] * self.size[0] / size[0]), round(window[1] * self.size[1] / size[1]))
        view = _resized(view, own).contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), head_inputs(self.network, self.tasks) as features:
            logits = self.network(view, tasks=self.tasks)
            estimates = {name: task.estimate(logits[name]).float() for name, task in self.own.items()}
        resized = {
            name: _resized(estimate, window) if isinstance(self.own[name], DenseTask) else estimate
            for name, estimate in estimates.items()
        }
        return Answer(resized, {name: attention(of_task) for name, of_task in features.items()})


def read_teachers(sources: Sequence[str], tasks: Mapping[str, Task], channels: int) -> list[Teacher]:
    """The teachers that a recipe names; raises `InputError` as `Teacher` does, and if two teach one task."""
    teachers: list[Teacher] = []
    for source in sources:
        teacher = Teacher(source, tasks, channels)
        for other in teachers:
            if both := [name for name in teacher.tasks if name in other.tasks]:
                raise InputError(
                    f"task '{both[0]}' is in {other.name} and in {teacher.name}, expected one teacher for each task: "
                    "leave one of them out"
                )
        teachers.append(teacher)
    return teachers


def _require_same(name: str, ours: Task, theirs: Task) -> None:
    """Raise `InputError` if a teacher's task is not the same as the student's."""
    if not ours.teachable:
        raise InputError(
            f"task '{ours.name}' is of kind '{ours.kind}', which does not say how it learns from a teacher: give the "
            f"kind a method `taught`, or leave {name} out of distill"
        )
    for key in ("kind", *SAME):
        here, there = ours.meaning.get(key), theirs.meaning.get(key)
        if here != there:
            raise InputError(
                f"the teacher {name} has task '{ours.name}' with the {key} {shown(there, 120)}, but here its {key} is "
                f"{shown(here, 120)}: choose a teacher with the same {key}"
            )


def _digest(run: Run) -> str:
    """A hash of a network's weights and layers, its input images, and the meanings of its tasks."""
    recipe, taken = run.recipe, normalisation(run.recipe.network)
    described = {
        "images": [recipe.data.size, taken.mean, taken.std],
        "network": recipe.network.model_dump(mode="json", exclude={"weights"}),
        "meanings": {name: task.meaning for name, task in run.tasks.items()},
    }
    digest = blake2b(to_json(described, sort_keys=True).encode(), digest_size=16)
    for name, tensor in sorted(run.weights().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes() if tensor.ndim else repr(tensor).encode())
    return digest.hexdigest()


def _converted(images: Tensor, before: Normalisation, after: Normalisation) -> Tensor:
    """Images under another normalisation."""
    mean, std, new_mean, new_std = (
        torch.tensor(values, device=images.device).view(-1, 1, 1)
        for values in (before.mean, before.std, after.mean, after.std)
    )
    return images * (std / new_std) + (mean - new_mean) / new_std


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    if (images.shape[-2], images.shape[-1]) == size:
        return images
    return F.interpolate(images, size, mode="bilinear", antialias=True)
