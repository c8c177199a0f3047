"""What the page shows in detail, for tasks that have it and for those that have not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from afanet.comparison.compare import compare_runs
from afanet.comparison.images import ImageScores, Look
from afanet.data import open_data
from afanet.errors import InputError
from afanet.recipe.load import load_recipe
from afanet.report.charts import colours
from afanet.report.page import _details, _log, report_page
from afanet.runs.folder import RunFolder
from afanet.runs.run import Run
from afanet.tasks import Classification, Depth, MultiLabel, Segmentation, Task

from ..finished import Make

TITLES = ["single", "afa"]
DIGITS = open_data("digits", size=(32, 32), train_pairs=2, test_pairs=1).tasks


def look(task: Task) -> Look:
    scores = ImageScores(task)
    if isinstance(task, MultiLabel):
        scores.update(torch.tensor([[1, 0]]), torch.tensor([[1, 1]]))
    elif isinstance(task, Segmentation):
        scores.update(torch.tensor([[[0, 1]]]), torch.tensor([[[0, 0]]]))
    elif isinstance(task, Classification):
        scores.update(torch.tensor([0, 1]), torch.tensor([0, 0]))
    else:
        scores.update(torch.ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 2.0))
    return Look({task.name: scores}, {task.name: torch.ones(2, 20)})


@pytest.mark.parametrize(
    ("task", "pictures"),
    [
        (Segmentation(["a", "b"]), 3),  # the change of each class, and two confusions
        (Classification("age", ["a", "b"]), 3),
        (Depth(), 1),  # errors by distance
        (MultiLabel("attributes", ["a", "b"]), 0),
    ],
)
def test_each_kind_of_task_has_its_details(task: Task, pictures: int) -> None:
    looks = {title: look(task) for title in TITLES}
    found = _details({task.name: task}, looks, colours(TITLES), "single")
    assert sum(len(drawn) for _, drawn in found) == pictures
    for _, drawn in found:
        assert all(svg.startswith("<svg") and "#000000" not in svg for svg in drawn)


def rows(part: str) -> list[list[str]]:
    """The cells of a table, but for its heading, without what stands below a score."""
    cells = [re.findall(r"<td>(.*?)(?:<small.*?)?</td>", row, re.DOTALL) for row in re.split("<tr>", part)]
    return [row for row in cells if row]


@pytest.mark.parametrize("tasks", [1, 5])
def test_of_each_task_one_figure_is_seen_and_the_others_are_folded(tasks: int, tmp_path: Path) -> None:
    names = [f"task_{number}" for number in range(tasks)]
    known: dict[str, Task] = {name: Classification(name, ["a", "b"]) for name in names}
    metrics = list(known[names[0]].higher_is_better)
    scores = {name: {metric: i + j / 10 for j, metric in enumerate(metrics)} for i, name in enumerate(names)}
    runs = []
    for method in TITLES:
        worse = {name: {**one, metrics[1]: one[metrics[1]] + (method == "afa")} for name, one in scores.items()}
        for seed in (0, 1):
            recipe = load_recipe("digits", {"network.method": method, "seed": seed, "device": "cpu"})
            results = {"tasks": worse, "data": "some", "parameters": 1, "flops": 1}
            runs.append(Run(RunFolder(tmp_path / f"{method}-{seed}"), recipe, results))
    page = report_page(compare_runs(runs, known))
    seen, *folded = page[page.index("<h2>Scores") : page.index("<h2>Learning")].split("<details>")
    first = [[name, f"{metrics[0]} ↑", *[f"{scores[name][metrics[0]]:.4f} ± 0.0000"] * 2] for name in names]
    assert rows(seen)[:tasks] == first
    assert [row[1][:7] for row in rows(seen)[tasks:]] == ["delta_m", "delta_m", "paramet", "FLOPs a"]
    assert [one[: one.index("</summary>")] for one in folded] == [
        f'<summary>{name}: {len(metrics) - 1} more, <span class="same">△ 1</span>' for name in names
    ]
    for name, part in zip(names, folded, strict=True):
        assert [row[1] for row in rows(part)] == [f"{metric} ↑" for metric in metrics[1:]]
        second = [f"{scores[name][metrics[1]] + more:.4f} ± 0.0000" for more in (0, 1)]
        assert rows(part)[0] == [name, f"{metrics[1]} ↑", *second]


def test_against_another_baseline_the_page_asks_about_that(finished: Make) -> None:
    scores = {name: dict.fromkeys(task.higher_is_better, 0.5) for name, task in DIGITS.items()}
    runs = [finished(method, seed, scores) for method in ("hard", "afa") for seed in (0, 1)]
    page = report_page(compare_runs(runs, DIGITS, baseline="hard"))
    assert "<h1>Better than hard?</h1>" in page
    assert "no clear difference" in page  # the verdict in the chart of delta_m
    assert not re.search("single task|[Ss]haring", page)


@pytest.mark.parametrize("text", ["epoch,loss/a\n1,x\n", "epoch\n1,2,3\n", '"' + "a" * 10**6])
def test_a_log_that_is_none_of_ours_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "log.csv"
    file.write_text(text)
    with pytest.raises(InputError, match=r"log\.csv is not the log that train wrote"):
        _log(file)
