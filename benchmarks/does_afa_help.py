"""Does sharing help? What finished runs said of each test image, packed, and the tables of `docs/results` from it.

    afanet compare ... --two-stage --out runs/NAME          # docs/results.md has the commands
    python benchmarks/does_afa_help.py pack runs/NAME       # writes docs/results/NAME/seedS.npz, or foldF-seedS.npz
    python benchmarks/does_afa_help.py gates runs/NAME      # adds to docs/results/NAME-gates.csv and NAME-state.csv
    python benchmarks/does_afa_help.py tables               # writes docs/results/NAME.csv of all that is packed

A packed seed has, for each run, its recipe and settings and, for each test image, what it adds to each metric; so seeds
may come from several machines and days. What is packed already stays, unless a run of the same name is there anew. The
histograms of angles are packed in bins of 1.25 degrees, for size: the shares of pixels below 11.25, 22.5 and 30 degrees
stay as they are, and the median is taken as if the angles of a bin lay evenly in it.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from afanet.comparison.compare import Comparison, compare_runs
from afanet.comparison.ensemble import ensemble_scores
from afanet.comparison.image_file import read_image_scores
from afanet.comparison.images import ImageScores
from afanet.comparison.look import look
from afanet.comparison.plan import folder_of
from afanet.comparison.resampling import Draw, several_folds
from afanet.comparison.tables import rows_csv
from afanet.inspection.constant import ConstantGates, inspect_constant
from afanet.inspection.gates import GateFacts
from afanet.json_text import to_json
from afanet.runs.config import config_of, read_config
from afanet.runs.folder import RunFolder
from afanet.runs.loaded import TaskPredictor
from afanet.runs.run import Run, load_run

RESULTS = Path(__file__).parents[1] / "docs" / "results"
ENSEMBLE, CONFIGS = "ensemble", "runs"
FINE, COARSE = 18_000, 144  # bins of the histogram of a normal's angle: as it is counted, and as it is packed
Arrays = dict[str, NDArray[Any]]


class Packed(NamedTuple):
    """The runs of one seed and fold: the settings of each by name, and arrays by `RUN.TASK.METRIC.STATE`."""

    configs: dict[str, dict[str, Any]]
    arrays: Arrays


def finished(out: Path) -> Iterator[tuple[str, Run]]:
    """The runs of a comparison with their names, without its first stages."""
    for folder in sorted(out.glob("*-seed*")):
        if not folder.name.startswith(("first-stage", ENSEMBLE)) and RunFolder(folder).finished:
            run = load_run(folder)
            yield folder.name.removesuffix(f"-{title(Draw.of(run.recipe))}"), run


def title(draw: Draw) -> str:
    """A seed, or a fold and a seed, as the names of run folders end."""
    return folder_of(Path(), "", draw).path.name.removeprefix("-")


def pack(out: Path) -> None:
    """Pack all finished runs of a comparison, by seed and fold, and the ensembles of those of single task."""
    packed: dict[Draw, Packed] = {}
    singles = []
    for name, run in finished(out):
        draw = Draw.of(run.recipe)
        of_draw = packed.setdefault(draw, read_packed(file_of(out.name, draw)))
        of_draw.configs[name] = config_of(run)
        kept = read_image_scores(run, run.tasks) or look(TaskPredictor(run, run.tasks), run.data())
        of_draw.arrays.update(arrays_of(name, kept.scores))
        singles += [run] if name == "single" else []
    for draw, scores in ensemble_scores(singles).items():
        packed[draw].arrays.update(arrays_of(ENSEMBLE, scores))
    for draw, (configs, arrays) in packed.items():
        file = file_of(out.name, draw)
        file.parent.mkdir(parents=True, exist_ok=True)
        together: dict[str, Any] = arrays | {CONFIGS: np.array(to_json(configs))}
        np.savez_compressed(file, **together)
        print(f"{file}: {', '.join(configs)}; {file.stat().st_size / 2**10:.0f} KiB")


def file_of(name: str, draw: Draw) -> Path:
    """Where a seed and fold of a comparison is packed."""
    return RESULTS / name / f"{title(draw)}.npz"


def arrays_of(name: str, scores: dict[str, ImageScores]) -> Arrays:
    """What each image adds, as narrow as can be: counts exactly, sums of errors in float32."""
    arrays = {}
    for task, of_task in scores.items():
        for state, values in of_task.states.items():
            array = values.numpy()
            if array.shape[1:] == (FINE,):
                array = array.reshape(len(array), COARSE, -1).sum(2)
            kind = np.min_scalar_type(array.max()) if array.dtype.kind in "iu" and array.min() >= 0 else array.dtype
            arrays[f"{name}.{task}.{state}"] = array.astype(np.float32 if kind == np.float64 else kind)
    return arrays


def read_packed(file: Path) -> Packed:
    """What is packed in a file; nothing where there is none."""
    if not file.exists():
        return Packed({}, {})
    with np.load(file, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return Packed(json.loads(str(arrays.pop(CONFIGS))), arrays)


def tables() -> None:
    """Compare what is packed, and write a table for each comparison."""
    for folder in sorted(path for path in RESULTS.iterdir() if path.is_dir()):
        with tempfile.TemporaryDirectory() as place:
            comparison = compared(folder, Path(place))
            RESULTS.joinpath(f"{folder.name}.csv").write_text(rows_csv(comparison))
        print(folder.name, *comparison.notes, sep="\n  ")


def compared(folder: Path, place: Path) -> Comparison:
    """The comparison of what is packed in a folder, unpacked into `place`."""
    runs, looked, ensemble = unpack(folder, place)
    if several_folds([Draw.of(run.recipe) for run in runs]):  # whose test images differ
        first = Draw.of(runs[0].recipe)
        looked = {run.path: looked[run.path] for run in runs if Draw.of(run.recipe) == first}
    return compare_runs(runs, runs[0].tasks, looked, ensemble=ensemble)


def unpack(
    folder: Path, place: Path
) -> tuple[list[Run], dict[Path, dict[str, ImageScores]], dict[Draw, dict[str, ImageScores]]]:
    """The packed runs as runs in `place`, their image scores by folder, and those of the ensemble."""
    runs, looked, ensemble = [], {}, {}
    for file in sorted(folder.glob("*seed*.npz")):
        configs, arrays = read_packed(file)
        for name, config in configs.items():
            path = place / f"{name}-{file.stem}"
            path.mkdir()
            (path / "config.json").write_text(to_json(config))
            run = Run(RunFolder(path), *read_config(path / "config.json"))
            runs.append(run)
            looked[path] = scores_of(name, run, arrays)
        if any(name.startswith(f"{ENSEMBLE}.") for name in arrays):
            ensemble[Draw.of(run.recipe)] = scores_of(ENSEMBLE, run, arrays)
    return runs, looked, ensemble


def scores_of(name: str, run: Run, arrays: Arrays) -> dict[str, ImageScores]:
    """The image scores of a packed run; of the ensemble with the tasks of any run."""
    scores = {}
    for task in run.tasks.values():
        kinds, start = ImageScores(task).kinds, f"{name}.{task.name}."
        states = {state: torch.from_numpy(fine(arrays[start + state])).to(kind.dtype) for state, kind in kinds.items()}
        scores[task.name] = ImageScores.restored(task, states)
    return scores


def fine(array: NDArray[Any]) -> NDArray[Any]:
    """A packed histogram, the counts of each bin spread evenly over those that it is made of; others as they are."""
    if array.shape[1:] != (COARSE,):
        return array
    upto = np.arange(FINE // COARSE + 1) * array[..., None].astype(np.int64) // (FINE // COARSE)
    return np.diff(upto).reshape(len(array), FINE)


def gates(out: Path) -> None:
    """Score every run whose gates can be replaced with constant ones, and say in which state its gates are."""
    for name, run in finished(out):
        if run.recipe.network.method.startswith("afa"):
            found = inspect_constant(TaskPredictor(run, run.tasks), run.data())
            key = {"run": name, "draw": title(Draw.of(run.recipe))}
            add_rows(RESULTS / f"{out.name}-gates.csv", key, list(replaced(found, run)))
            add_rows(RESULTS / f"{out.name}-state.csv", key, [state(facts) for facts in found.facts])


def replaced(found: ConstantGates, run: Run) -> Iterator[dict[str, Any]]:
    """A row for each task: its main metric with its own gates, and the changes with others."""
    for task in run.tasks.values():
        metric = task.main_metric
        row: dict[str, Any] = {"task": task.name, "metric": metric, "own": found.own[task.name][metric]}
        for kind, other in (("constant", found.constant), ("exchanged", found.exchanged)):
            change = other.changes[task.name][metric]
            row |= {kind: change.mean, f"{kind}_low": change.low, f"{kind}_high": change.high}
        yield row


def state(facts: GateFacts) -> dict[str, Any]:
    """The state of the gates of a kind at a layer, with a column for each quantile."""
    row = asdict(facts)
    low, middle, high = row.pop("quantiles")
    return row | {"q05": low, "q50": middle, "q95": high}


def add_rows(file: Path, key: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """Write rows under `key` into a table, in the place of those that it has for it."""
    old: list[dict[str, Any]] = []
    if file.exists():
        with file.open(newline="") as stream:
            old = [row for row in csv.DictReader(stream) if any(row[name] != str(value) for name, value in key.items())]
    new = [{name: _cell(value) for name, value in (key | row).items()} for row in rows]
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(new[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted([*old, *new], key=lambda row: (str(row["run"]), str(row["draw"]))))


def _cell(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def main() -> None:
    """Do what the first word says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["pack", "gates", "tables"])
    parser.add_argument("out", type=Path, nargs="?", help="the folder of a comparison, whose name the tables have")
    given = parser.parse_args()
    if given.what == "tables":
        tables()
    elif given.out is None:
        parser.error(f"{given.what} needs the folder of a comparison")
    else:
        {"pack": pack, "gates": gates}[given.what](given.out)


if __name__ == "__main__":
    main()
