"""The page of a sweep: what was found, which keys matter, and every trial."""

from __future__ import annotations

from afanet.report.sweep_charts import best_so_far, importance_chart, key_chart
from afanet.report.template import render
from afanet.sweeps.outcome import Outcome
from afanet.sweeps.tables import cells, headings, ranked, sentences


def sweep_page(outcome: Outcome) -> str:
    """One HTML file that opens from disk."""
    charts = [key_chart(outcome, key) for key in (outcome.importance or outcome.space)]
    finished = any(row.finished for row in outcome.rows)
    return render(
        "sweep_page.html",
        title=outcome.recipe.name,
        trials=len(outcome.rows),
        sentences=[*sentences(outcome)][::-1],  # a terminal ends with the verdict, a page begins with it
        importance=importance_chart(outcome.importance) if outcome.importance else "",
        charts=[*charts, best_so_far(outcome)] if finished else [],
        headings=headings(outcome),
        rows=[(row is outcome.best, cells(outcome, row)) for row in ranked(outcome)],
    )
