"""Where the machine refuses something, a command says what in one sentence, with status 2."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest

from afanet.cli import main
from afanet.comparison import costs
from afanet.data.cache import cache_root
from afanet.distributed.started import Started, require_connection, require_ranks, started
from afanet.errors import InputError
from afanet.files import require_writable
from afanet.networks.backbones import Backbone
from afanet.recipe.load import load_recipe
from afanet.training.records.log import Log

from .mutations import refusal

LAUNCHED = {
    "torchrun": {"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "2"},
    "slurm": {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "1", "SLURM_PROCID": "1"},
}
Answer = tuple[int, str]


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Callable[[list[str]], Answer]:
    def run(words: list[str]) -> Answer:
        capsys.readouterr()
        status = main(words)
        return status, capsys.readouterr().err

    return run


@pytest.mark.parametrize("launcher", LAUNCHED)
def test_variables_of_launchers_are_numbers_or_refused(launcher: str) -> None:
    names = [name for name in LAUNCHED[launcher] if name != "TORCHELASTIC_RUN_ID"]
    for seed in range(200):
        rng, variables = random.Random(seed), dict(LAUNCHED[launcher])
        name = rng.choice(names)
        variables[name] = rng.choice(["abc", "4(x2)", "", "-1", "1.5", "9" * 99, "²", " ", "0", "3", "\x1b[2J"])
        if rng.random() < 0.3:
            del variables[name]
        said = refusal(started, variables)
        assert said is not None or isinstance(started(variables), Started)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"TORCHELASTIC_RUN_ID": "x"}, "launcher's variable LOCAL_WORLD_SIZE is missing, expected a whole number"),
        (LAUNCHED["slurm"] | {"SLURM_NTASKS": "4(x2)"}, r"launcher's variable SLURM_NTASKS is '4\(x2\)'"),
        (LAUNCHED["slurm"] | {"SLURM_NTASKS": "abc"}, "launcher's variable SLURM_NTASKS is 'abc'"),
        (LAUNCHED["torchrun"] | {"RANK": "2"}, "launcher's variable RANK is 2, expected a rank below 2"),
    ],
)
def test_the_variable_is_named(variables: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        started(variables)


@pytest.mark.parametrize(
    ("launcher", "message"),
    [("torchrun", "variable LOCAL_RANK is missing"), ("slurm", "variable SLURM_LOCALID is missing")],
)
def test_half_of_the_variables_of_a_launcher_are_refused(launcher: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        require_connection(started(LAUNCHED[launcher]), LAUNCHED[launcher])


def test_ranks_are_checked_before_lightning_reads_them() -> None:
    with pytest.raises(InputError, match="launcher's variable SLURM_PROCID is 'x'"):
        require_ranks({"SLURM_PROCID": "x"})


@pytest.mark.parametrize(
    "words", [["train", "rooms"], ["predict", "run", "x.png"], ["export", "run"], ["report", "run"]]
)
def test_an_empty_path_is_refused(words: list[str], answer: Callable[[list[str]], Answer]) -> None:
    status, said = answer([*words, "--out", ""])
    assert (status, said.count("\n")) == (2, 1)
    assert "argument --out: the path is '', expected the name of a file or folder" in said


def test_names_that_no_file_system_takes_are_refused(tmp_path: Path, answer: Callable[[list[str]], Answer]) -> None:
    for name in ("x" * 300, "\udcff" * 200):
        status, said = answer(["export", str(tmp_path / name)])
        assert status == 2
        assert said.startswith("afanet: error: ")


def test_a_working_folder_that_is_gone_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[list[str]], Answer]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    status, said = answer(["train", "rooms", "--print-config", "--data", "x"])
    monkeypatch.chdir(tmp_path)
    assert (status, said) == (2, "afanet: error: the folder that you are in no longer exists: change to another one\n")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EIO])
def test_a_file_that_the_machine_refuses_is_named(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Callable[[list[str]], Answer]
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: x")
    opened = Path.open

    def refuse(self: Path, *arguments: Any, **options: Any) -> Any:
        if self == file:
            raise OSError(code, os.strerror(code), str(self))
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    status, said = answer(["train", str(file), "--print-config"])
    assert (status, said.count("\n")) == (2, 1)
    assert os.strerror(code) in said
    assert str(file) in said


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "photo.png"), "photo.png: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (MemoryError(), "this takes more memory than there is"),
        (
            RuntimeError("DataLoader worker (pid 3) is killed by signal: Killed."),
            "a process that reads samples was killed",
        ),
    ],
)
def test_errors_of_the_machine_become_sentences(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch, answer: Callable[[list[str]], Answer]
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr("afanet.runs.repeat.load_recipe", fail)
    status, said = answer(["train", "rooms", "--print-config"])
    assert (status, said.count("\n")) == (2, 1)
    assert message in said


def test_an_error_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise KeyError("ours")

    monkeypatch.setattr("afanet.runs.repeat.load_recipe", fail)
    with pytest.raises(KeyError):
        main(["train", "rooms", "--print-config"])


def test_a_child_that_was_killed_names_its_method(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pool:
        def __init__(self, *arguments: Any, **options: Any) -> None: ...
        def __enter__(self) -> Pool:
            return self

        def __exit__(self, *error: object) -> None: ...
        def submit(self, *arguments: Any) -> Any:
            raise BrokenProcessPool

    monkeypatch.setattr(costs, "ProcessPoolExecutor", Pool)
    with pytest.raises(InputError, match="the process measuring the costs of 'afa' was killed"):
        costs.measure(load_recipe("rooms"))


def test_without_a_home_folder_the_cache_asks_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("AFANET_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", unknown)
    with pytest.raises(InputError, match="no home folder for the cache: set AFANET_CACHE"):
        cache_root()


def test_weights_that_timm_does_not_know_are_named() -> None:
    with pytest.raises(InputError, match=r"'resnet18\.nope' has weights that timm does not know.*resnet18\.a1_in1k"):
        Backbone("resnet18.nope")


def test_a_read_only_folder_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_writable(tmp_path / "new" / "model.onnx")
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    with pytest.raises(InputError, match=r"model\.onnx cannot be written: .* is read-only for you"):
        require_writable(tmp_path / "new" / "model.onnx")


def test_a_full_disk_is_said_at_the_start_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"tensorboard.* cannot be written: No space left on device"):
        Log(tmp_path / "log.csv")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flags", [["--seed", "4294967295", "--seeds", "2"], ["--seed", "4294967296"]])
def test_seeds_that_no_run_could_read_are_refused(flags: list[str], answer: Callable[[list[str]], Answer]) -> None:
    status, said = answer(["compare", "rooms", "--jobs", *flags])
    assert status == 2
    assert "seed" in said
