"""The page of a sweep: everything is on it, nothing is loaded, and it fits its window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("optuna", reason="optuna is missing: pip install 'afanet[sweep]'")

from optuna.distributions import CategoricalDistribution, FloatDistribution

from afanet.recipe.load import load_recipe
from afanet.report.sweep_page import sweep_page
from afanet.sweeps.outcome import Outcome, Repeats, Row
from afanet.tasks import Classification

SPACE = {
    "optimizer.lr": FloatDistribution(1e-5, 1e-1, log=True),
    "network.method": CategoricalDistribution(["afa", "<b>"]),
}
TASKS = {side: Classification(side, ["a", "b"]) for side in ("left", "right")}


def row(number: int, lr: float, accuracy: float, state: str = "finished") -> Row:
    values = {"optimizer.lr": lr, "network.method": ("afa", "<b>")[number % 2]}
    return Row(number, state, values, dict.fromkeys(TASKS, accuracy), accuracy, state == "finished")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        row(0, 1e-3, 0.8),
        row(1, 1e-2, 0.9),
        row(2, 1e-5, 0.1, "pruned after 1"),
        row(3, 1e-4, 0.6),
        row(4, 2e-3, 0.85),
    ]
    again = Repeats(1, (1, 2), [dict.fromkeys(TASKS, 0.8)] * 2, [dict.fromkeys(TASKS, 0.9)] * 2)
    shares = {"optimizer.lr": 0.75, "network.method": 0.25}
    file = tmp_path_factory.mktemp("page") / "sweep.html"
    file.write_text(sweep_page(Outcome(load_recipe("digits"), TASKS, SPACE, rows, shares, again)), encoding="utf-8")
    return file


def test_it_has_each_trial_a_picture_for_each_key_and_the_verdict(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("<svg") == 4  # importance, two keys, the best so far
    assert text.count("<tr") == 6
    assert "mathdefault" not in text  # a power of ten is a plain number
    assert "<td>pruned after 1</td>" in text
    assert "trial 1 is better than the default with 2 seeds" in text
    assert "<td>&lt;b&gt;</td>" in text
    assert "<b>" not in text


def test_before_any_trial_is_finished_there_is_a_page_without_pictures() -> None:
    text = sweep_page(Outcome(load_recipe("digits"), TASKS, SPACE, [row(0, 1e-3, 0.5, "running")]))
    assert "<svg" not in text
    assert "no trial has been trained to its end" in text


@pytest.mark.parametrize("width", [1400, 400])
def test_it_opens_from_disk_and_is_no_wider_than_its_window(width: int, page: Path, browser: Any) -> None:
    browser.visit(page.as_uri(), width)
    assert [address for address in browser.asked_for() if not address.startswith("data:")] == [page.as_uri()]
    assert browser.complaints() == []
    assert browser.overflow() <= 0
