"""The page of a sweep: everything is on it. How it opens is tried with the other pages."""

from __future__ import annotations

import pytest

pytest.importorskip("optuna", reason="optuna is missing: pip install 'afanet[sweep]'")

from afanet.recipe.load import load_recipe
from afanet.report.sweep_page import sweep_page
from afanet.sweeps.outcome import Outcome

from .made_sweep import SPACE, TASKS, five_trials, row


def test_it_has_each_trial_a_picture_for_each_key_and_the_verdict() -> None:
    text = five_trials()
    assert text.count("<svg") == 4  # importance, two keys, the best so far
    assert text.count("<tr") == 6
    assert "mathdefault" not in text  # a power of ten is a plain number
    assert "<td>pruned after 1</td>" in text
    assert '<p class="answer">trial 1 is better than the default with 2 seeds' in text
    assert "<td>&lt;b&gt;</td>" in text
    assert "<b>" not in text


def test_before_any_trial_is_finished_there_is_a_page_without_pictures() -> None:
    text = sweep_page(Outcome(load_recipe("digits"), TASKS, SPACE, [row(0, 1e-3, 0.5, "running")]))
    assert "<svg" not in text
    assert "no trial has been trained to its end" in text
