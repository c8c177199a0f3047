"""`afanet export`: a finished run as one file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from afanet.cli.flags import add_tasks_flag, add_trust_flag, given_tasks, path_flag
from afanet.cli.present import require_present_run
from afanet.errors import InputError


def add_export_command(commands: Any) -> None:
    """Add the command."""
    export: ArgumentParser = commands.add_parser(
        "export",
        help="write a finished run as one file for production",
        description="Write the network of a finished run as one file (ONNX, torch.export or compiled), check it "
        "against the run, and write a model card beside it.",
        allow_abbrev=False,
    )
    export.set_defaults(command=_export, parser=export)
    add_trust_flag(export)
    export.add_argument("run", type=path_flag, metavar="RUN", help="a run, a saved folder, or hub:OWNER/NAME")
    export.add_argument("--format", default="onnx", help="onnx, torch, aot, or adapters alone; onnx by default")
    add_tasks_flag(export, "write what these tasks need alone, as model-TASK.onnx by default; all tasks by default")
    export.add_argument(
        "--out",
        type=path_flag,
        metavar="FILE",
        help="the file; model.onnx, model.pt2 or model.aot.pt2 in RUN by default, adapters.safetensors for adapters",
    )


def _export(given: Namespace) -> None:
    require_present_run(given.run)
    from afanet.export import export_adapters, export_run

    tasks = given_tasks(given)
    if given.format == "adapters":
        if tasks is not None:
            raise InputError("--tasks is for whole networks, and format adapters has those of all tasks: leave it out")
        file = export_adapters(given.run, given.out)
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, without the frozen backbone")
        return
    done = export_run(given.run, given.format, given.out, tasks)
    print(f"checked against the run on {done.checked}")
    for name, error in done.errors.items():
        print(f"{name}: differs by {error:.1e} of its largest value at most")
    height, width = done.facts["size"]
    if not done.facts["dynamic"]["size"]:
        print(f"this network takes only images of {height}x{width}")
    if not done.facts["dynamic"]["batch"]:
        print("this network takes one image at a time")
    print(f"{done.file}: {done.file.stat().st_size / 1e6:.1f} MB; {done.card} is its model card")
