"""Starts two processes, of which the second comes to an end as told while the first goes on."""

from __future__ import annotations

import os
import signal
import sys
from time import sleep

from afanet.distributed.launch import launch
from afanet.errors import InputError


def work(case: str) -> None:
    if os.environ["RANK"] == "1":
        match case:
            case "sentence":
                raise InputError("scene 7 has no depth")
            case "bug":
                raise ZeroDivisionError("a fault of ours")
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "ended":
                os._exit(7)
    print(f"process {os.getpid()}", flush=True)
    sleep(600)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which a shell in the background leaves ignored
    try:
        launch(work, 2, sys.argv[1])
    except InputError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
