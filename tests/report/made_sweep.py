"""The page of a sweep that nobody ran: trials with scores that a test makes up."""

from __future__ import annotations

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


def five_trials() -> str:
    rows = [
        row(0, 1e-3, 0.8),
        row(1, 1e-2, 0.9),
        row(2, 1e-5, 0.1, "pruned after 1"),
        row(3, 1e-4, 0.6),
        row(4, 2e-3, 0.85),
    ]
    again = Repeats(1, (1, 2), [dict.fromkeys(TASKS, 0.8)] * 2, [dict.fromkeys(TASKS, 0.9)] * 2)
    shares = {"optimizer.lr": 0.75, "network.method": 0.25}
    return sweep_page(Outcome(load_recipe("digits"), TASKS, SPACE, rows, shares, again))
