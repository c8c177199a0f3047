"""Parts of a model card: lists, tables, and the scores of runs and of compressed files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from afanet.plain_text import in_markdown
from afanet.runs.run import Run


def scores_of_runs(group: Sequence[Run], tasks: Collection[str]) -> str:
    """The scores of runs on their test splits: their mean and spread over the seeds."""
    seeds = [run.recipe.seed for run in group]
    several = len(group) > 1
    introduction = (
        f"On the test split, mean and standard deviation (n - 1) over the seeds {', '.join(map(str, seeds))}; the "
        "file is one of these."
        if several
        else "On the test split, of one seed: another seed would give other scores, and nothing here says by how much."
    )
    rows = []
    for task, metrics in group[0].scores.items():
        for metric in metrics if task in tasks else ():
            scores = [run.scores[task][metric] for run in group]
            values = [value for value in scores if value is not None]
            if len(values) < len(scores):
                shown = "not known"
            else:
                shown = f"{mean(values):.4f}" + (f" ± {stdev(values):.4f}" if several else "")
            rows.append((task, metric, shown))
    return f"{introduction}\n\n" + table(("task", "metric", "score"), rows)


def scores_of_file(facts: Mapping[str, Any]) -> str:
    """The scores of a compressed file beside those in float32, and how it was compressed."""
    scored, before, after = facts["scored"], facts["metrics_float32"], facts["metrics"]
    rows = [
        (task, metric, _number(before[task][metric]), _number(score))
        for task, scores in after.items()
        for metric, score in scores.items()
    ]
    kept = ", ".join(f"`{name}`" for name in facts["in_float"]) or "none"
    lines = [
        f"layers that stay in float32, because compressing them costs most: {kept}",
        f"a main metric may be worse by {100 * facts['tolerance']:g} % of its value in float32",
        *([f"calibrated on {in_markdown(facts['calibrated'])}"] if facts["calibrated"] else []),
    ]
    return (
        f"This file on the {scored['images']} images of the {scored['split']} split, beside the same network in "
        "float32:\n\n" + table(("task", "metric", "float32", facts["precision"]), rows) + f"\n\n{bullets(lines)}"
    )


def _number(score: float | None) -> str:
    return "not known" if score is None else f"{score:.4f}"


def is_compressed(facts: Mapping[str, Any]) -> bool:
    """Whether a file with these facts has fewer bits than float32."""
    return "precision" in facts


def bullets(lines: Sequence[str]) -> str:
    """Lines as a list in Markdown."""
    return "\n".join(f"- {line}" for line in lines)


def table(head: Sequence[str], rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> str:
    """Rows as a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(in_markdown, line)) + " |" for line in lines)
