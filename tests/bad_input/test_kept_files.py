"""What a run keeps beside its weights is read or refused by the file's name, whatever somebody did to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from afanet.comparison import tables
from afanet.comparison.compare import compare_runs
from afanet.json_text import read_json
from afanet.report.page import _log
from afanet.runs.kept import read_costs
from afanet.runs.run import load_run
from afanet.tasks import Classification, Depth, Description, Task
from afanet.training.records.log import _forget_after

from ..finished import Make
from .mutations import mutate, refusal, scrambled

TASKS: dict[str, Task] = {"depth": Depth(), "age": Classification("age", ["young", "old"])}
COSTS = {"costs": {"step_s": 0.1, "memory_mib": 100.0}, "measured": {"device": "cpu", "threads": 1}}
LOG = b"epoch,step,seconds,loss/depth,loss\r\n1,2,0.5,1.25,2.5\r\n2,4,1.0,1.0,2.0\r\n"


def compared(path: Path) -> None:
    run = load_run(path)
    if run.described:
        comparison = compare_runs([run], run.tasks)
        assert all(form(comparison) for form in tables.FORMS.values())


def test_metrics(finished: Make) -> None:
    scores: dict[str, Any] = {name: dict.fromkeys(task.higher_is_better, 0.5) for name, task in TASKS.items()}
    run = finished("afa", 0, scores)
    described = {name: Description.of(task).as_json() for name, task in TASKS.items()}
    whole = json.loads(run.folder.metrics.read_text()) | {"described": described, "versions": {"afanet": "0.1.0"}}
    for seed in range(250):
        run.folder.metrics.write_text(json.dumps(mutate(whole, seed)))
        said = refusal(compared, run.path)
        assert said is None or run.path.name in said or "task '" in said


def test_costs(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    for seed in range(300):
        file.write_text(json.dumps(mutate(COSTS, seed)))
        said = refusal(read_costs, file)
        assert said is None or str(file) in said


def test_json_texts(tmp_path: Path) -> None:
    file = tmp_path / "kept.json"
    for seed in range(500):
        file.write_bytes(scrambled(json.dumps(COSTS).encode(), seed))
        said = refusal(read_json, file)
        assert said is None or str(file) in said


def test_logs(tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    for seed in range(400):
        file.write_bytes(scrambled(LOG, seed))
        for said in (refusal(_log, file), refusal(_forget_after, file, 2)):
            assert said is None or str(file) in said
