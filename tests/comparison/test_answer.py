"""The answer of a comparison in words."""

from __future__ import annotations

import pytest

from afanet.comparison.answer import answers, headline
from afanet.comparison.compare import Comparison, compare_runs
from afanet.data import open_data
from afanet.runs.run import Run

from ..finished import Make

TASKS = open_data("digits", size=(32, 32), train_pairs=2, test_pairs=1).tasks
WOBBLE = [0.0, 0.02, -0.02, 0.01, -0.01]


def made_up(left: float = 0.0, right: float = 0.0, noise: float = 0.0) -> dict[str, dict[str, float]]:
    shifts = {"left": left, "right": right}
    return {name: dict.fromkeys(task.higher_is_better, 0.8 + shifts[name] + noise) for name, task in TASKS.items()}


def compared(finished: Make, seeds: int = 5, **shifts: tuple[float, float]) -> Comparison:
    """Methods whose scores move by so much, with next to no noise between the pairs."""
    runs: list[Run] = []
    for method, moved in {"single": (0.0, 0.0), **shifts}.items():
        noise = [WOBBLE[seed] + (0.0001 * seed if method != "single" else 0) for seed in range(seeds)]
        runs += [finished(method, seed, made_up(*moved, noise[seed])) for seed in range(seeds)]
    return compare_runs(runs, TASKS)


def test_what_helps_and_what_hurts_is_said_by_task_and_method(finished: Make) -> None:
    comparison = compared(finished, hard=(0.1, -0.08), afa=(0.08, 0.0))
    assert headline(comparison) == "Sharing helped left (hard and afa) and hurt right (hard)."
    said = dict(answers(comparison))
    assert said["hard"].startswith("helped left (accuracy 12.5 % better); hurt right (accuracy 10.0 % worse)")
    assert said["afa"].startswith(
        "helped left (accuracy 10.0 % better); is not clearly better or worse at right (accuracy 0.0 %)"
    )
    assert all(words.endswith("(5 seeds)") for words in said.values())


def test_where_intervals_exclude_what_matters_no_change_matters(finished: Make) -> None:
    assert headline(compared(finished, afa=(0.0, 0.0))) == (
        "Sharing changed no task by enough to matter: the 95 % intervals exclude changes larger than 0.004 of accuracy "
        "(left) and 0.004 of accuracy (right)."
    )


def noisy(finished: Make, seeds: int, baseline: str = "single") -> Comparison:
    """Methods whose left task wobbles from seed to seed, and whose right one is that of single task."""
    runs = [finished("single", seed, made_up()) for seed in range(seeds)]
    runs += [finished("afa", seed, made_up(left=WOBBLE[seed])) for seed in range(seeds)]
    return compare_runs(runs, TASKS, baseline=baseline)


def test_where_a_change_that_matters_could_hide_the_runs_cannot_tell(finished: Make) -> None:
    assert headline(noisy(finished, 4)) == (
        "These runs cannot tell whether sharing helps or hurts left: a change that matters could hide in the "
        "intervals. Train more seeds: the notes below say how many."
    )


@pytest.mark.parametrize(
    ("seeds", "advice"),
    [(2, "and train three seeds or more."), (3, "no number of seeds would show the smallest change that matters.")],
)
def test_too_few_images_are_not_made_good_by_seeds(
    seeds: int, advice: str, finished: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afanet.comparison.needs.seeds_needed", lambda *variances: None)
    assert headline(noisy(finished, seeds)).endswith(advice)
    assert "Test on more images" in headline(noisy(finished, seeds))


def test_without_sharing_in_question_methods_are_better_or_worse(finished: Make) -> None:
    runs = compared(finished, hard=(0.1, -0.08), afa=(0.0, 0.0)).rows
    comparison = compare_runs([run for row in runs for run in row.group.runs], TASKS, baseline="hard")
    assert headline(comparison) == (
        "Compared with hard, methods are better at right (single and afa) and worse at left (single and afa)."
    )
    assert dict(answers(comparison))["single"].startswith("is better at right (accuracy 11.1 % better); is worse at")
    assert "better or worse than afa at left: " in headline(noisy(finished, 4, "afa"))


def test_one_seed_has_no_answer(finished: Make) -> None:
    comparison = compared(finished, seeds=1, afa=(0.1, 0.1))
    assert headline(comparison) == "One seed cannot say: train more seeds."
    assert dict(answers(comparison))["afa"].startswith(
        "moved left (accuracy 12.5 % better) and right (accuracy 12.5 % better), by one seed, which proves nothing"
    )


def test_a_method_alone_has_none(finished: Make) -> None:
    assert headline(compared(finished)) == "There is nothing to compare with single task yet."


@pytest.mark.parametrize(
    ("flops", "says"),
    [
        (1.0, "takes as many operations"),
        (1.008, "takes 0.8 % more operations"),
        (0.5, "takes 50.0 % fewer operations"),
    ],
)
def test_the_cost_is_that_of_an_image_over_single_task(flops: float, says: str, finished: Make) -> None:
    comparison = compared(finished, afa=(0.1, 0.1))
    for row in comparison.rows:
        row.costs["flops"] = flops if row.title == "afa" else 1.0
    assert f"; {says} (5 seeds)" in dict(answers(comparison))["afa"]
