"""A run whose scores are no numbers ends with a sentence, keeps its last good checkpoint and never counts as finished.

What has no label in a split has no score either, and is no fault.
"""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from afanet.cli.main import main
from afanet.data import Batch, Data, open_data
from afanet.errors import InputError
from afanet.recipe.schema import Recipe
from afanet.runs.checkpoint import read_checkpoint
from afanet.tasks import Depth
from afanet.training.learner import Learner
from afanet.training.run import evaluate, train

from ..weights import change_weights

pytestmark = pytest.mark.usefixtures("tiny")
Small = Callable[..., Recipe]
Break = Callable[..., None]


@pytest.fixture
def broken_by(monkeypatch: pytest.MonkeyPatch) -> Break:
    """Breaks a network in the step with a number, counted from 1, by what it is given to do with it."""

    def plant(step: int, harm: Callable[[Any], None]) -> None:
        learn = Learner.learn

        def learn_and_break(self: Learner, batches: Sequence[Batch], measure: bool = False) -> Any:
            actual = learn(self, batches, measure)
            if self.step == step:
                with torch.no_grad():
                    harm(self.network)
                    if self.average is not None:
                        harm(self.average.module)
            return actual

        monkeypatch.setattr(Learner, "learn", learn_and_break)

    return plant


def poison(value: float = math.nan, task: str = "depth") -> Callable[[Any], None]:
    return lambda network: network.branches[task].head.weight.flatten()[:1].fill_(value)


def burst(network: Any) -> None:
    """Finite weights, whose outputs are too large for a number."""
    head = network.branches["depth"].head
    head.weight.fill_(3e38)
    head.bias.fill_(3e38)


def spoil_statistics(network: Any) -> None:
    """Outputs stay finite: what is divided by infinity is 0."""
    network.branches["depth"].backbone[1].running_var.fill_(math.inf)


def finite(file: Path) -> bool:
    return all(weights.isfinite().all() for weights in read_checkpoint(file)["state_dict"].values())


@pytest.mark.parametrize("harm", [poison(), poison(math.inf), poison(task="segmentation"), spoil_statistics])
@pytest.mark.parametrize("ema", [None, 0.5])
def test_weights_gone_at_the_last_step_end_the_run_and_leave_the_checkpoint_before(
    harm: Callable[[Any], None], ema: float | None, broken_by: Break, small: Small, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    broken_by(4, harm)
    with pytest.raises(InputError) as caught:
        train(small(**{"optimizer.ema": ema}), folder)
    message = str(caught.value)
    assert "after step 4 of 4 the weights are not finite ('branches." in message
    assert "so segmentation has no miou and depth has no abs" in message
    assert "lower optimizer.lr" in message
    assert f"{folder / 'last.ckpt'} is of step 2" in message
    assert f"{folder / 'log.csv'} shows the losses" in message
    assert (folder / "log.csv").is_file()
    assert not (folder / "metrics.json").exists()
    assert finite(folder / "last.ckpt")
    assert read_checkpoint(folder / "last.ckpt")["training"]["learner"]["step"] == 2
    with pytest.raises(InputError, match="after step 4 of 4 the weights are not finite"):
        train(small(**{"optimizer.ema": ema}), folder, resume=True)
    again = evaluate(folder)  # of what is left
    assert all(math.isfinite(value) for scores in again.results["tasks"].values() for value in scores.values())


def test_an_average_that_is_gone_is_one_too(broken_by: Break, small: Small, tmp_path: Path) -> None:
    calls: list[Any] = []

    def second(network: Any) -> None:  # the average, after the network itself
        calls.append(network)
        if len(calls) == 2:
            poison()(network)

    broken_by(4, second)
    with pytest.raises(InputError, match=r"after step 4 of 4 the weights are not finite \('average"):
        train(small(**{"optimizer.ema": 0.5}), tmp_path / "run")


def test_a_checkpoint_between_epochs_keeps_to_it(broken_by: Break, small: Small, tmp_path: Path) -> None:
    broken_by(2, poison())
    recipe = small(epochs=1, checkpoint_every=1, batch_size=2, skip_nonfinite=True)
    with pytest.raises(InputError, match="after step 2 of 5 the weights are not finite"):
        train(recipe, tmp_path / "run")
    assert read_checkpoint(tmp_path / "run" / "last.ckpt")["training"]["learner"]["step"] == 1


def test_without_a_checkpoint_the_sentence_names_none(small: Small, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the weights are not finite .*; no checkpoint was kept$"):
        train(small(epochs=1, steps=1, **{"optimizer.lr": 1e39, "schedule.warmup": 0}), tmp_path / "run")
    assert not (tmp_path / "run" / "last.ckpt").exists()
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_a_run_that_fails_leaves_no_thread_that_writes(broken_by: Break, small: Small, tmp_path: Path) -> None:
    broken_by(2, poison())
    before = set(threading.enumerate())
    with pytest.raises(InputError, match="the weights are not finite"):
        train(small(), tmp_path / "run")
    assert [thread for thread in threading.enumerate() if thread not in before] == []


def test_finite_weights_with_outputs_that_are_not_end_the_run_by_task_metric_and_split(
    broken_by: Break, small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_by(4, burst)
    folder = tmp_path / "run"
    with pytest.raises(InputError) as caught:
        train(small(), folder)
    message = str(caught.value)
    assert "after training, on the test split, task 'depth' has no abs, because its outputs are not finite" in message
    assert "lower optimizer.lr" in message
    assert f"{folder / 'last.ckpt'} is of step 4" in message
    assert not (folder / "metrics.json").exists()
    with pytest.raises(InputError, match="after training, on the test split, task 'depth' has no abs"):
        train(small(), folder, resume=True)
    assert not (folder / "metrics.json").exists()
    capsys.readouterr()
    for words in (["evaluate", folder], ["predict", folder, tmp_path, "--out", tmp_path / "out"], ["export", folder]):
        assert main([str(word) for word in words]) == 2
    assert "on the test split, task 'depth' has no abs" in capsys.readouterr().err
    assert not (folder / "evaluation.json").exists()


def test_a_metric_that_the_labels_define_must_be_a_number(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Depth, "predict", lambda self, logits: torch.full_like(logits, math.inf))
    monkeypatch.setattr(Depth, "loss", lambda self, logits, target, across: logits.mean())
    with pytest.raises(
        InputError, match="on the test split, task 'depth' has no abs, because its outputs are not finite"
    ):
        train(small(), tmp_path / "run")


@pytest.fixture
def losses_gone_from(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Makes the loss of depth no number in the steps from a first to a last one, counted from 1."""

    def plant(first: int, last: int) -> None:
        losses = Learner.losses

        def fail(self: Learner, *arguments: Any) -> list[Tensor]:
            bad = first <= self.step + 1 <= last
            return [loss * (math.nan if bad and i else 1) for i, loss in enumerate(losses(self, *arguments))]

        monkeypatch.setattr(Learner, "losses", fail)
        monkeypatch.setattr(Learner, "cosines", lambda self, batch: {})

    return plant


def test_an_epoch_that_was_skipped_whole_ends_the_run(
    losses_gone_from: Callable[[int, int], None], small: Small, tmp_path: Path
) -> None:
    losses_gone_from(3, 4)
    folder = tmp_path / "run"
    with pytest.raises(InputError) as caught:
        train(small(epochs=3, skip_nonfinite=True), folder)
    message = str(caught.value)
    assert "every step of epoch 2 (3 to 4) was left out, because the loss of task 'depth' was nan" in message
    assert f"{folder / 'last.ckpt'} is of step 2" in message
    assert not (folder / "metrics.json").exists()
    with (folder / "log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["loss/depth"] == "nan" for row in rows] == [False, True]


def test_a_run_that_was_skipped_whole_ends_so(
    losses_gone_from: Callable[[int, int], None], small: Small, tmp_path: Path
) -> None:
    losses_gone_from(1, 99)
    with pytest.raises(InputError, match=r"every step of epoch 1 \(1 to 2\) was left out"):
        train(small(skip_nonfinite=True), tmp_path / "run")


def test_weights_gone_are_said_though_steps_are_skipped(broken_by: Break, small: Small, tmp_path: Path) -> None:
    broken_by(1, poison())
    with pytest.raises(InputError, match="after step 2 of 4 the weights are not finite"):
        train(small(skip_nonfinite=True), tmp_path / "run")


LONG = {"data.options.train_scenes": 20}  # ten batches of two


def test_five_steps_in_a_row_that_were_skipped_end_the_run(
    losses_gone_from: Callable[[int, int], None], small: Small, tmp_path: Path
) -> None:
    losses_gone_from(4, 99)
    folder = tmp_path / "run"
    with pytest.raises(InputError) as caught:
        train(small(batch_size=2, epochs=1, skip_nonfinite=True, checkpoint_every=2, **LONG), folder)
    message = str(caught.value)
    assert "5 steps in a row (4 to 8, 5 in all) were left out, because the loss of task 'depth' was nan" in message
    assert f"{folder / 'last.ckpt'} is of step 6" in message
    assert not (folder / "metrics.json").exists()
    with pytest.raises(InputError, match=r"5 steps in a row \(4 to 8, 5 in all\)"):  # counted in the checkpoint too
        train(small(batch_size=2, epochs=1, skip_nonfinite=True, checkpoint_every=2, **LONG), folder, resume=True)


def test_four_in_a_row_do_not(losses_gone_from: Callable[[int, int], None], small: Small, tmp_path: Path) -> None:
    losses_gone_from(3, 6)
    run = train(small(batch_size=2, epochs=1, skip_nonfinite=True, **LONG), tmp_path / "run")
    assert (run.results["steps"], run.results["skipped"]) == (10, 4)


def test_a_run_that_skipped_nothing_says_so(small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(small(skip_nonfinite=True), tmp_path / "run")
    assert "0 of 4 steps were skipped because a loss was not finite" in capsys.readouterr().err


def test_single_steps_that_were_skipped_are_said_at_the_end(
    losses_gone_from: Callable[[int, int], None], small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    losses_gone_from(3, 3)
    assert train(small(skip_nonfinite=True), tmp_path / "run").results["skipped"] == 1
    assert "1 of 4 steps were skipped because a loss was not finite" in capsys.readouterr().err


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Data], Data]], None]:
    """Changes the data that runs open."""

    def change(how: Callable[[Data], Data]) -> None:
        monkeypatch.setattr("afanet.runs.setup.open_data", lambda *a, **options: how(open_data(*a, **options)))
        monkeypatch.setattr("afanet.runs.setup.leaks", lambda data: [])

    return change


def with_validation(data: Data) -> Data:
    return Data(**vars(data) | {"validation": data.test})


class Unlabelled:
    """Takes the labels of depth, or of both tasks, out of samples."""

    def __init__(self, inner: Any, tasks: Sequence[str]) -> None:
        self.inner, self.tasks = inner, tasks
        self.transforms = inner.transforms

    def __call__(self, sample: Any) -> Any:
        sample = self.inner(sample)
        return sample | {"targets": {k: v for k, v in sample["targets"].items() if k not in self.tasks}}


def without_labels(*tasks: str, validation: bool = False) -> Callable[[Data], Data]:
    def change(data: Data) -> Data:
        bare = type(data.test)(data.test.read, data.test.items, Unlabelled(data.test.transform, tasks))
        return Data(**vars(data) | ({"validation": bare} if validation else {"test": bare}))

    return change


def test_a_task_without_a_label_has_no_score_and_the_run_ends_well(
    opened: Callable[..., None], small: Small, tmp_path: Path
) -> None:
    opened(without_labels("depth"))
    run = train(small(), tmp_path / "run")
    assert set(run.results["tasks"]["depth"].values()) == {None}
    assert None not in run.results["tasks"]["segmentation"].values()
    assert evaluate(tmp_path / "run").results["tasks"] is not None
    kept = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert kept["tasks"] == run.results["tasks"]


def test_outputs_that_are_not_finite_are_a_fault_without_labels_too(
    opened: Callable[..., None], broken_by: Break, small: Small, tmp_path: Path
) -> None:
    opened(without_labels("depth"))
    broken_by(4, burst)
    with pytest.raises(
        InputError, match="on the test split, task 'depth' has no abs, because its outputs are not finite"
    ):
        train(small(), tmp_path / "run")


class TestSelection:
    """`select: validation`."""

    def test_an_epoch_without_scores_is_never_selected(
        self, opened: Callable[..., None], broken_by: Break, small: Small, tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
    ) -> None:  # fmt: skip
        opened(with_validation)
        kept: list[Mapping[str, Tensor]] = []

        def harm_and_mend(network: Any) -> None:
            kept.append({name: value.clone() for name, value in network.state_dict().items()})
            burst(network)

        broken_by(2, harm_and_mend)  # the first epoch's end, from which no number could be compared with
        broken_by(3, lambda network: network.load_state_dict(kept[0]))
        run = train(small(select="validation", epochs=3, skip_nonfinite=True), tmp_path / "run")
        assert run.results["selected_epoch"] > 1
        assert finite(tmp_path / "run" / "best.ckpt")
        best = read_checkpoint(run.folder.best)["state_dict"]
        assert all(torch.equal(best[f"network.{name}"], tensor) for name, tensor in run.weights().items())
        assert all(math.isfinite(v) for scores in run.results["validation"].values() for v in scores.values())
        message = capsys.readouterr().err
        assert "epoch 1 is not selected: on the validation split, task 'depth' has no abs" in message
        with (tmp_path / "run" / "log.csv").open() as stream:
            assert next(csv.DictReader(stream))["validation/depth/abs"] == "nan"

    def test_with_none_to_select_the_run_ends_with_a_sentence(
        self, opened: Callable[..., None], broken_by: Break, small: Small, tmp_path: Path
    ) -> None:
        opened(with_validation)
        broken_by(1, burst)
        with pytest.raises(InputError, match="no epoch could be selected: on the validation split, task 'depth' has"):
            train(small(select="validation", epochs=1, steps=1), tmp_path / "run")
        assert not (tmp_path / "run" / "metrics.json").exists()
        assert not (tmp_path / "run" / "best.ckpt").exists()

    def test_weights_gone_are_never_the_best(
        self, opened: Callable[..., None], broken_by: Break, small: Small, tmp_path: Path
    ) -> None:
        opened(with_validation)
        broken_by(4, spoil_statistics)  # whose scores are numbers
        with pytest.raises(InputError, match="after step 4 of 4 the weights are not finite"):
            train(small(select="validation"), tmp_path / "run")
        assert finite(tmp_path / "run" / "best.ckpt")

    def test_a_validation_split_without_labels_selects_nothing(
        self, opened: Callable[..., None], small: Small, tmp_path: Path
    ) -> None:
        opened(without_labels("depth", "segmentation", validation=True))
        with pytest.raises(InputError, match="the validation split has no label of any task"):
            train(small(select="validation"), tmp_path / "run")
        run = train(small(), tmp_path / "other")
        assert set(run.results["validation"]["depth"].values()) == {None}


def test_a_checkpoint_with_weights_that_are_none_is_refused(small: Small, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(small(), folder)
    change_weights(folder, lambda weights: weights["branches.depth.head.bias"].fill_(math.nan) and None)
    message = r"weights\.safetensors holds weights that are not finite \('branches\.depth\.head\.bias'\)"
    with pytest.raises(InputError, match=message):
        evaluate(folder)
    assert not (folder / "evaluation.json").exists()


def test_the_command_line_says_it_once_with_status_2(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "rooms", "--data.size", "24", "32", "--data.options.train_scenes", "4"]
    words += ["--data.options.test_scenes", "2", "--batch_size", "4", "--workers", "0", "--device", "cpu"]
    words += ["--steps", "1", "--optimizer.lr", "1e39", "--schedule.warmup", "0", "--out", str(tmp_path / "run")]
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    [message] = [line for line in err.splitlines() if line.startswith("afanet: error:")]
    assert message == err.splitlines()[-1]
    assert "the weights are not finite" in message


@pytest.mark.slow
def test_of_several_processes_one_says_it(tmp_path: Path) -> None:
    """The network itself, which new processes build anew."""
    words = ["rooms", "--data.size", "24", "32", "--data.options.train_scenes", "8", "--data.options.test_scenes", "2"]
    words += [
        "--network.backbone",
        "test_resnet",
        "--network.head",
        "linear",
        "--batch_size",
        "4",
        "--workers",
        "0",
        "--device",
        "cpu",
    ]
    words += ["--steps", "1", "--optimizer.lr", "1e39", "--schedule.warmup", "0", "--devices", "2"]
    command = [sys.executable, "-m", "afanet", "train", *words, "--out", str(tmp_path / "run")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    [message] = [line for line in done.stderr.splitlines() if "error" in line]
    assert message.startswith("afanet: error: after step 1 of 1 the weights are not finite")
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_tiny_has_the_layers_that_are_broken_here(tiny_network: Callable[..., nn.Module]) -> None:
    network: Any = tiny_network({"depth": Depth().output})
    for harm in (poison(), burst, spoil_statistics):
        with torch.no_grad():
            harm(network)
