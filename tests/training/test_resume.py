"""A run that was killed goes on to the same end, bit for bit."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from afanet.cli import main
from afanet.comparison.plan import Planned, complete
from afanet.errors import InputError
from afanet.recipe.schema import Recipe
from afanet.runs.checkpoint import read_checkpoint
from afanet.runs.folder import RunFolder
from afanet.training.learner import Learner
from afanet.training.run import train


class KilledError(Exception):
    """In place of a signal."""


def kill_before(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    learn = Learner.learn

    def until(self: Learner, *arguments: Any) -> Any:
        if self.step == step:
            raise KilledError
        return learn(self, *arguments)

    monkeypatch.setattr(Learner, "learn", until)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(folder / "last.ckpt")["state_dict"]


def same(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return list(first) == list(second) and all(torch.equal(first[key], second[key]) for key in first)


def losses(folder: Path) -> list[list[str]]:
    rows = [line.split(",") for line in (folder / "log.csv").read_text().splitlines()]
    timed = rows[0].index("seconds")
    return [[value for place, value in enumerate(row) if place != timed] for row in rows]


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sgd, averaged, accumulated": {
        "optimizer.name": "sgd", "optimizer.ema": 0.9, "optimizer.accumulate": 2, "batch_size": 2
    },
    "workers": {"workers": 1},
    "sgd without momentum, clipped, dwa": {
        "optimizer.name": "sgd", "optimizer.momentum": 0, "optimizer.clip": 0.1, "balancing.name": "dwa", "epochs": 4
    },
    "random weights": {"balancing.name": "random-loss"},
    "thawing": {
        "network.freeze": {"backbone": 1, "task:depth": 2}, "optimizer.rates": {"task:depth": 0.5, "fusion": 3},
        "optimizer.ema": 0.9, "epochs": 3, "batch_size": 8,
    },
    "famo": {"balancing.name": "famo"},
    "uw": {"balancing.name": "uw"},
    "nash": {"balancing.name": "nash-mtl"},
    "balanced and sampled": {
        "losses": {"segmentation": {"class_weights": "balanced", "name": "ce_dice"}},
        "sampler.tasks": ["segmentation", "depth"],
    },
}  # fmt: skip


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_run_that_was_killed_at_any_step_ends_as_if_it_had_not_been(
    variant: str, small: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path / "cache"))
    options = {"checkpoint_every": 1, "data.options.train_scenes": 9, "epochs": 2} | VARIANTS[variant]
    whole = train(small(**options), tmp_path / "whole")
    for step in range(1, whole.results["steps"]):
        folder = tmp_path / f"killed before step {step}"
        with monkeypatch.context() as patch:
            kill_before(patch, step)
            with pytest.raises(KilledError):
                train(small(**options), folder)
        torch.rand(7)
        resumed = train(small(**options), folder, resume=True)
        assert same(tmp_path / "whole", folder)
        assert resumed.results["tasks"] == whole.results["tasks"]
        assert losses(folder) == losses(tmp_path / "whole")


@pytest.mark.usefixtures("tiny")
def test_a_run_that_is_finished_resumes_to_the_same_figures(recipe: Recipe, tmp_path: Path) -> None:
    before = train(recipe, tmp_path / "run")
    assert train(recipe, tmp_path / "run", resume=True).results["tasks"] == before.results["tasks"]


@pytest.mark.usefixtures("tiny")
def test_nothing_to_resume_is_a_new_run(recipe: Recipe, tmp_path: Path) -> None:
    assert train(recipe, tmp_path / "run", resume=True).results["steps"] == 4


@pytest.mark.usefixtures("tiny")
def test_another_recipe_is_refused(small: Callable[..., Recipe], tmp_path: Path) -> None:
    train(small(), tmp_path / "run")
    with pytest.raises(InputError, match=r"has optimizer.lr 0.001, but now it is 0.5: to resume, give the same"):
        train(small(**{"optimizer.lr": 0.5}), tmp_path / "run", resume=True)


@pytest.mark.usefixtures("tiny")
def test_a_run_of_a_version_without_scales_goes_on_as_it_began(
    small: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, folder = small(**{"balancing.name": "mgda"}), tmp_path / "run"
    with monkeypatch.context() as patch:
        kill_before(patch, 3)
        with pytest.raises(KilledError):
            train(small(**{"balancing.name": "mgda", "balancing.scale": "paper"}), folder)
    text = (folder / "recipe.yaml").read_text()
    (folder / "recipe.yaml").write_text(text.replace("  scale: paper\n", "").replace("  weights: {}\n", ""))
    saved = torch.load(folder / "last.ckpt", weights_only=True)
    del saved["training"]["learner"]["balancing"]["scale"], saved["training"]["learner"]["skipped_in_a_row"]
    torch.save(saved, folder / "last.ckpt")
    with pytest.raises(InputError, match=r"which trained by 'paper', .* give --balancing.scale paper"):
        complete([Planned(recipe, RunFolder(folder))])
    assert train(recipe, folder, resume=True).recipe.balancing.scale == "paper"
    assert "is from a version without balancing.scale: it goes on with 'paper', not 'equal'" in capsys.readouterr().err
    learner = torch.load(folder / "last.ckpt", weights_only=True)["training"]["learner"]
    assert learner["balancing"]["scale"] == "paper"


@pytest.mark.usefixtures("tiny")
def test_a_run_that_combines_no_gradients_goes_on_without_a_word_about_their_scale(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(recipe, tmp_path / "run")
    text = (tmp_path / "run" / "recipe.yaml").read_text()
    (tmp_path / "run" / "recipe.yaml").write_text(text.replace("  scale: equal\n", ""))
    complete([Planned(recipe, RunFolder(tmp_path / "run"))])
    train(recipe, tmp_path / "run", resume=True)
    assert "scale" not in capsys.readouterr().err


def test_a_real_kill_loses_nothing_but_time(tmp_path: Path) -> None:
    """`kill -9` of a process that trains a real network, whenever its first checkpoint is there."""
    words = ["train", "rooms", "--size", "24", "32", "--backbone", "test_resnet", "--network.head", "linear"]
    words += ["--data.options.train_scenes", "16", "--data.options.test_scenes", "2", "--batch-size", "2"]
    words += ["--epochs", "2", "--workers", "1", "--device", "cpu", "--checkpoint-every", "3", "--out"]
    killed = subprocess.Popen([sys.executable, "-m", "afanet", *words, str(tmp_path / "killed")])
    for _ in range(1200):
        if (tmp_path / "killed" / "last.ckpt").exists():
            break
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert main([*words, str(tmp_path / "killed"), "--resume"]) == 0
    assert main([*words, str(tmp_path / "whole")]) == 0
    assert same(tmp_path / "whole", tmp_path / "killed")
    assert losses(tmp_path / "whole") == losses(tmp_path / "killed")
