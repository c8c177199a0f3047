"""`afanet evaluate`: scores a finished run again or by another protocol, or an exported file."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from afanet.cli.flags import add_tasks_flag, add_trust_flag, given_tasks, path_flag
from afanet.cli.present import require_present_model
from afanet.cli.scores import print_scores
from afanet.outside import short_name


def add_evaluate_command(commands: Any) -> None:
    """Add the command."""
    evaluate: ArgumentParser = commands.add_parser(
        "evaluate",
        help="score a finished run or an exported file, also on other data or at another size",
        description="Score a finished run on its test split, and compare with the scores from the end of training. "
        "A file of `afanet export` is scored as its runtime computes it. With --data, --split, --at, --window or "
        "--tasks, the scores are those of another protocol and are kept under a name of their own.",
        allow_abbrev=False,
    )
    evaluate.set_defaults(command=_evaluate, parser=evaluate)
    evaluate.add_argument(
        "model", type=path_flag, metavar="MODEL", help="a run, a saved folder, hub:OWNER/NAME or an exported file"
    )
    evaluate.add_argument(
        "--data",
        type=path_flag,
        metavar="OTHER",
        help="the path of the data if they have moved, other data with the same tasks, or a recipe that names data",
    )
    evaluate.add_argument(
        "--split", choices=("test", "validation", "train"), default="test", help="the images to score, test by default"
    )
    evaluate.add_argument(
        "--at",
        choices=("scored", "truth"),
        default="scored",
        help="the size to score at: scored is data.size, the default; truth is the size of the labels in their files",
    )
    evaluate.add_argument(
        "--window",
        type=int,
        nargs=2,
        metavar=("H", "W"),
        help="predict each image, at data.size, in windows of this size that overlap by half, and average them",
    )
    add_tasks_flag(evaluate, "compute and score only these")
    evaluate.add_argument("--out", type=path_flag, metavar="FILE", help="file for the scores, in RUN by default")
    evaluate.add_argument("--device", help="auto, cpu, cuda, cuda:1 or mps; the recipe's by default")
    add_trust_flag(evaluate)


def _evaluate(given: Namespace) -> None:
    require_present_model(given.model)
    from afanet.evaluation.protocol import Protocol

    window = (given.window[0], given.window[1]) if given.window else None
    tasks = given_tasks(given)
    protocol = Protocol(given.data, given.split, given.at, window, None if tasks is None else tuple(tasks))
    if protocol.own and given.out is None and (given.model / "recipe.yaml").is_file():
        _evaluate_again(given)
        return
    from afanet.evaluation.evaluate import evaluate_by, evaluate_file
    from afanet.inference.formats import suffix_of
    from afanet.report.table import metrics_table
    from afanet.terminal import show

    if suffix_of(given.model):
        done, title = evaluate_file(given.model, protocol, given.device, given.out), given.model.name
    else:
        done = evaluate_by(given.model, protocol, given.device, given.out)
        title = short_name(done.method)
    show(metrics_table({title: done.scored.scores}, done.tasks, {title: done.scored.unscored}), keys=2)
    print(f"{title} on {done.images} images of {protocol}")
    if done.file is None:
        print(f"the scores are not kept ({given.model} is not a run folder): give --out FILE to keep them")
    else:
        print(f"written: {done.file}")


def _evaluate_again(given: Namespace) -> None:
    from afanet.training.run import evaluate

    run = evaluate(given.model, given.device)
    print_scores({short_name(run.results["method"]): run})
    if run.folder.finished:
        same = "identical" if run.scores == run.folder.read_results()["tasks"] else "NOT identical"
        print(f"{same} to {run.folder.metrics}, from the end of training")
