"""What the benchmarks share, and that the tables of `docs/results` are those of what is packed there."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from afanet.tasks import Description, read_task

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def timing(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What the benchmarks share."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("timing")


def test_variants_take_turns_and_the_first_rounds_do_not_count(
    timing: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, order = iter(range(1000)), list[str]()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: float(next(clock)))
    turns = timing.in_turns({name: lambda name=name: order.append(name) for name in "ab"}, 3, "cpu")
    assert order == list("ab" * (timing.WARM_UP + 3))
    assert turns.seconds == {"a": [1.0] * 3, "b": [1.0] * 3}
    assert {name: len(taken) for name, taken in turns.processor.items()} == {"a": 3, "b": 3}
    assert turns.steadier("cpu") is turns.processor
    assert turns.steadier("cuda") is turns.seconds


def test_ratios_are_of_the_same_round(timing: ModuleType) -> None:
    times = {"a": [2.0, 8.0, 3.0], "b": [1.0, 2.0, 1.0]}
    assert timing.ratios(times, "a", "b") == [2.0, 4.0, 3.0]
    assert timing.spread(timing.ratios(times, "a", "b"), 2) == "3.00 (2.00 to 4.00)"


def test_a_step_is_one_of_sgd_with_momentum(timing: ModuleType) -> None:
    class Two(nn.Linear):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"a": super().forward(x), "b": 2 * super().forward(x)}

    x = torch.ones(1, 1)
    network, weight = Two(1, 1, bias=False), 3.0
    nn.init.constant_(network.weight, weight)
    step, momentum = timing.training_step(network, x), 0.0
    for _ in range(2):
        step()
        momentum = 0.9 * momentum + 10 * weight  # d/dw of w^2 + (2 w)^2
        weight -= 1e-3 * momentum
        assert network.weight.item() == pytest.approx(weight)


def _lines(count: int) -> Iterator[str]:
    return (f"| {number} |\n" for number in range(count))


def test_a_table_replaces_the_one_on_the_page(timing: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n")
    timing.put_on(page, _lines(1))
    page.write_text(page.read_text() + "\nafter\n")
    timing.put_on(page, _lines(2))
    assert page.read_text() == f"before\n{timing.START}| 0 |\n| 1 |\n{timing.END}\nafter\n"


@pytest.fixture
def evidence(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script that packs scores by image and makes the tables of `docs/results` from them."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("does_afa_help")


def test_what_is_packed_gives_the_scores_that_the_runs_have(evidence: ModuleType) -> None:
    file = min(evidence.RESULTS.glob("*/*seed*.npz"))
    configs, arrays = evidence.read_packed(file)
    assert file.stat().st_size < 2**20
    for name, config in configs.items():
        tasks = {task: read_task(Description.from_json(task, kept)) for task, kept in config["tasks"].items()}
        scores = evidence.scores_of(name, SimpleNamespace(tasks=tasks), arrays)
        for task, kept in config["scores"].items():
            found = scores[task].compute()
            if "median" in kept:  # of a histogram that is packed in coarse bins
                assert found.pop("median") == pytest.approx(kept.pop("median"), abs=0.1)
            assert found == pytest.approx(kept, rel=1e-4), (name, task)


@pytest.mark.usefixtures("evidence")
def test_the_rows_are_those_of_what_is_packed() -> None:
    scores = importlib.import_module("scores")
    folders = sorted(filter(Path.is_dir, scores.RESULTS.iterdir()))
    rows = [row for folder in folders for row in scores.packed_scores(folder)]
    kept = scores.ORIGINAL.read_text(encoding="utf-8")
    assert len(rows) > 100
    assert kept.startswith(scores.results_csv(rows)), "run benchmarks/scores.py"


def test_a_coarse_histogram_keeps_its_counts_within_and_up_to_the_ends_of_its_bins(evidence: ModuleType) -> None:
    counts = np.random.default_rng(0).integers(0, 5, (3, evidence.FINE))
    coarse = counts.reshape(3, evidence.COARSE, -1).sum(2)
    spread = evidence.fine(coarse)
    assert np.array_equal(spread.reshape(3, evidence.COARSE, -1).sum(2), coarse)
    assert spread.max() - spread.min() <= 4
    assert np.array_equal(evidence.fine(coarse[:, :13]), coarse[:, :13])


@pytest.mark.slow
def test_the_tables_are_those_of_what_is_packed(evidence: ModuleType, tmp_path: Path) -> None:
    for folder in filter(Path.is_dir, evidence.RESULTS.iterdir()):
        place = tmp_path / folder.name
        place.mkdir()
        comparison = evidence.compared(folder, place)
        assert evidence.rows_csv(comparison) == (evidence.RESULTS / f"{folder.name}.csv").read_text()


@pytest.mark.slow
def test_the_measurements_on_a_gpu_run_dry(timing: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS / "gpu"))
    monkeypatch.setenv("AFANET_CACHE", str(tmp_path / "cache"))
    measure = importlib.import_module("measure")
    found = measure.measure(tmp_path / "out", measure.DRY, minutes=8)
    assert list(found) == [part.__name__ for part in measure.PARTS]
    kept = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert kept["steps"] == found["steps"]
    assert kept["steps"]["afa bf16 CUDA graphs"]["steps/s"] > 0
    assert "| cache | steps/s" in (tmp_path / "out" / "gpu.md").read_text()
    assert not measure.measure(tmp_path / "late", measure.DRY, minutes=-1)
