"""The demo: two methods on generated rooms, side by side, in minutes on two cores."""

from __future__ import annotations

from pathlib import Path

from afanet.errors import InputError
from afanet.files import write_whole
from afanet.progress import say
from afanet.recipe.load import load_recipe
from afanet.report.pictures import draw_predictions
from afanet.runs.examples import predict_examples
from afanet.runs.folder import RunFolder
from afanet.runs.run import Run
from afanet.training.run import train

MARK = "afanet-demo.txt"
PICTURE = "predictions.png"


def run_demo(folder: Path) -> dict[str, Run]:
    """Train single-task networks and AFA by the recipe `rooms`, and draw their predictions for held-out scenes.

    It continues an earlier demo in `folder`, and scores a finished one again. Raises `InputError` for a folder that
    holds anything else, or a demo of another version.
    """
    if folder.exists() and not (folder / MARK).is_file():
        raise InputError(f"{folder} exists and is not the folder of an earlier demo: remove it, or run demo elsewhere")
    write_whole(folder / MARK, f"Made by `afanet demo`, which continues here; remove {folder} to start again.\n")
    runs = {}
    for method in ("single", "afa"):
        run = folder / method
        there = ": already trained" if RunFolder(run).finished else ""
        say(f"\n{method}{there}")
        try:
            runs[method] = train(load_recipe("rooms", {"network.method": method}), run, resume=True)
        except InputError as error:
            raise InputError(f"{error} (remove {folder} to start the demo again)") from None
    examples = {method: predict_examples(run) for method, run in runs.items()}
    predictions = {method: of_method.predictions for method, of_method in examples.items()}
    draw_predictions(
        folder / PICTURE, examples["afa"].samples, runs["afa"].tasks, predictions, examples["afa"].normalisation
    )
    return runs
