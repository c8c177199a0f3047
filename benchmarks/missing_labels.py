"""What teachers win back on NYUv2: half of the depth labels hidden, and six tasks taught by single-task networks.

    python benchmarks/missing_labels.py --data FOLDER --weights FILE [--seeds 3] [--epochs 4] [--out runs/missing]

The frames are written as a manifest of images at 144x192, with six tasks: segmentation of 13 classes, depth, normals
that follow from depth, the edges between classes, which classes cover a hundredth of the image, and the median
distance. Half of the training images, the same for every seed, lose their depth in a second table. Every run is a
command of its own, one after the other; one whose folder holds its scores already is not trained again. Scores are of
the last epoch on the test split.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from afanet.data import open_data
from afanet.data.transforms import to_pixels

SIZE = (144, 192)
FOLDERS = ("images", "segmentation", "depth", "normals", "edges")
VOID = 255
SIX = ["segmentation", "depth", "normals", "edges", "contents", "distance"]
SCORES = {
    "segmentation": "miou",
    "depth": "abs",
    "normals": "mean",
    "edges": "miou",
    "contents": "macro_f1",
    "distance": "mae",
}


def write_tables(source: Path, folder: Path) -> list[str]:
    """Write images, label files, `all.csv` and `half.csv`; returns the names of the classes."""
    data = open_data("nyuv2", source, SIZE, classes=13, normals=True, augment=False)
    names = list(data.tasks["segmentation"].names)
    if (folder / "half.csv").exists():
        return names
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows = []
    for split, samples in (("train", data.train), ("test", data.test)):
        for index in range(len(samples)):
            sample, file = samples[index], f"{split}_{index:04d}.png"
            targets = sample["targets"]
            classes = targets["segmentation"].numpy().astype(np.uint8)
            metres = targets["depth"][0].numpy()
            normals = targets["normals"].numpy().transpose(1, 2, 0)
            pictures = {
                "images": to_pixels(sample["image"]),
                "segmentation": classes,
                "depth": (metres * 1000).round().astype(np.uint16),
                "normals": ((normals + 1) * 127.5).round().clip(0, 255).astype(np.uint8),
                "edges": edges(classes),
            }
            for name, pixels in pictures.items():
                Image.fromarray(pixels).save(folder / name / file)
            counts = np.bincount(classes[classes != VOID], minlength=len(names))
            contents = ";".join(names[number] for number in np.flatnonzero(counts >= classes.size / 100)) or "-"
            cells = {name: f"{name}/{file}" for name in FOLDERS[1:]}
            distance = f"{np.median(metres[metres > 0]):.3f}"
            rows.append(
                {"image": f"images/{file}", "split": split, **cells, "contents": contents, "distance": distance}
            )
    train = [number for number, row in enumerate(rows) if row["split"] == "train"]
    hidden = set(random.Random(18).sample(train, len(train) // 2))
    write(folder / "all.csv", rows)
    write(folder / "half.csv", [row | ({"depth": ""} if number in hidden else {}) for number, row in enumerate(rows)])
    return names


def edges(classes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """1 on both sides of a border between two classes, 0 elsewhere, 255 where nothing is known."""
    known = classes != VOID
    drawn = np.where(known, 0, VOID).astype(np.uint8)
    for one, other in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        border = (classes[one] != classes[other]) & known[one] & known[other]
        for side in (one, other):
            drawn[side][border] = 1
    return drawn


def write(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def write_recipe(given: argparse.Namespace, classes: list[str]) -> Path:
    """The recipe of all runs: hard sharing, `mlp` heads for maps."""
    tasks = {
        "segmentation": {"kind": "segmentation", "classes": classes},
        "depth": {"kind": "depth", "scale": 0.001, "max": 10},
        "normals": {"kind": "normals"},
        "edges": {"kind": "segmentation", "classes": ["inside", "edge"]},
        "contents": {"kind": "multi_label", "labels": classes},
        "distance": {"kind": "regression", "range": [0, 8], "unit": "m"},
    }
    options = {"manifest": "all.csv", "tasks": tasks}
    recipe = {
        "name": "missing",
        "data": {"name": "manifest", "root": "data", "size": list(given.size), "options": options},
        "network": {"method": "hard", "backbone": given.backbone, "weights": str(given.weights.absolute())},
        "optimizer": {"name": "adamw", "lr": 0.0003, "head": 3, "weight_decay": 0.01},
        "schedule": {"name": "poly", "warmup": 0.05},
        "epochs": given.epochs, "batch_size": 8, "device": "cpu", "precision": "float32", "workers": 0,
    }  # fmt: skip
    file: Path = given.out / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return file


def train(out: Path, recipe: Path, tasks: list[str], *flags: str) -> dict[str, float]:
    """Train a run, or read it; returns the score of each task."""
    if not (out / "metrics.json").exists():
        heads = [word for task in tasks if task in FOLDERS for word in (f"--network.head.{task}", "mlp")]
        afanet("train", str(recipe), "--tasks", *tasks, *heads, *flags, "--out", str(out))
    scores = json.loads((out / "metrics.json").read_text())["tasks"]
    return {task: float(scores[task][SCORES[task]]) for task in tasks}


def afanet(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "afanet", *words], check=True, stdout=subprocess.DEVNULL)


def half_of_depth(given: argparse.Namespace, recipe: Path, seed: int) -> dict[str, dict[str, float]]:
    """All labels; half of depth hidden; the same with a teacher that was trained on the half that is left."""
    both, half = ["segmentation", "depth"], ["--data.options.manifest", "half.csv"]
    out, of_seed = given.out, ["--seed", str(seed)]
    teacher = out / f"teacher-{seed}"
    alone = ["--method", "single", "--epochs", str(2 * given.epochs)]
    scores = {
        "all labels": train(out / f"all-{seed}", recipe, both, *of_seed),
        "half of depth hidden": train(out / f"half-{seed}", recipe, both, *of_seed, *half),
        "the teacher of depth": train(teacher, recipe, ["depth"], *of_seed, *half, *alone),
        "half, distilled": train(out / f"distil-{seed}", recipe, both, *of_seed, *half, "--distill", str(teacher)),
    }
    table = out / "data" / f"fill-{seed}.csv"
    if not table.exists():
        table.write_bytes((out / "data/half.csv").read_bytes())
        afanet("label", str(teacher), "--out", str(table), "--fill", "--tasks", "depth", "--device", "cpu")
    filled = ["--data.options.manifest", table.name]
    return scores | {"half, filled by `label`": train(out / f"fill-{seed}", recipe, both, *of_seed, *filled)}


def six_tasks(given: argparse.Namespace, recipe: Path, seed: int) -> dict[str, dict[str, float]]:
    """Six single-task networks of seed 0; one network from labels; one from labels and these teachers."""
    teachers, of_seed = given.out / "six-teachers", ["--seed", str(seed)]
    taught = ["--distill", str(teachers), "--distill-weight", "1"]
    return {
        "six single-task networks": train(teachers, recipe, SIX, "--method", "single"),
        "one network, from labels": train(given.out / f"six-labels-{seed}", recipe, SIX, *of_seed),
        "one network, labels and teachers": train(given.out / f"six-student-{seed}", recipe, SIX, *of_seed, *taught),
    }


def main() -> None:
    """Train what is missing and print two tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 128))
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/missing"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    recipe = write_recipe(given, write_tables(given.data, given.out / "data"))
    for study, tasks in ((half_of_depth, SIX[:2]), (six_tasks, SIX)):
        runs = [study(given, recipe, seed) for seed in range(given.seeds)]
        print(f"\n| | {' | '.join(f'{task}: {SCORES[task]}' for task in tasks)} |\n|{' --- |' * (len(tasks) + 1)}")
        for name in runs[0]:
            cells = []
            for task in tasks:
                values = [run[name][task] for run in runs if task in run[name]]
                spread = f" ± {statistics.stdev(values):.4f}" if len(set(values)) > 1 else ""
                cells.append(f"{statistics.mean(values):.4f}{spread}" if values else "")
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
