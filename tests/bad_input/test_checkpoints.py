"""A run goes on from the state that it wrote, and from no other: every other is refused by the checkpoint's name."""

from __future__ import annotations

import copy
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from afanet.errors import InputError
from afanet.recipe.schema import Recipe
from afanet.runs.checkpoint import read_checkpoint
from afanet.training.epoch_losses import EpochLosses
from afanet.training.learner import Learner
from afanet.training.run import train
from afanet.training.state import check_training, load_training

from ..small import TinyNetwork, make_small
from .mutations import ODD, mutate, paths, refusal

Resume = Callable[[Any], str | None]
CHANGES: list[Callable[[Tensor], Tensor]] = [
    lambda t: t.to(torch.int32), lambda t: t.half(), lambda t: t.to(torch.complex64), lambda t: t.to("meta"),
    lambda t: t.to_sparse() if t.ndim else t.to("meta"), lambda t: t.reshape(-1)[:0], lambda t: t[None],
    lambda t: torch.full(t.shape, torch.nan), lambda t: torch.zeros(1).expand(10**9), lambda t: t.bool(),
]  # fmt: skip


@pytest.fixture(scope="module", params=[("adamw", "dwa"), ("sgd", "famo"), ("adam", "uw")], ids=lambda pair: pair[1])
def stopped(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Learner]:
    """The folder of a run of two steps, and a learner that could go on from it."""
    name, balancing = request.param
    keys = {"optimizer.name": name, "balancing.name": balancing, "optimizer.ema": 0.9, "epochs": 1}
    recipe = make_small(**keys, keep_optimizer=True)
    kept: list[Learner] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("afanet.runs.setup.create_network", lambda method, outputs, *a, **o: TinyNetwork(outputs))
        made = Learner.__init__
        patch.setattr(Learner, "__init__", lambda self, *a: (made(self, *a), kept.append(self))[0])
        run = train(recipe, tmp_path_factory.mktemp("stopped") / "run")
    return run.path, kept[0]


@pytest.fixture
def resume(stopped: tuple[Path, Learner], tmp_path: Path) -> Resume:
    """The refusal of a learner to go on from a changed checkpoint, None where it does."""
    _, learner = stopped
    file = tmp_path / "last.ckpt"

    def go_on() -> None:
        training = check_training(file, read_checkpoint(file))
        load_training(file, training, learner, EpochLosses(len(learner.tasks), torch.device("cpu")))

    def attempt(saved: Any) -> str | None:
        torch.save(saved, file)
        said = refusal(go_on)
        assert said is None or str(file) in said
        return said

    return attempt


def saved_by(stopped: tuple[Path, Learner]) -> dict[str, Any]:
    return read_checkpoint(stopped[0] / "last.ckpt")


def test_what_the_run_wrote_is_taken(stopped: tuple[Path, Learner], resume: Resume) -> None:
    assert resume(saved_by(stopped) | {"of a later version": 1}) is None


def test_after_the_last_step_nobody_needs_what_the_optimiser_learnt(
    stopped: tuple[Path, Learner], resume: Resume
) -> None:
    saved = saved_by(stopped)
    saved["training"]["learner"]["optimizer"]["state"] = {}
    assert resume(saved) is None


def test_a_change_anywhere_is_refused_or_bears_no_harm(stopped: tuple[Path, Learner], resume: Resume) -> None:
    odd = [value for value in ODD if value != 10**400] + [torch.zeros(2), torch.zeros(2, 2, device="meta")]
    whole = saved_by(stopped)
    for seed in range(150):
        resume(mutate(whole, seed, odd))


def test_another_tensor_anywhere_is_refused(stopped: tuple[Path, Learner], resume: Resume) -> None:
    whole = saved_by(stopped)
    tensors = [path for path in paths(whole["training"]["learner"]) if isinstance(at(whole, path), Tensor)]
    rng = random.Random(0)
    for _ in range(60):
        changed, (*above, key) = copy.deepcopy(whole), rng.choice(tensors)
        tensor, change = at(changed, (*above, key)), rng.choice(CHANGES)
        at(changed, tuple(above))[key] = change(tensor)
        said = resume(changed)
        if tensor.is_floating_point() and "balancing" not in above:
            assert said is not None, (above, key, change)


def at(saved: dict[str, Any], path: tuple[Any, ...]) -> Any:
    value = saved["training"]["learner"]
    for key in path:
        value = value[key]
    return value


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda training: training.clear(), "it has only weights, like best.ckpt, and no state to resume from"),
        (lambda training: training.pop("threads"), "'threads' is missing"),
        (lambda training: training.update(threads=0), "'threads' is 0, which should be greater than or equal to 1"),
        (lambda training: training.update(learner="x"), "'learner' is 'x'"),
        (lambda training: training["learner"].update(step=10**6), "it is from step 1000000 of 2"),
        (lambda training: training["learner"].pop("optimizer"), "'learner.optimizer' is missing"),
        (lambda training: training["learner"].update(step=1, optimizer={"state": {}}), "optimiser has no state"),
        (lambda training: training["learner"]["optimizer"]["state"].update({99: {}}), "it has parameter 99, expected"),
        (lambda training: training["learner"]["balancing"].update(methods=[([5], [])]), "the tasks [5], expected some"),
        (lambda training: training["learner"]["network"].popitem(), "its network does not fit this network: 1 tensors"),
        (
            lambda training: training.update(label_counts={"depth": [-1]}),
            "'label_counts.depth.0' is -1, which",
        ),
        (lambda training: training["selection"].update(first={"x": 1.0}), "it has scores of 'x', which is no task"),
    ],
)
def test_the_fault_is_named(
    change: Callable[[Any], Any], message: str, stopped: tuple[Path, Learner], resume: Resume
) -> None:
    changed = copy.deepcopy(saved_by(stopped))
    change(changed["training"])
    assert message in str(resume(changed))


@pytest.mark.usefixtures("tiny")
def test_a_refused_run_is_left_as_it_was(small: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe, folder = small(epochs=1), tmp_path / "run"
    train(recipe, folder)
    (folder / "metrics.json").unlink()  # else there would be nothing to train
    saved = read_checkpoint(folder / "last.ckpt")
    torch.save({"state_dict": saved["state_dict"], "training": {}}, folder / "best.ckpt")
    shutil.copy(folder / "best.ckpt", folder / "last.ckpt")
    before = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    with pytest.raises(InputError, match=r"last\.ckpt is not what train wrote: it has only weights"):
        train(recipe, folder, resume=True)
    assert {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()} == before
