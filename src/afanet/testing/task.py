"""Checks that every command can use a kind of task."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from afanet.declared import declare
from afanet.networks.outputs import Dense
from afanet.tasks.column import FileColumn
from afanet.tasks.described import Description
from afanet.tasks.kinds import Kind
from afanet.tasks.result import PooledResult
from afanet.tasks.scores import TaskScores
from afanet.tasks.task import DenseTask, PooledTask, Task
from afanet.testing.labels import label_faults

SIZE = (6, 8)  # of the maps that are tried
BATCH = 3


def check_task(kind: Kind) -> None:
    """Check everything that commands require of a kind; raises `AssertionError` with the first rule that it breaks.

    A task is declared by the `example` of the kind's column. Its loss, predictions, metrics, pictures and words are
    tried on random logits, its meaning is kept and read back, and its results are drawn and saved.

    >>> from afanet.tasks import KINDS
    >>> check_task(KINDS["depth"])
    """
    column = declare(kind.column_class, dict(kind.column_class.example), "the column's example")
    task = column.task("trial")
    _check_statements(task)
    pixels = SIZE if isinstance(task.output, Dense) else ()
    generator = torch.Generator().manual_seed(0)
    logits, others = (torch.randn(BATCH, task.output.channels, *pixels, generator=generator) for _ in range(2))
    _check_learning(task, logits, others)
    _check_scoring(task, logits, others)
    _check_showing(task, logits, others)
    _check_meaning(kind, task, logits)
    _check_result(kind, task, logits)
    if isinstance(column, FileColumn):
        _require(isinstance(task, DenseTask), "its labels are files, so its task is a DenseTask")


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise AssertionError(f"this kind of task breaks a rule: {sentence}")


def _check_statements(task: Task) -> None:
    _require(isinstance(task, DenseTask | PooledTask), "a task is a DenseTask or a PooledTask")
    _require(task.name == "trial", "a task has the name that it is given")
    _require(isinstance(task.output, Dense) == isinstance(task, DenseTask), "its output is Dense if it is a DenseTask")
    _require(task.main_metric in task.higher_is_better, "main_metric is one of higher_is_better")


def _check_learning(task: Task, logits: Tensor, others: Tensor) -> None:
    target = task.predict(others)
    bare = torch.stack([task.unlabelled(SIZE)] * len(logits))
    _require(target.shape == bare.shape, f"predictions have a target's shape {tuple(bare.shape)}")
    _require(not bool(task.labelled(bare).any()), "nothing is labelled in unlabelled()")
    _require(bool(task.labelled(target).any()), "predictions are labelled")
    _require(task.fault(target[0]) is None, "a prediction is a target without a fault")
    _require(task.fault(bare[0]) is None, "a target without a label has no fault")
    given = logits.clone().requires_grad_()
    loss = task.loss(given, target)
    torch.autograd.backward(loss)
    assert given.grad is not None
    _require(loss.ndim == 0 and bool(loss.isfinite()), "the loss is one finite number")
    _require(bool(given.grad.isfinite().all() and given.grad.any()), "the loss has a finite gradient that is not 0")
    without = task.loss(logits.clone().requires_grad_(), bare)
    _require(without.item() == 0, "the loss is 0 where nothing is labelled")
    _require(without.requires_grad, "the loss has a gradient of 0 where nothing is labelled")


def _check_scoring(task: Task, logits: Tensor, others: Tensor) -> None:
    target = task.predict(logits)
    best, worse = _scores(task, target, target), _scores(task, task.predict(others), target)
    _require(set(best) == set(task.higher_is_better), "its metrics are those of higher_is_better")
    sign = 1 if task.higher_is_better[task.main_metric] else -1
    better = sign * best[task.main_metric] >= sign * worse[task.main_metric]
    _require(better, f"{task.main_metric} is best if the prediction is the truth")
    broken = TaskScores.of(task)
    broken.update(target, target, torch.full_like(logits, torch.nan))
    nothing = all(bool(score.isnan()) for score in broken.read()[0].values())
    _require(nothing, "all scores are NaN if an output is not a number")
    for metric in task.metrics().values():
        reductions: list[Any] = list(metric._reductions.values())
        summed = all(reduce is torch.sum or reduce.__name__ == "dim_zero_sum" for reduce in reductions)
        _require(summed, "each metric keeps only sums over images, from which the scores of any sample follow")


def _scores(task: Task, prediction: Tensor, target: Tensor) -> dict[str, float]:
    scores = TaskScores.of(task)
    scores.update(prediction, target)
    return {name: float(value) for name, value in scores.read()[0].items()}


def _check_showing(task: Task, logits: Tensor, others: Tensor) -> None:
    value, bare = task.predict(logits)[0], task.unlabelled(SIZE)
    _require(bool(task.change(logits[:1], others[:1])), "change() says something")
    if isinstance(task, DenseTask):
        for drawn in (task.picture(value), task.picture(bare)):
            _require(drawn.shape == (*SIZE, 3) and drawn.dtype == np.uint8, "a picture is (H, W, 3) uint8")
        error = task.error(value, value)
        near = 0.01 * task.error_limit
        _require(error.shape == SIZE and error.abs().max().item() <= near, "the error of the truth is 0, (H, W)")
        _require(bool(task.error(value, bare).isnan().all()), "the error is NaN where nothing is labelled")
        _ = task.legend
    if isinstance(task, PooledTask):
        _require(bool(task.caption(value) and task.caption(bare)), "every value has a caption")


def _check_meaning(kind: Kind, task: Task, logits: Tensor) -> None:
    meaning = task.meaning
    kept = json.loads(json.dumps(Description.of(task).as_json()))["meaning"]
    _require(kept == meaning, "its meaning is plain JSON")
    _require("kind" in meaning, "its meaning has its 'kind'")
    fault = kind.result_class.meaning_fault(meaning)
    _require(fault is None, f"its result accepts its meaning ({fault})")
    for key in kind.result_class.expected:
        wrong = kind.result_class.meaning_fault({**meaning, key: {"no": "such"}})
        _require(wrong is not None, f"its result refuses a meaning whose '{key}' is invalid")
    again = kind.task_class.from_described(Description.of(task))
    _require(again.higher_is_better == task.higher_is_better, "from_described gives a task with the same metrics")
    _require(again.meaning == meaning, "from_described gives a task with the same meaning")
    _require(torch.equal(again.estimate(logits), task.estimate(logits)), "from_described gives the same estimates")


def _check_result(kind: Kind, task: Task, logits: Tensor) -> None:
    estimate = task.estimate(logits).float().numpy()
    size = (SIZE[0] + 3, SIZE[1] + 5)
    result = kind.result_class.read("trial", task.meaning, estimate[0], size)
    _require(result.task == "trial", "a result has its task's name")
    pictures: list[Any] = [result.figure(240)]
    if isinstance(task, DenseTask):
        pictures.append(result.picture())
        _require(pictures[-1].shape[:2] == size, "a dense result's picture has the photo's size")
    _require(all(p.ndim == 3 and p.dtype == np.uint8 for p in pictures), "results are drawn as (H, W, 3) uint8")
    plain = kind.result_class.undo_meant(task.meaning, estimate, False, 1.0)
    _require(np.array_equal(plain, estimate), "undo changes nothing for the plain view")
    if isinstance(result, PooledResult):
        json.dumps(result.as_json())
        _require(bool(str(result) and result.columns()), "a result has words and columns")
    for fault in label_faults(kind, task, result):
        _require(False, fault)
    with TemporaryDirectory() as folder:
        files = result.save(folder, "photo")
        inside = all(file.is_file() and file.is_relative_to(Path(folder)) for file in files)
        _require(bool(files) and inside, "save writes files into the folder and returns their paths")
