"""`afanet doctor`: what is installed and what this machine has, for a bug report."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Mapping
from typing import Any

GIGABYTE = 10**9
DISKS = {"working_folder": "disk, here", "cache": "disk, cache"}


def add_doctor_command(commands: Any) -> None:
    """Add the command."""
    doctor = commands.add_parser(
        "doctor",
        help="print versions, devices and extras, for a bug report",
        description="Print what is installed and what this machine has: versions, devices and whether they support "
        "bf16, free disk space, and what each extra lacks. Paste the output into a bug report.",
        allow_abbrev=False,
    )
    doctor.set_defaults(command=_doctor, parser=doctor)
    doctor.add_argument("--json", action="store_true", help="print it as JSON, with sizes in bytes")


def _doctor(given: Namespace) -> None:
    from afanet.installation import describe_installation
    from afanet.json_text import to_json

    state = describe_installation()
    if given.json:
        print(to_json(state, indent=2))
        return
    for title, text in _lines(state):  # plain, since rich may be what is missing
        print(f"{title:<16} {text}")


def _lines(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The title and text of each line."""
    for package, version in state["versions"].items():
        yield package, f"{version}{_torch(state) if package == 'torch' else ''}" if version else "not installed"
    yield "system", state["system"]
    for device in state["devices"]:
        bf16 = {True: ", bf16", False: ", no fast bf16", None: ""}[device["bf16"]]
        memory = f", {device['memory'] / GIGABYTE:.1f} GB" if device["memory"] else ""
        yield device["name"], f"{device['model']}{memory}{bf16}"
    for folder, free in state["disk"].items():
        told = f"{free / GIGABYTE:.1f} GB free" if free is not None else "there is no home folder: set AFANET_CACHE"
        yield DISKS[folder], told
    for extra, missing in state["extras"].items():
        yield f"extra {extra}", f"lacks {', '.join(missing)}" if missing else "installed"


def _torch(state: Mapping[str, Any]) -> str:
    cuda, error = state["torch"]["cuda"], state["torch"]["error"]
    if error:
        return f", fails: {error}"
    return f", for CUDA {cuda}" if cuda else ", without CUDA"
