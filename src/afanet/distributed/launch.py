"""Starts several processes: their settings, how they end, and the error when one of them dies."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, get_start_method, parent_process, set_start_method
from multiprocessing.context import SpawnProcess
from operator import itemgetter
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from tempfile import TemporaryDirectory
from threading import Thread, current_thread, main_thread
from time import monotonic, sleep, time
from typing import Any, NoReturn

import torch
import torch.distributed as dist

from afanet.errors import InputError
from afanet.files import write_whole
from afanet.json_text import to_json
from afanet.outside import trust_again, trusted
from afanet.streams import standard_streams

POLL = 0.1  # seconds between checks whether processes still run
GRACE = 5.0  # seconds for the others to end by themselves after one failed, for example to save a batch


def launch(work: Callable[..., None], count: int, *arguments: Any) -> None:
    """Call `work(*arguments)` in `count` new processes that can communicate, and wait for them.

    If one fails, the others are ended. Raises `InputError` with the message of a process that raised one, or with a
    message that says how a process died. No process outlives this one.
    """
    # the store through which they find each other
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    threads = max(1, torch.get_num_threads() // count)
    with TemporaryDirectory() as reports:
        processes = []
        for rank in range(count):
            start = _Start(
                _variables(rank, count, store.port), threads, get_start_method(), Path(reports) / str(rank), trusted()
            )
            processes.append(get_context("spawn").Process(target=_work, args=(start, work, *arguments)))
        try:
            with _interrupts_ignored():
                for process in processes:
                    process.start()
            codes = _wait(processes)
        finally:
            _end([process for process in processes if process.pid is not None])
        if any(codes):
            _explain(Path(reports), codes)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Processes started in this context ignore Ctrl-C, which a terminal sends to all: this process handles it."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal(SIGINT, SIG_IGN)
    try:
        yield
    finally:
        signal(SIGINT, before)


def _wait(processes: Sequence[SpawnProcess]) -> list[int | None]:
    """The exit codes once all have ended, or `GRACE` seconds after one failed; None for processes that still run."""
    codes = [process.exitcode for process in processes]
    end: float | None = None
    # Their sentinels are of no use here: the children of a process keep its sentinel open.
    while None in codes and (end is None or monotonic() < end):
        sleep(POLL)
        codes = [process.exitcode for process in processes]
        if end is None and any(codes):
            end = monotonic() + GRACE
    return codes


def _variables(rank: int, count: int, port: int) -> dict[str, str]:
    """The environment variables that torchrun would set."""
    world, own = str(count), str(rank)
    return {
        **{"RANK": own, "LOCAL_RANK": own, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world},
        **{"GROUP_RANK": "0", "GROUP_WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
        **{"TORCHELASTIC_RUN_ID": "devices", "TORCHELASTIC_USE_AGENT_STORE": "True"},
    }


@dataclass(frozen=True)
class _Start:
    """The settings of a new process."""

    variables: dict[str, str]
    threads: int
    method: str  # how it starts its own processes, such as loaders: by default they would be spawned too
    report: Path  # the file for its error
    trusted: frozenset[str]  # references to outside code


def _work(start: _Start, work: Callable[..., None], *arguments: Any) -> None:
    """Do the work, in a new process; on an error, write when and why it failed to the file `start.report`."""
    os.environ.update(start.variables)
    torch.set_num_threads(start.threads)
    set_start_method(start.method, force=True)
    end_with_parent()
    trust_again(start.trusted)
    try:
        with standard_streams():
            work(*arguments)
    except InputError as error:
        _write_report(start.report, {"time": time(), "sentence": str(error)})
        raise SystemExit(2) from None
    except Exception:
        _write_report(start.report, {"time": time(), "trace": traceback.format_exc()})
        raise SystemExit(1) from None


def _write_report(file: Path, report: Mapping[str, Any]) -> None:
    write_whole(file, to_json(report))


def end_with_parent() -> None:
    """Make this new process end when its parent ends, however the parent ends."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    Thread(target=wait, daemon=True).start()


def _end(processes: Sequence[SpawnProcess]) -> None:
    for process in processes:
        process.terminate()
    end = monotonic() + GRACE
    while monotonic() < end and any(process.exitcode is None for process in processes):
        sleep(POLL)
    for process in processes:
        process.kill()
        process.join()


def _explain(folder: Path, codes: Sequence[int | None]) -> NoReturn:
    """Raise the first cause: an `InputError` of a process, else a process killed from outside, else an exception."""
    reports = [json.loads(file.read_text(encoding="utf-8")) for file in folder.iterdir() if not file.suffix]
    for report in sorted(reports, key=itemgetter("time")):
        if "sentence" in report:
            raise InputError(report["sentence"])
    killed = [number for number, code in enumerate(codes) if code is not None and code < 0]
    number = killed[0] if killed else next(number for number, code in enumerate(codes) if code)
    code = codes[number] or 0
    if reports and not killed:
        print(min(reports, key=itemgetter("time"))["trace"], file=sys.stderr, end="")
    how = f"was killed by signal {-code}" if code < 0 else f"ended with status {code}"
    raise InputError(
        f"process {number + 1} of {len(codes)} {how}, and the others were ended: the same command with --resume goes "
        "on from the last checkpoint, if there is one"
    )
