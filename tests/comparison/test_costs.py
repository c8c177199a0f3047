"""What is measured in a process of its own ends with the command that measures, however that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "scripts" / "measuring.py"


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="processes are looked for in /proc")
@pytest.mark.parametrize(
    ("case", "sent"),
    [
        ("costs", signal.SIGKILL),
        pytest.param("costs", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("loader", signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_no_process_outlives_the_command_that_started_it(case: str, sent: signal.Signals) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = subprocess.Popen([sys.executable, str(SCRIPT), case], stdout=subprocess.PIPE, text=True, env=environment)
    assert command.stdout is not None
    started = int(command.stdout.readline())
    try:
        assert alive(started)
        command.send_signal(sent)
        assert command.wait(30) == -sent
        end = time.monotonic() + 10
        while alive(started) and time.monotonic() < end:
            time.sleep(0.05)
        assert not alive(started)
    finally:
        if alive(started):
            os.kill(started, signal.SIGKILL)
