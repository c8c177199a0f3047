"""Folds of the data are repetitions, as seeds are: means, spreads and intervals over them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from afanet.cli.main import main
from afanet.comparison import tables
from afanet.comparison.compare import Comparison, compare_runs
from afanet.comparison.plan import by_methods, plan, read_folds
from afanet.comparison.resampling import Draw, by_fold, name_draws
from afanet.data import open_data
from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.runs.run import Run

from ..finished import Make

TASKS = open_data("digits", size=(32, 32), train_pairs=2, test_pairs=1).tasks
FIRST = next(iter(TASKS))
FOLDS, SEEDS = (0, 1, 2, 4), (0, 1, 2)


def scores(value: float) -> dict[str, dict[str, float]]:
    return {name: dict.fromkeys(task.higher_is_better, value) for name, task in TASKS.items()}


def accuracies(method: str) -> np.ndarray:
    """Made up, (folds, seeds); folds differ more than seeds do."""
    rng = np.random.default_rng({"single": 1, "hard": 2}[method])
    of_fold = np.random.default_rng(0).uniform(0.4, 0.8, (len(FOLDS), 1))
    return of_fold + rng.uniform(0, 0.05, (len(FOLDS), len(SEEDS))) + 0.02 * (method == "hard")


@pytest.fixture
def run_of(finished: Make) -> Callable[..., Run]:
    def make(method: str, fold: int | None, seed: int, value: float, content: str | None = None) -> Run:
        keys = {} if fold is None else {"data.options.fold": fold}
        return finished(method, seed, scores(value), content or f"fold {fold}", keys)

    return make


def compared(run_of: Callable[..., Run], seeds: tuple[int, ...]) -> Comparison:
    runs = [
        run_of(method, fold, seed, accuracies(method)[row, column])
        for method in ("hard", "single")
        for row, fold in enumerate(FOLDS)
        for column, seed in enumerate(seeds)
    ]
    return compare_runs(runs, TASKS)


def test_over_folds_alone_it_is_the_paired_t_interval_of_scipy(run_of: Callable[..., Run]) -> None:
    comparison = compared(run_of, (0,))
    single, hard = comparison.rows
    ours, theirs = accuracies("hard")[:, 0], accuracies("single")[:, 0]
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    change = hard.changes[FIRST]["accuracy"]
    assert (change.over, change.count) == ("folds", len(FOLDS))
    assert (change.low, change.high) == pytest.approx((expected.low, expected.high))
    assert hard.scores[FIRST]["accuracy"].mean == pytest.approx(ours.mean())
    assert hard.scores[FIRST]["accuracy"].deviation == pytest.approx(ours.std(ddof=1))
    assert single.group.draws == [Draw(fold, 0) for fold in FOLDS]
    gains = 100 * (ours - theirs) / theirs
    assert hard.delta_m["by_task"].mean == pytest.approx(gains.mean())
    assert hard.delta_m["by_task"].low == pytest.approx(gains.mean() - stats.t.ppf(0.975, 3) * stats.sem(gains))
    notes = tables.footnotes(comparison)
    assert notes[0] == "mean ± standard deviation over folds: folds 0, 1, 2, 4 with seed 0"
    assert any(note.startswith("intervals: Student's t over folds, paired with single task on") for note in notes)
    assert not any("fewer than three" in note or "over seeds" in note for note in notes)


def test_over_folds_and_seeds_each_fold_counts_once_in_intervals(run_of: Callable[..., Run]) -> None:
    comparison = compared(run_of, SEEDS)
    [_, hard] = comparison.rows
    ours, theirs = accuracies("hard"), accuracies("single")
    expected = stats.ttest_rel(ours.mean(1), theirs.mean(1)).confidence_interval(0.95)
    change = hard.changes[FIRST]["accuracy"]
    assert (change.over, change.count) == ("folds", len(FOLDS))
    assert (change.low, change.high) == pytest.approx((expected.low, expected.high))
    assert hard.scores[FIRST]["accuracy"].deviation == pytest.approx(ours.std(ddof=1))
    gains = (100 * (ours - theirs) / theirs).mean(1)
    assert hard.delta_m["by_task"].high == pytest.approx(gains.mean() + stats.t.ppf(0.975, 3) * stats.sem(gains))
    notes = tables.footnotes(comparison)
    assert notes[0] == "mean ± standard deviation over folds and seeds: folds 0, 1, 2, 4 with seeds 0, 1, 2"
    assert "each difference the mean over its seeds" in notes[1]


def test_over_seeds_of_one_fold_it_is_as_without_folds(run_of: Callable[..., Run]) -> None:
    values = accuracies("hard")[0]
    of_fold, without = (
        compare_runs(
            [run_of(m, fold, seed, values[seed] + (m == "hard") * 0.1) for m in ("single", "hard") for seed in SEEDS],
            TASKS,
        )
        for fold in (3, None)
    )
    assert of_fold.rows[1].changes == without.rows[1].changes
    assert of_fold.rows[1].delta_m == without.rows[1].delta_m
    assert tables.rows_csv(of_fold) == tables.rows_csv(without)
    assert tables.footnotes(of_fold)[0] == tables.footnotes(without)[0] == "seeds: single 3, hard 3"


def test_every_form_of_the_table_says_how_many_folds_and_seeds(run_of: Callable[..., Run]) -> None:
    comparison = compared(run_of, SEEDS)
    rows = list(csv.DictReader(io.StringIO(tables.rows_csv(comparison))))
    assert {(row["folds"], row["seeds"]) for row in rows} == {("4", "3")}
    assert {row["over"] for row in rows if row["method"] == "hard"} == {"folds"}
    [first, _] = json.loads(tables.as_json(comparison))["rows"]
    assert first["folds"] == [fold for fold in FOLDS for _ in SEEDS]
    assert first["seeds"] == list(SEEDS) * len(FOLDS)
    for form in (tables.markdown, tables.latex):
        assert "over folds and seeds" in form(comparison)


def test_pairs_are_of_common_folds_and_images_of_the_first_of_them(run_of: Callable[..., Run]) -> None:
    runs = [run_of("single", fold, 0, 0.5 + fold / 100) for fold in (0, 1, 2)]
    runs += [run_of("hard", fold, 0, 0.6) for fold in (1, 2, 3)]
    comparison = compare_runs(runs, TASKS)
    single, hard = comparison.rows
    assert single.group.runs[0].recipe.data.options["fold"] == hard.group.runs[0].recipe.data.options["fold"] == 1
    assert hard.changes[FIRST]["accuracy"].mean == pytest.approx(0.6 - 0.515)
    assert hard.changes[FIRST]["accuracy"].count == 2
    [note] = [note for note in comparison.notes if "only pairs in common are compared" in note]
    assert note.startswith("hard has folds 1, 2, 3 with seed 0, single has folds 1, 2, 0 with seed 0")


def test_a_fold_without_a_number_is_dropped_and_named(run_of: Callable[..., Run]) -> None:
    runs = [run_of(method, fold, 0, 0.5) for method in ("single", "hard") for fold in (0, 1, 2)]
    runs[4].results["tasks"][FIRST]["macro_f1"] = None
    comparison = compare_runs(runs, TASKS)
    change = comparison.rows[1].changes[FIRST]["macro_f1"]
    assert (change.count, change.dropped) == (2, 1)
    assert math.isnan(comparison.rows[1].scores[FIRST]["macro_f1"].mean)
    assert any(f"{FIRST} macro_f1 has no value in hard fold 1 with seed 0" in note for note in comparison.notes)


def test_runs_that_are_no_folds_of_one_another_are_refused(run_of: Callable[..., Run]) -> None:
    with pytest.raises(InputError, match="are the same run"):
        compare_runs([run_of("single", 1, 0, 0.5), run_of("single", 1, 0, 0.5)], TASKS)
    with pytest.raises(InputError, match="their methods have no fold in common"):
        compare_runs([run_of("single", 0, 0, 0.5), run_of("hard", 1, 0, 0.5)], TASKS)
    with pytest.raises(InputError, match="as two folds: the content of their data is the same"):
        compare_runs([run_of("single", None, 0, 0.5, "x"), run_of("single", 0, 0, 0.5, "x")], TASKS)
    with pytest.raises(InputError, match="the content of the data is x in the former and y in the latter"):
        compare_runs([run_of("single", 0, 0, 0.5, "x"), run_of("single", 0, 1, 0.5, "y")], TASKS)


def test_values_of_a_fold_are_averaged_without_those_that_are_no_numbers() -> None:
    draws = [Draw(fold, seed) for fold in (3, 1) for seed in (0, 1)]
    assert by_fold(draws, [1.0, math.nan, 4.0, 6.0]) == [1.0, 5.0]
    assert math.isnan(by_fold(draws, [math.nan, math.nan, 4.0, 6.0])[0])
    assert name_draws([Draw(None, 0), Draw(2, 0)]) == "folds default, 2 with seed 0"


def test_all_methods_of_one_fold_come_before_the_next(tmp_path: Path) -> None:
    variants = by_methods(load_recipe("adience", {"data.root": tmp_path, "seed": 5}), ["single", "hard"])
    planned = plan(variants, 2, tmp_path, (0, 3))
    assert [run.folder.path.name for run in planned] == [
        f"{method}-fold{fold}-seed{seed}" for fold in (0, 3) for seed in (5, 6) for method in ("single", "hard")
    ]
    assert [run.recipe.data.options["fold"] for run in planned] == [0] * 4 + [3] * 4


@pytest.mark.parametrize("text", ["", "0,0", "a", "1,", "-1", "0-4", "0,00"])
def test_folds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"--folds is .*, expected different folds with commas between them"):
        read_folds(text)


def write_faces(root: Path) -> Path:
    """Five folds of four people, of both genders and two ages each."""
    for fold in range(5):
        rows = ["user_id\toriginal_image\tface_id\tage\tgender\tx"]
        for person in range(4):
            user = f"{fold}{person}@N00"
            folder = root / "aligned" / user
            folder.mkdir(parents=True)
            colour = (250 * (person % 2), 40 * fold, 250 * (person // 2))
            Image.new("RGB", (12, 12), colour).save(folder / f"landmark_aligned_face.{person}.p.jpg", "PNG")
            rows.append(f"{user}\tp.jpg\t{person}\t{('(0, 2)', '(25, 32)')[person // 2]}\t{'fm'[person % 2]}\t0")
        (root / f"fold_{fold}_data.txt").write_text("\n".join(rows) + "\n")
    return root


@pytest.mark.usefixtures("tiny")
def test_the_commands_on_faces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("afanet.comparison.costs.measure_costs", lambda groups: None)  # minutes; tests/comparison
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 20)
    monkeypatch.setenv("COLUMNS", "200")
    out = tmp_path / "out"
    words = ["compare", "adience", "--data", str(write_faces(tmp_path / "faces")), "--methods", "single,hard"]
    words += ["--size", "16", "16", "--epochs", "1", "--batch-size", "4", "--workers", "0", "--device", "cpu"]
    words += ["--precision", "float32", "--out", str(out)]
    assert main([*words, "--folds", "0,7"]) == 2
    assert "'fold' of data set 'adience' is 7" in capsys.readouterr().err
    assert not out.exists()
    assert main([*words, "--folds", "0,1", "--fold", "2"]) == 2
    assert "--folds and --fold were given" in capsys.readouterr().err
    assert main([*words, "--folds", "0,2,4", "--jobs"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6
    assert main([*words, "--folds", "0,2,4"]) == 0
    said = capsys.readouterr()
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == [
        f"{method}-fold{fold}-seed0" for method in ("hard", "single") for fold in (0, 2, 4)
    ]
    assert "mean ± standard deviation over folds: folds 0, 2, 4 with seed 0" in said.out
    kept = json.loads((out / "comparison.json").read_text())["rows"]
    for row in kept:
        values = [
            json.loads((Path(run) / "metrics.json").read_text())["tasks"]["age"]["accuracy"] for run in row["runs"]
        ]
        assert row["scores"]["age"]["accuracy"]["mean"] == pytest.approx(np.mean(values))
        assert row["folds"] == [0, 2, 4]
    runs = [run for row in kept for run in row["runs"]]
    assert main([*words, "--folds", "0,2,4"]) == 0
    assert capsys.readouterr().err.count("there already") == 6
    assert main(["report", *runs, "--out", str(tmp_path / "page.html")]) == 0
    assert "mean ± standard deviation over folds: folds 0, 2, 4 with seed 0" in capsys.readouterr().out
    assert "over folds" in (tmp_path / "page.html").read_text()
