"""A finished run on disk: its recipe, tasks and scores, its trained network, its data and its predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from afanet.data import Data
from afanet.errors import InputError
from afanet.networks import Woven
from afanet.networks.memory_format import channels_last
from afanet.recipe.code import require_code
from afanet.recipe.preprocessing import normalisation
from afanet.recipe.schema import Recipe
from afanet.runs.folder import RunFolder
from afanet.runs.saved import open_folder
from afanet.runs.setup import load_network, open_tasks
from afanet.runs.weights import read_weights
from afanet.tasks import Description, Task, read_task

if TYPE_CHECKING:
    from afanet.inference import Predictor

Scores = dict[str, dict[str, float | None]]  # by task and metric


def lacks_augmentation(results: Mapping[str, Any]) -> bool:
    """Whether a run with these results trained on cached features of images without its recipe's augmentation.

    >>> lacks_augmentation({}), lacks_augmentation({"without_augmentation": True})
    (False, True)
    """
    return bool(results.get("without_augmentation"))


@dataclass(frozen=True)
class Run:
    """A run in its folder. `load_run` reads one, and `train` and `evaluate` return one.

    Reading a run never executes anything in its folder.

    Args:
        folder: the folder of its files.
        recipe: the recipe that it was trained with.
        results: everything in its metrics.json; in a run that `evaluate` returns, its scores replace those from the
            end of training.
        opened: its data, if they are open already.
    """

    folder: RunFolder
    recipe: Recipe = field(repr=False)
    results: dict[str, Any] = field(repr=False)
    opened: Data | None = field(default=None, repr=False, compare=False)

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.folder.path

    @property
    def scores(self) -> Scores:
        """Its scores on the test split by task and metric; None if there is no score."""
        scores: Scores = self.results["tasks"]
        return scores

    @property
    def unscored(self) -> dict[str, str]:
        """By task, why it has no scores on the test split: for example, because its labels are all of one class."""
        reasons: dict[str, str] = self.results.get("unscored", {}).get("tasks", {})
        return reasons

    def score(self, task: str, metric: str) -> float | None:
        """One score on the test split; None if there is none."""
        value = self.scores.get(task, {}).get(metric)
        return None if value is None else float(value)

    @property
    def described(self) -> dict[str, Description]:
        """The descriptions of its tasks, by name; empty for a run of an older version that kept none."""
        return {name: Description.from_json(name, kept) for name, kept in self.results.get("described", {}).items()}

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """Its tasks by name, as the run's files describe them; an older run without descriptions reads its data.

        Raises `InputError` if these data cannot be read.
        """
        require_code(self.recipe)
        described = self.described
        if described and all(description.meaning for description in described.values()):
            return {name: read_task(description) for name, description in described.items()}
        try:
            return open_tasks(self.recipe)[1]
        except InputError as error:
            raise InputError(
                f"{self.path} is an older run, without the meaning of its tasks, and its data cannot be read: {error}"
            ) from None

    def weights(self) -> dict[str, Tensor]:
        """The weights that were scored, on the CPU, by their names in the network's `state_dict`.

        Raises `InputError` if the file is damaged or its weights are not finite.
        """
        return read_weights(self.folder.weights(self.recipe))

    def network(self) -> nn.Module:
        """The trained network with the weights that were scored, on the CPU, in float32 and in eval mode.

        It takes normalised images (B, C, H, W) and returns logits by task. Each call builds a new network. Raises
        `InputError` if the weights are damaged, not finite or of another network.
        """
        network = load_network(self.recipe, self.described or self.tasks, self.folder.weights(self.recipe))
        return channels_last(network).eval()  # as it was scored, to the bit

    def save_adapters(self, file: str | Path) -> None:
        """Write the adapters of a run with `network.lora`, its heads and its fusion layers to a safetensors file.

        `afanet.networks.load_adapters` reads this file. Raises `InputError` for a run without adapters.
        """
        from afanet.networks.lora.file import save_adapters

        network = self.network()
        assert isinstance(network, Woven)
        save_adapters(network, file, normalisation(self.recipe.network))

    def predictor(self, **options: Any) -> Predictor:
        """An `afanet.Predictor` for photos of any size; it takes the options, such as `flip=True`, `device="cuda"`."""
        from afanet.inference import Predictor

        return Predictor(self.path, **options)

    def data(self) -> Data:
        """The data set that the recipe names, with its splits; raises `InputError` if it cannot be read."""
        return self.open()[0] if self.opened is None else self.opened

    def open(self) -> tuple[Data, dict[str, Task]]:
        """Its data, and its tasks as the data define them; raises `InputError` if the data cannot be read."""
        return open_tasks(self.recipe, self.described)


def load_run(source: str | Path) -> Run:
    """The finished run in a run folder, in a folder that `afanet save` wrote, or at `hub:owner/name`.

    Only tensors, numbers and text are read from the folder, never code. A name on the hub is downloaded once. Raises
    `InputError` for a folder without a run, a run that has not finished, a run of a newer version, and a name that
    cannot be downloaded.

        run = afanet.load_run("runs/rooms-afa-seed0")
        run.scores["depth"]             # {"abs": 0.21, ...}
        network = run.network()         # a torch.nn.Module: images (B, C, H, W) to logits by task

    >>> load_run("runs/nowhere")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: runs/nowhere is not a run folder: it has no recipe.yaml, expected a folder that ...
    """
    folder = open_folder(source)
    if not folder.finished:
        raise InputError(f"{source} has not finished: go on with the command that began it and --resume")
    results = folder.read_results()
    if missing := [key for key in ("parameters", "flops") if key not in results]:
        raise InputError(
            f"{folder.metrics} is not what train wrote: '{missing[0]}' is missing; restore it, or remove it"
        )
    return Run(folder, folder.read_recipe(), results)


def load_begun(source: str | Path) -> Run:
    """Like `load_run`, but also loads a run that has not finished: this has its last checkpoint and no scores.

    Raises `InputError` for a folder in which no run has saved a checkpoint, and otherwise as `load_run` does.
    """
    folder = open_folder(source)
    results = folder.read_results() if folder.finished else {"tasks": {}}
    return Run(folder, folder.read_recipe(), results)
