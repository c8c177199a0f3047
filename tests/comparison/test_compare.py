"""Runs side by side, from made-up scores."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from afanet.comparison import tables
from afanet.comparison.compare import compare_runs
from afanet.comparison.groups import group_runs
from afanet.comparison.holm import holm
from afanet.comparison.images import ImageScores
from afanet.comparison.resampling import Draw
from afanet.comparison.smallest import read_smallest
from afanet.comparison.statistics import crossed_change
from afanet.data import open_data
from afanet.errors import InputError
from afanet.runs.folder import RunFolder
from afanet.runs.run import Run

from ..finished import Make

TASKS = open_data("digits", size=(32, 32), train_pairs=2, test_pairs=1).tasks


def made_up(shift: float = 0.0, noise: float = 0.0) -> dict[str, dict[str, float]]:
    return {name: dict.fromkeys(task.higher_is_better, 0.8 + shift + noise) for name, task in TASKS.items()}


def test_a_clear_gain_is_better_and_noise_is_the_same(finished: Make) -> None:
    wobble = [0.0, 0.02, -0.02]
    runs = [finished("single", seed, made_up(noise=wobble[seed])) for seed in range(3)]
    runs += [finished("hard", seed, made_up(0.05, wobble[seed] + 0.001 * seed)) for seed in range(3)]
    runs += [finished("afa", seed, made_up(noise=wobble[-seed])) for seed in range(3)]
    comparison = compare_runs(runs, TASKS)
    rows = {row.title: row for row in comparison.rows}
    task = next(iter(TASKS))
    assert comparison.verdict(rows["single"], task, "accuracy") == ""
    assert comparison.verdict(rows["hard"], task, "accuracy") == "better"
    assert comparison.verdict(rows["afa"], task, "accuracy") == "same"
    assert rows["single"].scores[task]["accuracy"].mean == pytest.approx(0.8)
    assert rows["single"].scores[task]["accuracy"].deviation == pytest.approx(0.02)
    gains = [100 * (0.05 + 0.001 * seed) / (0.8 + wobble[seed]) for seed in range(3)]
    assert rows["hard"].delta_m["by_task"].mean == pytest.approx(sum(gains) / 3)
    assert rows["hard"].changes[task]["accuracy"].over == "seeds"


@pytest.mark.parametrize(("seeds", "verdict"), [(2, "better (exploratory)"), (3, "better")])
def test_two_seeds_confirm_nothing(seeds: int, verdict: str, finished: Make) -> None:
    runs = [finished("single", seed, made_up()) for seed in range(seeds)]
    runs += [finished("hard", seed, made_up(0.05, 0.00001 * seed)) for seed in range(seeds)]
    comparison = compare_runs(runs, TASKS)
    assert comparison.rows[1].changes[FIRST]["accuracy"].p_holm < 0.05
    assert comparison.verdict(comparison.rows[1], FIRST, "accuracy") == verdict


def test_a_comparison_with_another_baseline_is_that_of_single_task_turned_round(finished: Make) -> None:
    runs = [finished("single", seed, made_up(noise=0.01 * seed)) for seed in range(3)]
    runs += [finished("hard", seed, made_up(0.05, 0.012 * seed)) for seed in range(3)]
    runs += [finished("afa", seed, made_up(0.02, 0.009 * seed)) for seed in range(3)]
    over_single = {row.title: row for row in compare_runs(runs, TASKS).rows}
    comparison = compare_runs(runs, TASKS, baseline="hard")
    assert [row.title for row in comparison.rows] == ["hard", "single", "afa"]
    over_hard = {row.title: row for row in comparison.rows}
    there, back = over_single["hard"].changes[FIRST]["accuracy"], over_hard["single"].changes[FIRST]["accuracy"]
    assert (back.mean, back.low, back.high) == pytest.approx((-there.mean, -there.high, -there.low))
    assert over_hard["hard"].changes == {}
    assert comparison.base is over_hard["hard"]
    notes = " ".join(tables.footnotes(comparison))
    assert "worse than hard by the main metric" in notes
    assert "paired with hard of the same seed" in notes
    assert "0.5 % of hard's score" in notes
    assert "single task" not in notes


def test_a_baseline_is_found_by_its_folders_and_must_exist(finished: Make) -> None:
    runs = [finished("afa", 0, made_up()), finished("afa", 0, made_up(), keys={"optimizer.lr": 0.5})]
    slow = replace(runs[1], folder=RunFolder(Path("runs/slow-fold1-seed0")))
    assert [group.title for group in group_runs([runs[0], slow], "slow")] == ["afa, lr=0.5", "afa"]
    with pytest.raises(InputError, match=r"unknown --baseline 'hrad', did you mean 'hard'\? \(known: hard\)"):
        compare_runs([finished("hard", 0, made_up())], TASKS, baseline="hrad")


def test_all_forms_of_the_table_say_the_same(finished: Make) -> None:
    runs = [
        finished(method, seed, made_up(0.01 * seed + shift))
        for method, shift in (("single", 0), ("afa", 0.1))
        for seed in (0, 1)
    ]
    comparison = compare_runs(runs, TASKS)
    rows = list(csv.DictReader(io.StringIO(tables.rows_csv(comparison))))
    assert len(rows) == 2 * sum(len(task.higher_is_better) for task in TASKS.values())
    told = json.loads(tables.as_json(comparison))
    for row in rows:
        one = next(entry for entry in told["rows"] if entry["title"] == row["method"])
        mean = one["scores"][row["task"]][row["metric"]]["mean"]
        assert row["mean"] == f"{mean:.6g}"
        assert f"{mean:.4f}" in tables.markdown(comparison)
        assert f"{mean:.4f}" in tables.latex(comparison)
    assert "fewer than three seeds" in tables.markdown(comparison)


def test_single_task_is_the_base_whatever_it_has_no_use_for_and_in_any_order(finished: Make) -> None:
    trunk = {"network.trunk": 1}
    runs = [finished(method, 0, made_up(), keys=trunk) for method in ("single", "hard", "afa", "nddr")]
    assert [group.title for group in group_runs(runs)] == ["single", "hard", "afa", "nddr"]
    faster = [finished("afa", 0, made_up(), keys={"optimizer.lr": 0.5}), finished("single", 0, made_up())]
    for order in (faster, faster[::-1]):
        assert [group.title for group in group_runs(order)] == ["single", "afa, lr=0.5"]


def test_what_else_differs_stands_in_the_title(finished: Make) -> None:
    runs = [finished("single", 0, made_up()), finished("afa", 0, made_up()), finished("hard", 0, made_up())]
    runs += [finished("afa", 0, made_up(), keys={"network.guard": 2.0})]
    runs += [finished("afa", 0, made_up(), keys={"balancing.name": "uw"})]
    titles = [group.title for group in group_runs(runs)]
    assert titles == ["single", "afa", "hard", "afa, guard=2.0", "afa, balancing='uw'"]


@pytest.mark.parametrize("usual", ["none", "lora"])
def test_a_title_says_of_a_section_and_a_backbone_what_is_special_alone(finished: Make, usual: str) -> None:
    lora = {"network.lora.rank": 4}
    vit = {"network.backbone": "test_vit", "network.mean": [0.5] * 3, "network.std": [0.5] * 3}
    keys = [{}, {}, lora, vit] if usual == "none" else [lora, lora, {}, lora | vit]
    runs = [finished("afa", seed, made_up(), keys=own) for seed, own in zip((0, 1, 0, 0), keys, strict=True)]
    apart = "lora.rank=4, lora.where='attention'" if usual == "none" else "lora=None"
    titles = [group.title for group in group_runs(runs)]
    assert titles == ["afa", f"afa, {apart}", "afa, backbone='test_vit'"]


@pytest.mark.parametrize(
    ("keys", "content", "said"),
    [
        ({"data.size": [40, 40]}, "x", "data.size"),
        ({"data.options.test_pairs": 50}, "x", "test_pairs"),
        ({}, "y", "content of the data"),
        ({"tasks": ["left"]}, "x", "tasks"),
    ],
)
def test_runs_of_different_protocols_are_refused(
    finished: Make, keys: dict[str, object], content: str, said: str
) -> None:
    runs = [finished("single", 0, made_up()), finished("afa", 0, made_up(), content, keys)]
    with pytest.raises(InputError, match=f"cannot be compared: .*{said}"):
        group_runs(runs)


def test_features_without_augmentation_are_not_compared_with_augmented_images(finished: Make) -> None:
    images, kept = finished("single", 0, made_up()), finished("hard", 0, made_up())
    kept = replace(kept, results=kept.results | {"features": "a", "without_augmentation": True})
    for runs in ([images, kept], [kept, images]):
        with pytest.raises(
            InputError, match=f"^{kept.path} and {images.path} cannot be compared: .*data.features none"
        ):
            group_runs(runs)
    both = replace(images, results=images.results | {"without_augmentation": True})
    assert len(group_runs([both, kept])) == 2


def test_single_task_comes_first_whatever_the_order(finished: Make) -> None:
    runs = [finished("hard", 0, made_up()), finished("single", 0, made_up()), finished("afa", 0, made_up())]
    assert [group.title for group in group_runs(runs)] == ["single", "hard", "afa"]
    assert [group.title for group in group_runs(runs[::2])] == ["hard", "afa"]


def test_without_an_interval_the_notes_speak_of_none(finished: Make) -> None:
    notes = tables.footnotes(compare_runs([finished("single", 0, made_up()), finished("afa", 0, made_up(0.1))], TASKS))
    assert not any(note.startswith("intervals:") or "95 %" in note for note in notes)
    assert "○ one seed: no verdict, since another seed may change the sign" in notes


def test_the_same_run_twice_is_refused(finished: Make) -> None:
    with pytest.raises(InputError, match="the same run"):
        group_runs([finished("afa", 1, made_up()), finished("afa", 1, made_up())])


def test_a_missing_figure_is_a_dash(finished: Make) -> None:
    nothing = {name: dict.fromkeys(scores) for name, scores in made_up().items()}
    comparison = compare_runs([finished("single", 0, nothing)], TASKS)
    assert all(cells[0][0] == "-" for _, label, cells in tables.lines(comparison) if label[-1] in "↑↓")
    assert math.isnan(next(iter(comparison.rows[0].scores[next(iter(TASKS))].values())).mean)
    assert json.loads(tables.as_json(comparison))


def with_score(value: float | None, task: str, metric: str) -> dict[str, dict[str, float | None]]:
    return {name: scores | ({metric: value} if name == task else {}) for name, scores in made_up().items()}


FIRST = next(iter(TASKS))


@pytest.mark.parametrize("broken", ["single", "afa"])
def test_a_run_without_a_score_that_others_have_is_refused(broken: str, finished: Make) -> None:
    nothing = made_up() | {FIRST: dict.fromkeys(TASKS[FIRST].higher_is_better)}
    runs = [
        finished(method, seed, nothing if (method, seed) == (broken, 1) else made_up())
        for method in ("single", "afa")
        for seed in (0, 1)
    ]
    [bad] = [run.folder.path for run in runs if run.results["tasks"][FIRST]["accuracy"] is None]
    with pytest.raises(InputError, match=rf"{bad.name} has no accuracy of task '{FIRST}', but .* has one") as caught:
        compare_runs(runs, TASKS)
    assert "train it again" in str(caught.value)


def test_a_task_without_a_score_in_any_run_is_said(finished: Make) -> None:
    nothing = made_up() | {FIRST: dict.fromkeys(TASKS[FIRST].higher_is_better)}
    comparison = compare_runs([finished(method, 0, nothing) for method in ("single", "afa")], TASKS)
    notes = tables.footnotes(comparison)
    assert any(f"{FIRST} has no score in any run (-): the test split has no label of it" in note for note in notes)
    metrics = ", ".join(f"{FIRST} {metric}" for metric in TASKS[FIRST].higher_is_better)
    assert f"delta_m of afa leaves out {metrics} (no value in seed 0)" in notes


def test_a_mean_of_what_is_no_number_in_one_seed_is_none_and_is_said(finished: Make) -> None:
    runs = [finished("single", seed, made_up()) for seed in range(3)]
    runs += [finished("afa", seed, with_score(None if seed == 1 else 0.9, FIRST, "macro_f1")) for seed in range(3)]
    comparison = compare_runs(runs, TASKS)
    row = comparison.rows[1]
    assert math.isnan(row.scores[FIRST]["macro_f1"].mean)
    change = row.changes[FIRST]["macro_f1"]  # over the two seeds that have it
    assert (change.mean, change.low, change.high) == pytest.approx((0.1, 0.1, 0.1))
    assert (change.count, change.dropped) == (2, 1)
    assert comparison.verdict(row, FIRST, "macro_f1") == "better (exploratory)"
    assert row.scores[FIRST]["accuracy"].mean == pytest.approx(0.8)
    notes = tables.footnotes(comparison)
    assert (
        f"{FIRST} macro_f1 has no value in afa seed 1, so it has no mean (-); changes are over the other seeds" in notes
    )
    assert f"delta_m of afa leaves out {FIRST} macro_f1 (no value in seed 1)" in notes
    # in every seed, so that seeds are means over the same metrics
    assert row.delta_m["by_metric"].mean == pytest.approx(0)
    assert row.delta_m["by_metric"].low == pytest.approx(0)


def test_delta_m_says_what_it_leaves_out_where_single_task_has_0(finished: Make) -> None:
    runs = [finished("single", 0, with_score(0.0, FIRST, "accuracy"))]
    runs += [finished(method, 0, made_up(0.08)) for method in ("hard", "afa")]
    comparison = compare_runs(runs, TASKS)
    said = [note for note in tables.footnotes(comparison) if note.startswith("delta_m")]
    assert said == [f"delta_m of hard, afa leaves out {FIRST} accuracy (single task has less than 0.0001 in seed 0)"]
    assert comparison.rows[1].delta_m["by_metric"].mean == pytest.approx(10)


def test_nothing_is_said_where_nothing_is_left_out(finished: Make) -> None:
    runs = [finished(method, seed, made_up()) for method in ("single", "afa") for seed in range(3)]
    assert not any("leaves out" in note or "no number" in note for note in compare_runs(runs, TASKS).notes)


def test_a_title_is_text_in_all_forms(finished: Make) -> None:
    odd = "[/x]<b>|$\\input{a}\n`c`"
    runs = [finished("afa", 0, made_up()), finished("afa", 0, made_up(), keys={"network.weights": odd})]
    comparison = compare_runs(runs, TASKS)
    stream = io.StringIO()
    Console(file=stream, width=500).print(tables.terminal_table(comparison, 500))
    assert "[/x]<b>|$" in stream.getvalue()
    written = tables.markdown(comparison)
    assert r"\[/x\]&lt;b&gt;\|$" in written
    assert "<b>" not in written
    assert r"[/x]<b>|\$\textbackslash{}" in tables.latex(comparison)
    assert not [line for line in tables.latex(comparison).splitlines() if r"\input" in line and line[0] != "%"]


def three_seeds(finished: Make, shift: float, count: int = 3) -> list[Run]:
    """Single task and `hard`, which differs from it by `shift` and a little with each seed."""
    runs = [finished("single", seed, made_up(noise=0.02 * seed)) for seed in range(count)]
    return runs + [finished("hard", seed, made_up(shift, 0.02 * seed + shift * seed / 100)) for seed in range(count)]


@pytest.mark.parametrize(
    ("shift", "given", "verdict"),
    [
        (0.0002, None, "same"),  # certain, and far below half a per cent
        (0.0002, "accuracy=0.0001", "better"),
        (0.05, None, "better"),
        (-0.05, None, "worse"),
        (0.05, f"{FIRST}.accuracy=0.1", "same"),
    ],
)
def test_only_a_change_of_some_size_is_better_or_worse(
    shift: float, given: str | None, verdict: str, finished: Make
) -> None:
    comparison = compare_runs(three_seeds(finished, shift), TASKS, smallest=read_smallest(given, TASKS))
    row = comparison.rows[1]
    assert row.changes[FIRST]["accuracy"].clear
    assert comparison.verdict(row, FIRST, "accuracy") == verdict
    assert comparison.smallest.sentence("single task") in tables.footnotes(comparison)
    if given:
        assert comparison.smallest.sentence("single task").endswith(f"set with --smallest: {given.replace('=', ' ')}")


def test_delta_m_has_a_verdict_by_the_same_rules(finished: Make) -> None:
    verdicts = {}
    for shift in (0.0002, 0.05):
        comparison = compare_runs(three_seeds(finished, shift), TASKS)
        verdicts[shift] = comparison.delta_verdict(comparison.rows[1])
    assert verdicts == {0.0002: "same", 0.05: "better (exploratory)"}
    nothing = {name: dict.fromkeys(scores, 0.001) for name, scores in made_up().items()}
    runs = [finished("single", seed, nothing) for seed in range(3)]
    runs += [finished("hard", seed, made_up(noise=0.02 * seed)) for seed in range(3)]
    comparison = compare_runs(runs, TASKS)
    assert comparison.delta_verdict(comparison.rows[1]) == "thin"
    assert comparison.rows[1].delta_m["by_task"].mean == 100  # not 80,000
    assert any(note.startswith("delta_m of hard has no verdict, since ") for note in tables.footnotes(comparison))


def scored_images(right: float, images: int) -> dict[str, ImageScores]:
    looked = {}
    for name, task in TASKS.items():
        looked[name] = ImageScores(task)
        truth = torch.arange(images) % len(task.names)
        prediction = torch.where(torch.arange(images) < right * images, truth, (truth + 1) % len(task.names))
        looked[name].update(prediction, truth)
    return looked


def test_networks_that_answer_one_class_everywhere_are_named(finished: Make) -> None:
    runs = [finished(method, seed, made_up()) for method in ("single", "hard", "afa") for seed in range(2)]
    looked = {run.path: scored_images(0.5, 20) for run in runs}
    for run in runs[:3]:  # both of single task, and one of hard sharing
        looked[run.path][FIRST] = ImageScores(TASKS[FIRST])
        looked[run.path][FIRST].update(torch.full((20,), 3), torch.arange(20) % 10)
    said = [note for note in tables.footnotes(compare_runs(runs, TASKS, looked)) if "everywhere" in note]
    answer = TASKS[FIRST].names[3]
    assert len(said) == 1
    assert said[0].startswith(f"{FIRST}: every network of single answers {answer} everywhere, so")


@pytest.mark.parametrize(("images", "few"), [(4, True), (40, False)])
def test_one_seed_has_no_verdict_and_few_images_are_counted(
    images: int, few: bool, finished: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afanet.comparison.images.RESAMPLES", 50)
    runs = [finished("single", 0, made_up()), finished("afa", 0, made_up(0.1))]
    looked = {run.path: scored_images(right, images) for run, right in zip(runs, (0.0, 1.0), strict=True)}
    comparison = compare_runs(runs, TASKS, looked)
    assert comparison.rows[1].changes[FIRST]["accuracy"].low > 0
    assert comparison.verdict(comparison.rows[1], FIRST, "accuracy") == "one seed"
    assert comparison.delta_verdict(comparison.rows[1]) == "one seed"
    notes = tables.footnotes(comparison)
    assert f"intervals: bootstrap over the {images} test images, paired; the spread of seeds is not in them" in notes
    assert (f"{images} test images only: other images may give other scores" in notes) == few
    for form in tables.FORMS.values():
        said = form(comparison)
        assert "▲" not in said
        assert "blacktriangle" not in said


def test_a_task_over_one_class_has_no_scores_whatever_an_older_run_says(finished: Make) -> None:
    runs = [finished("single", 0, made_up()), finished("afa", 0, made_up(0.1))]
    comparison = compare_runs(runs, TASKS, {run.path: scored_images(1.0, 1) for run in runs})
    assert all(cells[0][0] == "-" for _, label, cells in tables.lines(comparison) if label[-1] in "↑↓")
    reason = f"only one of {len(TASKS[FIRST].names)} classes occurs in the test labels"
    assert f"{FIRST} has no score in any run (-): {reason}" in tables.footnotes(comparison)
    assert comparison.verdict(comparison.rows[1], FIRST, "accuracy") == ""


def test_costs_beside_other_work_are_said_and_older_ones_have_no_load(finished: Make) -> None:
    runs = [finished(method, 0, made_up()) for method in ("single", "hard", "afa")]
    costs = {"costs": {"step_s": 1.0}}
    for run, measured in zip(
        runs, ({}, {"measured": {"load": {"busy": 3.1, "cores": 4}}}, {"measured": {"device": "cpu"}}), strict=True
    ):
        run.folder.write(run.folder.costs, costs | measured)
    said = [note for note in tables.footnotes(compare_runs(runs, TASKS)) if note.startswith("costs")]
    assert len(said) == 1
    assert said[0].startswith("costs of hard were measured while other work kept up to 3.1 of 4 cores busy")


@pytest.mark.parametrize("measured", [(), ("single", "hard"), ("single", "hard", "afa")])
def test_costs_that_were_not_measured_are_named(finished: Make, measured: tuple[str, ...]) -> None:
    runs = {method: finished(method, 0, made_up()) for method in ("single", "hard", "afa")}
    for method in measured:
        runs[method].folder.write(runs[method].folder.costs, {"costs": {"step_s": 1.0}})
    notes = "\n".join(tables.footnotes(compare_runs(list(runs.values()), TASKS)))
    assert ("time and memory of afa were not measured (-)" in notes) == (len(measured) == 2)
    assert ("were not measured" in notes) == (len(measured) == 2)


@pytest.mark.parametrize("text", ["rmse", "accuracy=-1", "accuracy=nan", "accuracy=x", "=1", "acuracy=1", "left=1"])
def test_a_smallest_effect_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--smallest"):
        read_smallest(text, TASKS)


def with_images(finished: Make, right: dict[str, float], seeds: int = 3) -> tuple[list[Run], dict[Path, Any]]:
    """Runs with the scores of 60 images, of which the share `right` of the method is right, and some more by seed."""
    runs, looked = [], {}
    for method, share in right.items():
        for seed in range(seeds):
            images = scored_images(share + 0.02 * seed, 60)
            run = finished(method, seed, {name: of_task.compute() for name, of_task in images.items()})
            runs.append(run)
            looked[run.path] = images
    return runs, looked


def test_with_the_images_of_every_run_intervals_are_over_seeds_and_images(finished: Make) -> None:
    runs, looked = with_images(finished, {"single": 0.5, "afa": 0.7})
    comparison = compare_runs(runs, TASKS, looked)
    change = comparison.rows[1].changes[FIRST]["accuracy"]
    assert (change.over, change.count) == ("seeds and images", 3)
    places, shift = np.arange(60), 1.2 * np.arange(3)[:, None]  # of 60 images, more are right with each seed
    differences = (places < 42 + shift).astype(float) - (places < 30 + shift)
    expected = crossed_change(list(differences.mean(1)), list((differences.sum(1, keepdims=True) - differences) / 59))
    assert astuple(change)[:3] == pytest.approx(astuple(expected)[:3])
    assert (change.p, change.df) == pytest.approx((expected.p, expected.df))
    assert comparison.rows[1].delta_m["by_task"].over == "seeds and images"
    assert any(note.startswith("intervals: over seeds and the 60 test images") for note in tables.footnotes(comparison))
    del looked[runs[0].path]
    assert compare_runs(runs, TASKS, looked).rows[1].changes[FIRST]["accuracy"].over == "seeds"


def test_of_one_seed_in_common_the_images_are_those_of_that_seed(finished: Make) -> None:
    shares = {("single", 0): 0.5, ("single", 1): 0.9, ("afa", 1): 0.6, ("afa", 2): 0.7}
    runs = [finished(method, seed, made_up()) for method, seed in shares]
    looked = {run.path: scored_images(share, 60) for run, share in zip(runs, shares.values(), strict=True)}
    comparison = compare_runs(runs, TASKS, looked)
    change = comparison.rows[1].changes[FIRST]["accuracy"]
    assert (change.over, change.mean) == ("images", pytest.approx(-0.3))  # seed 1


def test_main_metrics_are_corrected_together_and_the_others_are_exploratory(finished: Make) -> None:
    wobble = {
        "single": (0.0, 0.0, 0.0),
        "hard": (0.1, 0.101, 0.102),
        "afa": (0.05, 0.06, 0.075),
        "nddr": (0.1, 0.1, 0.3),
    }
    runs = [finished(method, seed, made_up(shift)) for method, of in wobble.items() for seed, shift in enumerate(of)]
    comparison = compare_runs(runs, TASKS)
    changes = {row.title: row.changes[FIRST]["accuracy"] for row in comparison.rows[1:]}
    each = [change.p for change in changes.values() for _ in TASKS]
    assert [change.p_holm for change in changes.values()] == pytest.approx(holm(each)[:: len(TASKS)])
    for row in comparison.rows[1:]:
        change, verdict = changes[row.title], comparison.verdict(row, FIRST, "accuracy")
        assert verdict == ("same" if not change.clear else "better" + " (exploratory)" * (change.p_holm >= 0.05))
        other = row.changes[FIRST]["macro_f1"]
        assert math.isnan(other.p_holm)
        assert comparison.verdict(row, FIRST, "macro_f1") == ("better (exploratory)" if other.clear else "same")
    assert {comparison.verdict(row, FIRST, "accuracy") for row in comparison.rows[1:]} == {
        *("better", "better (exploratory)", "same")
    }
    lines = list(csv.DictReader(io.StringIO(tables.rows_csv(comparison))))
    for line in lines:
        assert bool(line["p_holm"]) == (line["method"] != "single" and line["metric"] == "accuracy") == bool(line["p"])
    assert "▲" in tables.markdown(comparison)
    assert "△" in tables.markdown(comparison)
    assert r"\vartriangle" in tables.latex(comparison)
    assert f"Holm's correction for the {len(each)} changes of main metrics in this table" in " ".join(
        tables.footnotes(comparison)
    )


def test_a_note_says_how_many_seeds_the_smallest_change_takes(finished: Make) -> None:
    runs = [finished("single", seed, made_up()) for seed in range(3)]
    runs += [finished("hard", seed, made_up(noise=0.01 * (seed - 1))) for seed in range(3)]
    comparison = compare_runs(runs, TASKS, smallest=read_smallest("accuracy=0.005", TASKS))
    [note] = [note for note in tables.footnotes(comparison) if note.startswith("to see a smallest change")]
    assert f"takes about 34 seeds for 0.005 of accuracy ({FIRST})" in note  # half a standard deviation, as any t-test
    runs, looked = with_images(finished, {"single": 0.5, "afa": 0.7})
    comparison = compare_runs(runs, TASKS, looked, smallest=read_smallest("accuracy=0.005", TASKS))
    coarse = f"no test can show 0.005 of accuracy ({FIRST}) in one network, because each of the 60 test images is worth"
    assert any(note.startswith(f"{coarse} 0.017: ") for note in tables.footnotes(comparison))
    comparison = compare_runs(runs, TASKS, looked, smallest=read_smallest("accuracy=0.02", TASKS))
    assert any(note.startswith("no number of seeds would show 0.02 of acc") for note in tables.footnotes(comparison))
    comparison = compare_runs(runs, TASKS, looked, smallest=read_smallest("accuracy=0", TASKS))
    assert not any("to see a smallest change" in note for note in tables.footnotes(comparison))


def test_two_methods_are_compared_without_single_task(finished: Make) -> None:
    runs = [
        finished(method, 0, made_up(), keys=keys) for method, keys in (("hard", {}), ("afa", {"network.guard": 2.0}))
    ]
    assert not any(row.changes for row in compare_runs(runs, TASKS).rows)
    for baseline, other in (("hard", "afa, guard=2.0"), ("afa, guard=2.0", "hard")):
        rows = compare_runs(runs, TASKS, baseline=baseline).rows
        assert [(row.title, bool(row.changes)) for row in rows] == [(baseline, False), (other, True)]
    with pytest.raises(InputError, match=r"unknown --baseline 'hrad', did you mean 'hard'\? \(known: hard, afa, guard"):
        compare_runs(runs, TASKS, baseline="hrad")


def test_the_worth_of_an_image_is_unknown_without_the_scores_of_images(finished: Make) -> None:
    runs = [finished("single", seed, made_up()) for seed in range(2)]
    runs += [finished("afa", seed, made_up(noise=0.1 * seed)) for seed in range(2)]
    comparison = compare_runs(runs, TASKS, smallest=read_smallest("accuracy=0.00001", TASKS))
    assert not any("test images is worth" in note for note in tables.footnotes(comparison))


def test_an_ensemble_has_a_row_at_twice_the_cost_and_changes_like_any_other(finished: Make) -> None:
    runs, looked = with_images(finished, {"single": 0.5, "afa": 0.7})
    ensemble = {Draw(None, seed): scored_images(0.6 + 0.02 * seed, 60) for seed in range(3)}
    comparison = compare_runs(runs, TASKS, looked, ensemble=ensemble)
    row = comparison.rows[-1]
    assert (row.title, row.costs) == ("ensemble", {"parameters": 2 * 10**6, "flops": 2 * 10**9})
    assert row.changes[FIRST]["accuracy"].mean == pytest.approx(0.1)
    assert row.changes[FIRST]["accuracy"].over == "seeds and images"
    assert all("ensemble" in form(comparison) for form in tables.FORMS.values())


def test_image_scores_of_other_images_are_refused(finished: Make) -> None:
    runs, looked = with_images(finished, {"single": 0.5, "afa": 0.7})
    looked[runs[-1].path] = scored_images(0.7, 59)
    with pytest.raises(InputError, match=r"have scores for different test images.*remove images\.npz in both"):
        compare_runs(runs, TASKS, looked)
