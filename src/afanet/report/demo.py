"""The demonstration: two methods on generated rooms, side by side, in minutes on two cores."""

from __future__ import annotations

import shutil
from pathlib import Path

from afanet.errors import InputError
from afanet.report.pictures import draw_predictions
from afanet.training.load import load_recipe
from afanet.training.progress import say
from afanet.training.run import Run, train

MARK = "afanet-demo.txt"
PICTURE = "predictions.png"


def run_demo(folder: Path) -> dict[str, Run]:
    """Train single-task networks and AFA by the recipe `rooms`, and draw what both predict for held-out scenes.

    An earlier demonstration in `folder` is replaced. Raises `InputError` where something else stands there.
    """
    if folder.exists() and not (folder / MARK).is_file():
        raise InputError(f"{folder} exists and is no folder of an earlier demo: remove it, or run demo elsewhere")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("Made by `afanet demo`, which replaces this folder when it runs again.\n")
    runs = {}
    for method in ("single", "afa"):
        say(f"\n{method}")
        runs[method] = train(load_recipe("rooms", {"network.method": method}), folder / method)
    afa = runs["afa"]
    predictions = {method: run.predictions for method, run in runs.items()}
    draw_predictions(folder / PICTURE, afa.examples, afa.tasks, predictions)
    return runs
