"""Whether constant gates suffice, and the state of the gates: for a terminal, JSON, and the page of one run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.markup import escape
from rich.table import Table

from afanet.comparison.gaps import FEW
from afanet.comparison.tables import MARKS, show_change
from afanet.inspection.constant import ConstantGates, conclusion
from afanet.inspection.gates import GateFacts
from afanet.tasks import Described

HEADINGS = ("own gates", "constant gates", "gates of another image")


def constant_table(constant: ConstantGates, tasks: Mapping[str, Described], width: int) -> Table:
    """A row for the main metric of each task: the score with each kind of gates, and its change against the own gates.

    If intervals do not fit into `width` characters, a mark replaces them.
    """
    whole = width >= 100
    table = Table("task", "metric")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for row in _rows(constant, tasks):
        if row["main"]:
            cells = [
                f"{score}\n{change if whole else change.partition(' [')[0]} {MARKS[verdict]}".strip()
                for score, change, verdict in row["cells"]
            ]
            table.add_row(*map(escape, [row["task"], row["metric"], *cells]))
    return table


def constant_words(constant: ConstantGates, tasks: Mapping[str, Described]) -> str:
    """The findings in words: on which images, whether constant gates do as well, and which gates are dead."""
    few = " That is few: other images may give other changes." if constant.images < FEW else ""
    kept = f" {' and '.join(constant.kept)} kept its own weights." if constant.kept else ""
    said = f"Gates were replaced on {constant.images} of {constant.total} test images.{few}{kept}"
    return " ".join([said, conclusion(constant, tasks), *_dead(constant.facts)])


def _dead(facts: list[GateFacts]) -> list[str]:
    return [
        f"The {one.kind} gates of {one.layer} are dead: their hidden units are zero for all {one.images} images, so "
        "all gates are equal and the weights before them no longer learn."
        for one in facts
        if one.dead
    ]


def constant_content(constant: ConstantGates, tasks: Mapping[str, Described]) -> dict[str, Any]:
    """All scores with their changes, and the state of the gates, for JSON."""
    scores = []
    for name, task in tasks.items():
        for metric in task.higher_is_better:
            row = {"task": name, "metric": metric, "own": constant.own[name][metric]}
            for kind, replaced in (("constant", constant.constant), ("exchanged", constant.exchanged)):
                row[kind] = {"score": replaced.scores[name][metric], "change": asdict(replaced.changes[name][metric])}
            scores.append(row)
    gates = [asdict(one) | {"dead": one.dead, "in_words": one.in_words} for one in constant.facts]
    words = {"conclusion": conclusion(constant, tasks), "kept": constant.kept}
    return {"images": constant.images, "total": constant.total, **words, "scores": scores, "gates": gates}


def constant_section(constant: ConstantGates, tasks: Mapping[str, Described]) -> dict[str, Any]:
    """The content of `constant.html`: sentences, a row for each metric, and a row for the gates of each layer."""
    return {
        "words": constant_words(constant, tasks),
        "headings": HEADINGS,
        "rows": _rows(constant, tasks),
        "gates": constant.facts,
        "marks": MARKS,
    }


def _rows(constant: ConstantGates, tasks: Mapping[str, Described]) -> list[dict[str, Any]]:
    """A row for each metric, with `cells` of score, change and verdict."""
    rows = []
    for name, task in tasks.items():
        for metric, higher in task.higher_is_better.items():
            cells = [(_score(constant.own[name][metric]), "", "")]
            for replaced in (constant.constant, constant.exchanged):
                change = replaced.changes[name][metric]
                cells.append((_score(replaced.scores[name][metric]), show_change(change), change.verdict(higher)))
            label = f"{metric} {'↑' if higher else '↓'}"
            rows.append({"task": name, "metric": label, "main": metric == task.main_metric, "cells": cells})
    return rows


def _score(score: float) -> str:
    return "-" if math.isnan(score) else f"{score:.4f}"
