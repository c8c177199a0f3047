"""One process at a time trains in a run folder, which is made and taken back by that process alone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.recipe.schema import Recipe
from afanet.runs.folder import HOLDER, LOCK, MARK, RunFolder
from afanet.runs.hold import FolderInUseError, held, require_free
from afanet.runs.setup import plain_errors
from afanet.training.records.nonfinite import DUMP
from afanet.training.run import train

from ..bounds import bounded

SMALL = """--size 24 32 --backbone test_resnet --network.head linear --method hard --batch-size 2 --device cpu
--data.options.train_scenes 4 --data.options.test_scenes 2"""
FORKED = multiprocessing.get_context("fork")  # which imports nothing again


def hold(folder: Path, holding: Event) -> None:
    with held(RunFolder(folder), load_recipe("rooms"), resume=True):
        holding.set()
        time.sleep(60)


def hold_elsewhere(folder: Path) -> BaseProcess:
    """A process that holds a folder."""
    holding = FORKED.Event()
    process = FORKED.Process(target=hold, args=(folder, holding))
    process.start()
    assert holding.wait(60)
    return process


def fail_after(folder: RunFolder, recipe: Recipe, work: Callable[[], object]) -> None:
    with held(folder, recipe, resume=False):
        work()
        raise InputError("later")


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


@pytest.mark.usefixtures("tiny")
def test_a_second_process_is_told_who_trains_there_and_goes_on_after_a_kill(recipe: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    other = hold_elsewhere(folder)
    try:
        before = names(folder)
        for resume in (False, True):
            with pytest.raises(
                InputError, match=rf"is in use by process {other.pid} on .*, since .*: wait until it ends"
            ):
                train(recipe, folder, resume=resume)
        assert names(folder) == before == {MARK, LOCK, HOLDER, "recipe.yaml"}
    finally:
        other.kill()
        other.join()
    (folder / "recipe.yaml").unlink()  # it was by another recipe
    assert train(recipe, folder, resume=True).results["steps"] == 4


@pytest.mark.slow
def test_of_two_commands_on_one_folder_one_trains_and_one_is_told(tmp_path: Path) -> None:
    command = f"train rooms {SMALL} --epochs 1 --workers 1 --out {tmp_path / 'run'} --resume"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    start = [sys.executable, "-m", "afanet", *command.split()]
    pair = [subprocess.Popen(start, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    message = [process.communicate()[1] for process in pair]
    codes = [process.returncode for process in pair]
    assert 0 in codes
    for code, words in zip(codes, message, strict=True):
        assert code == 0 or (code == 2 and "is in use by process" in words)
    assert len((tmp_path / "run" / "log.csv").read_text().splitlines()) == 2


@pytest.mark.usefixtures("tiny")
def test_a_lock_ends_with_its_process_though_loaders_live_on(tmp_path: Path) -> None:
    command = f"train rooms {SMALL} --epochs 999 --workers 2 --out {tmp_path / 'run'}"
    killed = subprocess.Popen([sys.executable, "-m", "afanet", *command.split()], stderr=subprocess.DEVNULL)
    while not (tmp_path / "run" / "last.ckpt").exists():
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    end = time.monotonic() + 15
    recipe = RunFolder(tmp_path / "run").read_recipe()
    while True:
        try:
            with held(RunFolder(tmp_path / "run"), recipe, resume=True):
                return
        except InputError:
            assert time.monotonic() < end
            time.sleep(0.2)


def test_what_fails_takes_back_its_own_and_nothing_else(recipe: Recipe, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "runs" / "run")
    seen = []

    def begin() -> None:
        seen.append(names(folder.path))
        folder.log.touch()

    with pytest.raises(InputError, match="later"):
        fail_after(folder, recipe, begin)
    assert seen == [{MARK, LOCK, HOLDER, "recipe.yaml"}]
    assert not (tmp_path / "runs").exists()
    with pytest.raises(InputError, match="later"):
        fail_after(folder, recipe, (folder.path / "thoughts.txt").touch)
    assert names(folder.path) == {"thoughts.txt"}


def test_what_was_learnt_stays(recipe: Recipe, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(InputError, match="later"):
        fail_after(folder, recipe, folder.checkpoint.touch)
    assert names(folder.path) == {MARK, LOCK, "recipe.yaml", "last.ckpt"}


@pytest.mark.usefixtures("tiny")
def test_a_batch_whose_loss_is_no_number_is_kept_where_the_message_says(
    small: Callable[..., Recipe], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=f"kept in {tmp_path / 'run' / DUMP}"):
        train(small(**{"optimizer.lr": 1e30, "checkpoint_every": None}), tmp_path / "run")
    assert torch.load(tmp_path / "run" / DUMP, weights_only=True)["batches"]
    assert (tmp_path / "run" / "recipe.yaml").is_file()


@pytest.mark.usefixtures("tiny")
def test_a_recipe_in_a_run_folder_is_written_once(small: Callable[..., Recipe], tmp_path: Path) -> None:
    train(small(), tmp_path / "run")
    file = tmp_path / "run" / "recipe.yaml"
    file.write_text(text := f"# mine\n{file.read_text()}")
    (tmp_path / "run" / "metrics.json").unlink()  # else the run would have finished
    train(small(), tmp_path / "run", resume=True)
    assert file.read_text() == text
    (tmp_path / "run" / "metrics.json").unlink()
    train(small(workers=1), tmp_path / "run", resume=True)
    assert "workers: 1" in file.read_text()


@pytest.mark.usefixtures("tiny")
def test_a_run_of_an_older_version_has_no_mark_and_is_known_by_what_it_left(recipe: Recipe, tmp_path: Path) -> None:
    folder = train(recipe, tmp_path / "run").folder
    folder.mark.unlink()
    (folder.path / LOCK).unlink()
    assert folder.is_run
    log = folder.log.read_bytes()
    folder.log.unlink()
    assert folder.is_run
    folder.checkpoint.write_bytes(b"a checkpoint of something else")
    assert not folder.is_run
    folder.log.write_bytes(log)
    assert folder.is_run
    (folder.path / "moved").mkdir()
    for file in (folder.recipe, folder.log):
        file.rename(folder.path / "moved" / file.name)
    assert not folder.is_run


@pytest.mark.parametrize(("out", "where"), [("", "at"), ("runs/one", "inside"), ("..", "around")])
def test_a_run_folder_is_not_mixed_with_the_data(
    out: str, where: str, small: Callable[..., Recipe], tmp_path: Path
) -> None:
    data = tmp_path / "home" / "data"
    recipe = small(**{"data.root": str(data)})
    with pytest.raises(InputError, match=rf"would lie {where} the data folder .*data: give a folder elsewhere"):
        RunFolder.usable(data / out, recipe, resume=True)
    (tmp_path / "link").symlink_to(tmp_path / "home")
    with pytest.raises(InputError, match=rf"would lie {where} the data folder"):
        RunFolder.usable(tmp_path / "link" / "data" / out, recipe, resume=False)


@pytest.mark.parametrize("content", [None, "[" * 100_000, "[]", '{"process": 1}', "\udcff"])
def test_who_holds_a_folder_is_said_whatever_stands_in_its_note(content: str | None, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    file = tmp_path / HOLDER
    if content is None:
        os.mkfifo(file)
    else:
        file.write_bytes(content.encode("utf-8", "surrogateescape"))
    sentence = "is in use by another process: wait"
    with FileLock(tmp_path / LOCK), pytest.raises(FolderInUseError, match=sentence), plain_errors(), bounded(5):
        require_free(folder)


def test_a_pipe_in_place_of_a_recipe_is_said(recipe: Recipe, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.mark.touch()
    os.mkfifo(folder.recipe)
    with pytest.raises(InputError, match="is a pipe"), bounded(5), held(folder, recipe, resume=True):
        pass
    assert names(tmp_path) == {MARK, "recipe.yaml"}
