"""The training loop: epochs of steps, their log, and checkpoints from which training resumes exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from time import perf_counter
from typing import Any, cast

import torch
from torch import Tensor

from afanet.data import Batch, Data
from afanet.progress import Bar, say
from afanet.runs.checkpoint import save_checkpoint
from afanet.runs.finite import DivergedError, find_nonfinite, list_metrics, what_to_do
from afanet.runs.folder import RunFolder
from afanet.training.diagnostics import guard_rates, held_out_pictures
from afanet.training.epoch_losses import EpochLosses
from afanet.training.kept import kept_folders
from afanet.training.learner import Learner
from afanet.training.loaders import Order, train_loader
from afanet.training.records.log import Log
from afanet.training.records.loggers import logger_runs, open_loggers
from afanet.training.records.measures import Measures
from afanet.training.records.nonfinite import LossCheck
from afanet.training.scoring import Scored, score
from afanet.training.selection import Selection, Watch, why_validation
from afanet.training.state import load_training
from afanet.training.steps import steps_per_epoch

MEASURED_EVERY = 50  # steps between measurements of the gradient's norm
MOST_SKIPPED = 5  # in a row: one or two bad batches happen, more mean useless weights


class Loop:
    """Trains a learner to the end of its recipe; `saved` is the state of an earlier loop to resume from.

    `counts` goes into the state: see `Job`. `watch` is called after each epoch: see `train`.
    """

    def __init__(
        self, learner: Learner, data: Data, folder: RunFolder, saved: Mapping[str, Any], counts: dict[str, list[int]]
    ) -> None:
        recipe, fabric, self.counts = learner.recipe, learner.fabric, counts
        self.learner, self.data, self.folder, self.recipe, self.fabric = learner, data, folder, recipe, fabric
        self.loader = train_loader(data, recipe, fabric.global_rank, fabric.world_size)
        self.order = cast(Order, self.loader.batch_sampler)
        self.per_epoch = steps_per_epoch(len(self.order), recipe)
        self.losses = EpochLosses(len(learner.learning), fabric.device)
        self.kept = kept_folders(data.train)
        self.seconds = 0.0
        self.watch: Watch | None = None
        self.selection = Selection(learner.tasks, recipe)
        self.fault: str | None = None  # what is wrong with the last scores on the validation split
        if saved:
            load_training(folder.checkpoint, saved, learner, self.losses)
            self.seconds = saved["seconds"]
            self.selection.load_state(saved["selection"])
        self.log = self._open_log(saved.get("loggers", {})) if fabric.is_global_zero else None
        self.measures = Measures(self.log, fabric.device)
        self.loss_check = LossCheck(list(learner.learning), folder.path, fabric.device, stop=not recipe.skip_nonfinite)
        self.last_saved = learner.step if saved else None

    def run(self) -> None:
        """Train, epoch by epoch."""
        learner = self.learner
        started = perf_counter() - self.seconds
        with Bar(learner.steps, "training", learner.step) as bar:
            while learner.step < learner.steps and not self.stopped:
                for thawed in learner.begin(learner.step // self.per_epoch):
                    say(f"{thawed} learns from epoch {learner.step // self.per_epoch + 1} on")
                learner.train()
                for batches in self._batches():
                    measure = learner.step % MEASURED_EVERY == 0
                    losses, norm = learner.learn(batches, measure)
                    self._count(losses, norm, batches)
                    self.seconds = perf_counter() - started
                    bar.advance(losses=self.loss_check.last)
                    every = self.recipe.checkpoint_every
                    if learner.step >= learner.steps:
                        break
                    if every and learner.step % every == 0 and learner.step % self.per_epoch:
                        self.save()
                self._end_epoch(bar, batches[-1])
        if self.stopped:
            say(self.selection.why_stopped(self.epochs))

    @property
    def epochs(self) -> int:
        """The number of complete epochs."""
        return self.learner.step // self.per_epoch

    @property
    def stopped(self) -> bool:
        """Whether training stops early: the last stop.patience epochs brought no better scores."""
        patience = self.recipe.stop.patience
        early = self.learner.step < self.learner.steps
        return early and patience is not None and self.epochs - self.selection.epoch >= patience

    def save(self) -> None:
        """Write the checkpoint in the main process; the others wait.

        Raises `DivergedError` if a loss or a weight is not finite, and keeps the earlier checkpoint.
        """
        self.require_finite()
        if self.fabric.is_global_zero and self.last_saved != self.learner.step:
            save_checkpoint(self.folder.checkpoint, self.learner.scored, self.state())
        self.last_saved = self.learner.step
        self.fabric.barrier()

    def require_finite(self) -> None:
        """Raise `DivergedError` if a weight, or a loss that was not checked yet, is not finite."""
        self.loss_check.finish()
        self.measures.finish()
        if names := find_nonfinite(self.learner.weights()):
            raise DivergedError(
                f"after step {self.learner.step} of {self.learner.steps} the weights are not finite ({names}), so "
                f"{list_metrics(self.learner.tasks)}: {what_to_do(self.folder, self.last_saved)}"
            )

    def require_selected(self) -> None:
        """Raise `DivergedError` if the recipe selects by the validation split, but no epoch has scores there."""
        if self.recipe.selects and not self.selection.epoch:
            raise DivergedError(
                f"no epoch could be selected: on the validation split, {self.fault or 'no scores are finite'}: "
                f"{what_to_do(self.folder, self.last_saved)}"
            )

    def close(self, scores: Mapping[str, Mapping[str, float]]) -> None:
        """Log the scores on the test split, and close the log."""
        if self.log:
            values = {f"test/{task}/{key}": value for task, of_task in scores.items() for key, value in of_task.items()}
            self.log.scalars(values, self.learner.step)
            self.log.close()

    def state(self) -> dict[str, Any]:
        """Everything that decides how training and its log continue."""
        return {
            "learner": self.learner.state(),
            "sums": self.losses.state(),
            "seconds": self.seconds,
            **self.kept,
            "teachers": self.learner.objective.digests,
            "label_counts": self.counts,
            "selection": self.selection.state(),
            "threads": torch.get_num_threads(),
            "loggers": logger_runs(self.log.loggers) if self.log else {},
        }

    def _open_log(self, known: Mapping[str, str]) -> Log:
        values = self.recipe.model_dump(mode="json")
        loggers = open_loggers(self.recipe.loggers, self.folder.path, values, known)
        return Log(self.folder.log, self.learner.step, loggers)

    def _batches(self) -> Iterator[list[Batch]]:
        """The remaining batches of the learner's current epoch, in lists of as many as a step takes."""
        epoch, done = divmod(self.learner.step, self.per_epoch)
        self.order.epoch, self.order.first = epoch, done * self.recipe.optimizer.accumulate
        batches = (self.fabric.to_device(batch) for batch in self.loader)
        for _ in range(done, self.per_epoch):
            yield list(islice(batches, min(self.recipe.optimizer.accumulate, len(self.order))))

    def _count(self, losses: Tensor, norm: Tensor | None, batches: list[Batch]) -> None:
        self.loss_check.add(self.learner.step - 1, losses, batches)
        self.losses.add(losses, self.learner.labelled, len(batches))
        self._require_steps()
        if norm is not None and self.log:
            values = {"gradient_norm": norm}
            if (weights := self.learner.balancer.weights()) is not None:
                values |= {f"weight/{t}": w for t, w in zip(self.learner.learning, weights, strict=True)}
            self.measures.add(self.learner.step, values)

    def _end_epoch(self, bar: Bar, batch: Batch) -> None:
        learner = self.learner
        learner.balancer.end_epoch()
        epoch = -(-learner.step // self.per_epoch)
        steps, means = self.losses.finish()
        losses = dict(zip(learner.learning, means, strict=True))
        labelled = {name: mean for name, mean in losses.items() if not math.isnan(mean)}
        row: dict[str, float] = {"epoch": epoch, "step": learner.step, "seconds": round(self.seconds, 1)}
        # The rates of the epoch's last step.
        groups = learner.optimizer.param_groups
        row |= {"lr": groups[0]["lr"]} | {f"lr/{name}": 0.0 for name in learner.rates}
        row |= {f"lr/{group['name']}": group["lr"] for group in groups}
        row |= {f"loss/{name}": mean for name, mean in losses.items()}
        row["loss"] = sum(labelled.values()) if labelled else math.nan
        row |= guard_rates(learner.guards, list(learner.tasks), getattr(learner.network, "members", None))
        row |= learner.cosines(batch) | learner.gates(batch)
        row |= {"skipped": learner.skipped} if self.recipe.skip_nonfinite else {}
        scored = self._validate()
        for task, of_task in scored.scores.items() if scored is not None else ():
            row |= {f"validation/{task}/{key}": value for key, value in of_task.items()}
        if self.log:
            self.log.epoch(row)
        self.require_finite()
        self._require_learnt(epoch, steps)
        if scored is not None:
            self._select(scored, epoch)
            if self.watch is not None and not scored.fault:  # before the checkpoint: a kill skips no epoch
                self.watch(epoch, scored.scores)
        last = learner.step >= learner.steps or self.stopped
        if self.log and (epoch % self.recipe.pictures_every == 0 or last):
            shown = held_out_pictures(self.fabric, learner.scored, learner.tasks, self.data)
            for name, picture in shown.items():
                self.log.picture(name, picture, learner.step)
        for name in losses.keys() - labelled.keys():
            say(f"epoch {epoch} had no label of task '{name}', so the task has no loss there")
        bar.epoch(epoch, -(-learner.steps // self.per_epoch), labelled, self.seconds, learner.step / learner.steps)
        self.save()

    def _validate(self) -> Scored | None:
        """The scores on the validation split, None without one."""
        split, learner = self.data.validation, self.learner
        if split is None:
            return None
        with Bar(len(split), "scoring") as bar:
            return score(self.fabric, learner.scored, learner.tasks, self.data, split, self.recipe, bar.advance)

    def _require_steps(self) -> None:
        """Raise `DivergedError` if the last `MOST_SKIPPED` steps were all skipped."""
        row, step, skipped = self.learner.skipped_in_a_row, self.learner.step, self.learner.skipped
        if row >= MOST_SKIPPED:
            raise self._left_out(f"{row} steps in a row ({step - row + 1} to {step}, {skipped} in all) were")

    def _require_learnt(self, epoch: int, steps: int) -> None:
        """Raise `DivergedError` if every step of the epoch was skipped, so that `steps` is 0."""
        if not steps:
            raise self._left_out(
                f"every step of epoch {epoch} ({(epoch - 1) * self.per_epoch + 1} to {self.learner.step}) was"
            )

    def _left_out(self, what: str) -> DivergedError:
        return DivergedError(f"{what} {self.loss_check.why_left_out(what_to_do(self.folder, self.last_saved))}")

    def _select(self, scored: Scored, epoch: int) -> None:
        """Compare the epoch with the best one by the validation split, and keep its weights if the recipe selects.

        An epoch with a faulty score is never best.
        """
        self.fault = scored.fault
        if scored.fault and self.recipe.selects:
            say(f"epoch {epoch} is not selected: on the validation split, {scored.fault}")
        elif scored.fault:
            say(f"warning: after epoch {epoch}, on the validation split, {scored.fault}")
        else:
            better = why_validation(self.recipe) is not None and self.selection.add(scored.scores, epoch)
            if better and self.recipe.selects and self.fabric.is_global_zero:
                save_checkpoint(self.folder.best, self.learner.scored, {})
