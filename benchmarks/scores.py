"""The scores of packed runs as rows: writes `docs/results/scores.csv`, and the copy that `afanet results` prints.

    python benchmarks/does_afa_help.py pack runs/NAME   # and `tables`, first
    python benchmarks/scores.py

Rows of comparisons of which no runs are packed stay as they are.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import afanet.results
from afanet.results import Score, read_results, results_csv
from does_afa_help import CONFIGS, ENSEMBLE, RESULTS

ORIGINAL, COPY = RESULTS / "scores.csv", Path(afanet.results.__file__).with_suffix(".csv")


def packed_scores(folder: Path) -> list[Score]:
    """The scores of all runs that are packed in a folder, and those of the ensemble as means; single task is first."""
    packed = [packed_configs(file) for file in sorted(folder.glob("*seed*.npz"))]
    names = sorted({name for configs in packed for name in configs}, key=lambda name: (name != "single", name))
    scores = [
        score
        for name in names
        for configs in packed
        if name in configs
        for score in scores_of(folder, name, configs[name])
    ]
    return [*scores, *ensemble(folder, scores)]


def packed_configs(file: Path) -> dict[str, dict[str, Any]]:
    """The settings and scores of the runs of a seed, by name."""
    with np.load(file, allow_pickle=False) as stored:
        configs: dict[str, dict[str, Any]] = json.loads(str(stored[CONFIGS]))
    return configs


def scores_of(folder: Path, name: str, config: dict[str, Any]) -> Iterator[Score]:
    """The scores of one run."""
    recipe, versions = config["recipe"], config["versions"]
    method, fold = recipe["network"]["method"], recipe["data"]["options"].get("fold")
    for task, described in config["tasks"].items():
        for metric, higher in described["higher_is_better"].items():
            yield Score(
                comparison=folder.name,
                data=recipe["data"]["name"],
                size="x".join(map(str, recipe["data"]["size"])),
                backbone=recipe["network"]["backbone"],
                method=method,
                variant="" if name == method else name,
                seeds=(recipe["seed"],),
                folds=() if fold is None else (fold,),
                task=task,
                metric=metric,
                better="higher" if higher else "lower",
                score=config["scores"][task][metric],
                sd=None,
                parameters=config["parameters"],
                flops=config["flops"],
                steps=config["steps"],
                afanet=versions["afanet"],
                torch=versions["torch"],
            )


def ensemble(folder: Path, scores: list[Score]) -> Iterator[Score]:
    """The means of the ensemble, which is no run, from the table of the comparison."""
    seeds = tuple(sorted({score.seeds[0] for score in scores}))
    alike = {(score.task, score.metric): score for score in scores}
    with folder.with_suffix(".csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["method"] == ENSEMBLE:
                assert int(row["seeds"]) == len(seeds)
                kept = {
                    "score": float(row["mean"]),
                    "sd": float(row["sd"]),
                    "seeds": seeds,
                    "method": ENSEMBLE,
                    "variant": "",
                }
                costs = dict.fromkeys(("parameters", "flops", "steps"))
                yield replace(alike[row["task"], row["metric"]], **kept, **costs)


def main() -> None:
    """Write both files."""
    folders = sorted(path for path in RESULTS.iterdir() if path.is_dir())
    names = [folder.name for folder in folders]
    others = [score for score in read_results() if score.comparison not in names]
    text = results_csv([*(score for folder in folders for score in packed_scores(folder)), *others])
    for file in (ORIGINAL, COPY):
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
