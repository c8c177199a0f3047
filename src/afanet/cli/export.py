"""`afanet export`: a finished run as one file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from afanet.cli.flags import add_tasks_flag, add_trust_flag, given_tasks, path_flag
from afanet.cli.present import require_present_run
from afanet.errors import InputError

if TYPE_CHECKING:
    from afanet.export import Compression


def add_export_command(commands: Any) -> None:
    """Add the command."""
    export: ArgumentParser = commands.add_parser(
        "export",
        help="write a finished run as one file for production",
        description="Write the network of a finished run as one file (ONNX, OpenVINO, ExecuTorch, torch.export or "
        "compiled), check it against the run, and write a model card beside it.",
        allow_abbrev=False,
    )
    export.set_defaults(command=_export, parser=export)
    add_trust_flag(export)
    export.add_argument("run", type=path_flag, metavar="RUN", help="a run, a saved folder, or hub:OWNER/NAME")
    export.add_argument(
        "--format",
        default="onnx",
        help="onnx, openvino, executorch, torch, aot, or adapters (these only); onnx by default",
    )
    fewer = export.add_mutually_exclusive_group()
    fewer.add_argument("--int8", action="store_true", help="compute layers in int8, with ranges calibrated on images")
    fewer.add_argument("--fp16", action="store_true", help="weights in half precision; inputs and outputs in float32")
    export.add_argument(
        "--calibrate",
        type=path_flag,
        metavar="DATA",
        help="images to calibrate int8 on: a folder, a data set or a recipe; the run's training split by default",
    )
    export.add_argument(
        "--tolerance",
        type=float,
        metavar="SHARE",
        help="share of its value by which a task's main metric may get worse in fewer bits; 0.01 by default",
    )
    add_tasks_flag(export, "write only what these tasks need, as model-TASK.onnx by default; all tasks by default")
    export.add_argument(
        "--out",
        type=path_flag,
        metavar="FILE",
        help="the file; model.onnx, .xml, .pt2 or .aot.pt2 in RUN by default, adapters.safetensors for adapters",
    )


def _export(given: Namespace) -> None:
    require_present_run(given.run)
    from afanet.export import export_adapters, export_run

    tasks, compression = given_tasks(given), _compression(given)
    if given.format == "adapters":
        if tasks is not None or compression is not None:
            flag = "--tasks" if tasks is not None else f"--{compression.precision}" if compression else ""
            raise InputError(f"{flag} is for whole networks, not for format adapters: leave it out")
        file = export_adapters(given.run, given.out)
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, without the frozen backbone")
        return
    done = export_run(given.run, given.format, given.out, tasks, compression)
    print(f"checked against the run on {done.checked}")
    for name, error in done.errors.items():
        print(f"{name}: differs by {error:.1e} of its largest value at most{' in float32' if compression else ''}")
    if compression:
        _print_scores(done.facts)
    height, width = done.facts["size"]
    if not done.facts["dynamic"]["size"]:
        print(f"this network takes only images of {height}x{width}")
    if not done.facts["dynamic"]["batch"]:
        print("this network takes one image at a time")
    print(f"{done.file}: {done.size / 1e6:.1f} MB; {done.card} is its model card")


def _compression(given: Namespace) -> Compression | None:
    """The compression that `--int8` or `--fp16` ask for; raises `InputError` for their options without them."""
    from afanet.export import Compression

    options = {key: getattr(given, key) for key in ("calibrate", "tolerance") if getattr(given, key) is not None}
    if given.int8 or given.fp16:
        return Compression("int8" if given.int8 else "fp16", **options)
    if options:
        raise InputError(f"--{next(iter(options))} is for files in fewer bits: add --int8 or --fp16, or leave it out")
    return None


def _print_scores(facts: dict[str, Any]) -> None:
    """Print the cost of fewer bits: each task's main metric in float32 and in the file, and layers left in float32."""
    scored = facts["scored"]
    calibrated = f"calibrated on {facts['calibrated']}, " if facts["calibrated"] else ""
    print(f"{calibrated}scored on the {scored['images']} images of the {scored['split']} split")
    for name, described in facts["described"].items():
        metric = described["main_metric"]
        before, after = (facts[key][name][metric] for key in ("metrics_float32", "metrics"))
        scores = (f"{score:.4f}" if score is not None else "not known" for score in (before, after))
        print(f"{name}: {metric} {' in float32, '.join(scores)} in {facts['precision']}")
    print(f"layers left in float32: {', '.join(facts['in_float']) or 'none'}")
