"""A sweep as a table on the terminal, as CSV, and in sentences."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from afanet.comparison.quantities import significant
from afanet.comparison.statistics import spread
from afanet.sweeps.outcome import Outcome, Repeats, Row
from afanet.sweeps.score import unit_of_gain


def ranked(outcome: Outcome) -> list[Row]:
    """The rows, the best first; those without a final score follow by number."""
    return sorted(outcome.rows, key=lambda row: (not row.finished, -row.value if row.finished else row.number))


def headings(outcome: Outcome) -> list[str]:
    """The columns of a sweep's table."""
    metrics = [
        f"{name} {task.main_metric} {'↑' if task.higher_is_better[task.main_metric] else '↓'}"
        for name, task in outcome.tasks.items()
    ]
    return ["trial", *outcome.space, *metrics, change_heading(outcome)]


def change_heading(outcome: Outcome) -> str:
    """The heading of the column that says how much better than the default a trial is."""
    return f"change,{unit_of_gain(outcome.tasks)}"


def cells(outcome: Outcome, row: Row) -> list[str]:
    """A row of a sweep's table: a trial without a change shows its state instead."""
    values = [_value(row.values.get(key)) for key in outcome.space]
    scores = [_score(row.scores.get(name, math.nan)) for name in outcome.tasks]
    title = f"{row.number} (default)" if row.number == 0 else str(row.number)
    better = outcome.gain(row)
    return [title, *values, *scores, row.state if math.isnan(better) else signed(better)]


def _value(value: object) -> str:
    return significant(value, 3) if isinstance(value, float) else "" if value is None else str(value)


def _score(score: float) -> str:
    return "" if math.isnan(score) else f"{score:.4f}"


def signed(number: float) -> str:
    """A gain with its sign.

    >>> signed(1.234), signed(-0.004), signed(0.0)
    ('+1.23', '-0.004', '0')
    """
    text = significant(number, 3)
    return f"+{text}" if number > 0 else text


def terminal_table(outcome: Outcome) -> Table:
    """The table of a sweep."""
    table = Table()
    for heading in headings(outcome):
        table.add_column(escape(heading), justify="left" if heading == "trial" else "right")
    for row in ranked(outcome):
        table.add_row(*map(escape, cells(outcome, row)))
    return table


def rows_csv(outcome: Outcome) -> str:
    """Every trial by number, with all digits."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*headings(outcome), "state"])
    for row in outcome.rows:
        values = [row.values.get(key, "") for key in outcome.space]
        numbers = [*(row.scores.get(name, math.nan) for name in outcome.tasks), outcome.gain(row)]
        writer.writerow([row.number, *values, *("" if math.isnan(n) else n for n in numbers), row.state])
    return stream.getvalue()


def sentences(outcome: Outcome) -> Iterator[str]:
    """The findings of a sweep: the best trial, what matters, and whether fresh seeds confirm it against the default."""
    unfinished = [row.number for row in outcome.rows if row.state in ("running", "waiting")]
    if unfinished:
        yield f"{len(unfinished)} of {len(outcome.rows)} trials are not finished: {', '.join(map(str, unfinished))}"
    if outcome.importance:
        shares = ", ".join(f"{key} {100 * share:.0f} %" for key, share in outcome.importance.items())
        yield f"share of the differences between trials that each key explains: {shares}"
    best = outcome.best
    if best is None:
        yield "no trial has been trained to its end"
    elif best.number == 0:
        yield "the default setting, trial 0, is the best: no trial was better"
    else:
        values = ", ".join(f"{key} {_value(best.values[key])}" for key in outcome.space)
        yield f"the best is trial {best.number}: {values}"
        if outcome.repeats is None and not unfinished:
            yield "another process trains it with fresh seeds, and will give the verdict"
    if outcome.repeats is not None:
        yield from _repeated(outcome, outcome.repeats)


def _repeated(outcome: Outcome, repeats: Repeats) -> Iterator[str]:
    change, number = repeats.change(outcome.tasks), repeats.trial
    seeds = f"{len(repeats.seeds)} fresh seed{'s' * (len(repeats.seeds) > 1)}"
    for name, task in outcome.tasks.items():
        default, best = (spread([s[name] for s in scores]) for scores in (repeats.default, repeats.best))
        yield (
            f"{name} {task.main_metric} over {seeds}: default {mean_and_spread(default.mean, default.deviation)}, "
            f"trial {number} {mean_and_spread(best.mean, best.deviation)}"
        )
    unit = unit_of_gain(outcome.tasks)
    if change.dropped:
        yield f"{change.dropped} of {seeds} diverged, in one setting or in both, and are left out of the verdict"
    if math.isnan(change.low):
        known = "" if math.isnan(change.mean) else f" ({signed(change.mean)}{unit})"
        yield f"whether it is better than the default cannot be said from so few seeds{known}: give --repeat 3 or more"
        return
    interval = f"{signed(change.mean)}{unit}, 95 % interval {signed(change.low)} to {signed(change.high)}"
    verdict = {"same": "cannot be told from the default", "better": "is better than the default"}
    said = verdict.get(change.verdict(higher_is_better=True), "is worse than the default: its seed was lucky")
    yield f"trial {number} {said} with {change.count} seeds ({interval})"


def mean_and_spread(mean: float, deviation: float) -> str:
    """A mean with the standard deviation over seeds, if there are several.

    >>> mean_and_spread(0.95, 0.012), mean_and_spread(0.95, math.nan)
    ('0.9500 ± 0.0120', '0.9500')
    """
    return f"{mean:.4f}" if math.isnan(deviation) else f"{mean:.4f} ± {deviation:.4f}"
