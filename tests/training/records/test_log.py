"""What a run writes of itself: the table, TensorBoard, other loggers."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from afanet.errors import InputError
from afanet.recipe.schema import Recipe
from afanet.training.records import loggers
from afanet.training.records.log import Log
from afanet.training.records.loggers import check_loggers, open_loggers
from afanet.training.run import train

from ...bounds import bounded


class Kept:
    """Stands in for one of Lightning's loggers."""

    def __init__(self, folder: Path, known: str | None) -> None:
        self.folder, self.run_id = folder, known or "new"
        self.metrics: list[tuple[dict[str, float], int]] = []
        self.values: dict[str, Any] = {}
        self.ended = ""

    def log_hyperparams(self, values: dict[str, Any]) -> None:
        self.values = values

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        self.metrics.append((metrics, step))

    def finalize(self, status: str) -> None:
        self.ended = status


def steps(file: Path) -> list[str]:
    with file.open(newline="") as stream:
        return [row["step"] for row in csv.DictReader(stream)]


def test_rows_after_the_step_that_is_gone_on_from_are_taken_away(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.csv")
    for epoch in (1, 2, 3):
        log.epoch({"epoch": epoch, "step": 10 * epoch, "loss": 1 / epoch})
    log.close()
    again = Log(tmp_path / "log.csv", step=20)
    assert steps(tmp_path / "log.csv") == ["10", "20"]
    again.epoch({"epoch": 3, "step": 30, "loss": 0.25})
    again.close()
    assert steps(tmp_path / "log.csv") == ["10", "20", "30"]


def test_a_table_that_was_begun_with_fewer_columns_keeps_them(tmp_path: Path) -> None:
    """As a version that logged less began it."""
    file = tmp_path / "log.csv"
    first = Log(file)
    first.epoch({"epoch": 1, "step": 10, "loss": 0.5, "validation/a": 0.25})
    first.close()
    for epoch in (2, 3):  # the second time the row with more has to be read again
        log = Log(file, step=10 * (epoch - 1))
        log.epoch({"epoch": epoch, "step": 10 * epoch, "loss": 0.5, "gate/stem/channel": 0.9, "validation/a": 0.25})
        log.close()
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["10", "20", "30"]
    assert all(row == {**row, "loss": "0.5", "validation/a": "0.25"} and len(row) == 4 for row in rows)


@pytest.mark.usefixtures("tiny")
def test_tensorboard_has_losses_rates_norms_figures_and_pictures(small: Callable[..., Recipe], tmp_path: Path) -> None:
    train(small(**{"balancing.name": "uw"}), tmp_path / "run")
    board = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    board.Reload()
    names = set(board.Tags()["scalars"])
    for name in ("loss/depth", "loss", "lr/backbone", "lr/head", "gradient_norm", "weight/depth", "test/depth/abs"):
        assert name in names
    assert set(board.Tags()["images"]) == {"prediction/segmentation", "prediction/depth"}
    assert [event.step for event in board.Scalars("loss/depth")] == [2, 4]


@pytest.mark.usefixtures("tiny")
def test_other_loggers_get_the_same_and_go_on_with_their_run(
    small: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Kept] = []

    def make(folder: Path, known: str | None) -> Kept:
        made.append(Kept(folder, known))
        return made[-1]

    monkeypatch.setitem(loggers.LOGGERS, "mlflow", make)
    monkeypatch.setattr("afanet.training.job.check_loggers", lambda names: None)
    recipe = small(loggers=["mlflow"])
    train(recipe, tmp_path / "run")
    (tmp_path / "run" / "metrics.json").unlink()  # as if it had been killed just before its end
    train(recipe, tmp_path / "run", resume=True)
    first, second = made
    assert first.values["optimizer"]["lr"] == recipe.optimizer.lr
    assert [step for metrics, step in first.metrics if "loss" in metrics] == [2, 4]
    assert "test/depth/abs" in first.metrics[-1][0]
    assert (first.ended, second.run_id, second.values) == ("success", "new", {})


def test_a_logger_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="logger 'wandb' needs a package that is missing: pip install wandb"):
        check_loggers(["wandb"])


def test_a_logger_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(folder: Path, known: str | None) -> Kept:
        raise RuntimeError("no account\nand more")

    monkeypatch.setitem(loggers.LOGGERS, "wandb", fail)
    with pytest.raises(InputError, match=r"logger 'wandb' does not start \(no account\): set it up, or leave it out"):
        open_loggers(["wandb"], tmp_path, {})


def test_pictures_go_to_loggers_that_take_them(tmp_path: Path) -> None:
    seen = []

    class Shows(Kept):
        def log_image(self, key: str, images: list[Any], step: int) -> None:
            seen.append((key, images[0].shape, step))

    log = Log(tmp_path / "log.csv", loggers={"a": Shows(tmp_path, None), "b": Kept(tmp_path, None)})
    log.picture("rooms", np.zeros((4, 6, 3), np.uint8), 7)
    log.close()
    assert seen == [("rooms", (4, 6, 3), 7)]


@pytest.mark.parametrize(
    "text",
    ["epoch,step\n1," + "9" * 10**6 + "\n", "a,b\n1,2\n", "epoch,step\n1,x\n", '"' + "a" * 10**6],
)
def test_a_log_that_is_none_of_ours_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text(text)
    with bounded(), pytest.raises(InputError, match=r"log\.csv is not the log that train wrote") as caught:
        Log(file, step=2)
    assert len(str(caught.value)) < 200 + len(str(file))
    assert file.read_text() == text


def test_a_log_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    with file.open("wb") as stream:
        stream.truncate(10 << 30)
    with bounded(), pytest.raises(InputError, match=r"log\.csv has 10,737,418,240 bytes"):
        Log(file, step=2)
