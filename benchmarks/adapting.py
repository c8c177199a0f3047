"""A backbone on NYUv2 frozen, with adapters and fine-tuned: scores, trained parameters, time and memory in one table.

    python benchmarks/adapting.py --data FOLDER --weights FILE [--seeds 3] [--epochs 4] [--out runs/adapting]

Each row is hard sharing of segmentation and depth on one backbone that starts from the weights, trained by
`afanet train nyuv2` in a process of its own, one after the other. Scores are of the last epoch on the test split, mean
and standard deviation over the seeds; the processor time and the most memory are those of the whole process, scoring
included. A run whose folder holds its scores already is not trained again.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from afanet import load_run
from afanet.runs.setup import build_network

WAYS = {
    "frozen": ["--freeze", "backbone"],
    "norms frozen": ["--freeze", "norms"],
    "adapters, rank 16": ["--network.lora.rank", "16", "--network.lora.where", "all"],
    "fine-tuned": [],
}
SCORES = {"mIoU, % ↑": ("segmentation", "miou", 100), "absolute error, m ↓": ("depth", "abs", 1)}


def train(name: str, seed: int, given: argparse.Namespace) -> dict[str, float]:
    """Train one run, or read it; returns its scores, trained parameters, seconds and MiB."""
    out = given.out / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
    kept = out / "adapting.json"
    if not kept.exists():
        size, epochs, weights = map(str, given.size), str(given.epochs), str(given.weights)
        command = [sys.executable, "-m", "afanet", "train", "nyuv2", "--data", str(given.data), "--out", str(out)]
        command += ["--method", "hard", "--backbone", given.backbone, "--weights", weights, "--network.head", "mlp"]
        command += ["--size", *size, "--epochs", epochs, "--workers", "0", "--seed", str(seed), *WAYS[name]]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{' '.join(command)} failed")
        seconds = used.ru_utime + used.ru_stime
        costs = {"processor s": seconds, "MiB": used.ru_maxrss / 1024, "trained": trained(out)}
        kept.write_text(json.dumps(costs))
    metrics: dict[str, Any] = json.loads((out / "metrics.json").read_text())["tasks"]
    values = {label: scale * metrics[task][key] for label, (task, key, scale) in SCORES.items()}
    return values | json.loads(kept.read_text())


def trained(path: Path) -> int:
    """How many values of a run's network were trained."""
    run = load_run(path)
    network = build_network(run.recipe, run.tasks, weights="none")
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def main() -> None:
    """Train what is missing and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--size", type=int, nargs=2, default=(96, 128))
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=["frozen", "adapters, rank 16", "fine-tuned"])
    parser.add_argument("--out", type=Path, default=Path("runs/adapting"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    columns = [*SCORES, "trained", "processor s", "MiB"]
    print(f"| | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 1)}", flush=True)
    for name in given.ways:
        runs = [train(name, seed, given) for seed in range(given.seeds)]
        cells = []
        for label in SCORES:
            values = [run[label] for run in runs]
            spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.3f}{spread}")
        cells += [f"{runs[0]['trained'] / 1e6:.2f} M"]
        cells += [f"{statistics.median(run[label] for run in runs):.0f}" for label in ("processor s", "MiB")]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
