"""A network and everything that learns with it: one training step, and the whole state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from afanet.data import Batch
from afanet.distributed.norms import synchronise_norms
from afanet.distributed.sums import across, average
from afanet.fusion.guard import GradientGuard
from afanet.fusion.nddr import MOMENTUM, NDDR
from afanet.networks import Woven
from afanet.networks.freezing import Freezing
from afanet.networks.memory_format import channels_last
from afanet.networks.methods import METHODS
from afanet.recipe.freezing import frozen_in_training
from afanet.recipe.schema import Recipe
from afanet.tasks import Task
from afanet.training.average import Average
from afanet.training.balancing.balancer import Balancer
from afanet.training.balancing.shared import learning_tasks, shared_parameters
from afanet.training.checkpointing import checkpointing
from afanet.training.diagnostics import gate_statistics, gradient_cosines
from afanet.training.distilling.teachers import Teachers
from afanet.training.objective import Objective
from afanet.training.optimisation import create_optimizer, factor, parameter_groups, set_rates
from afanet.training.seeds import draw_seed
from afanet.training.without_statistics import WithoutStatistics


class Learner:
    """Learns several tasks from batches of images, `steps` times.

    `network(images)` gives `{task: logits}` for the tasks in `tasks`. Every step draws its random numbers only from the
    recipe's seed and the number of the step. What the recipe freezes for some epochs thaws at the `begin` of an epoch;
    `epoch` is the first epoch to train, counted from 0.

    Attributes:
        learning: the tasks with parts that learn, now or later.
        rates: the names of all groups of parameters that learn, now or later.
    """

    optimizer: Any

    def __init__(
        self,
        fabric: Fabric,
        network: nn.Module,
        tasks: Mapping[str, Task],
        recipe: Recipe,
        steps: int,
        epoch: int = 0,
        teachers: Teachers | None = None,
    ) -> None:
        self.fabric, self.tasks, self.recipe, self.steps = fabric, tasks, recipe, steps
        self.across = across(fabric)
        if fabric.world_size > 1:
            network = synchronise_norms(network, fabric.device)
        self.network = channels_last(network)
        self.freezing = Freezing(cast(Woven, network), frozen_in_training(recipe), recipe.old_tasks)
        self.freezing.apply(self.freezing.last)
        self.learning = {name: tasks[name] for name in learning_tasks(network, list(tasks), *self._images)}
        self.objective = Objective(self.learning, self.across, None if teachers is None else teachers.to(fabric.device))
        self.rates = list(dict.fromkeys(group["name"] for group in parameter_groups(network, recipe.optimizer)))
        how = recipe.balancing
        self.balancer = Balancer(how.name, list(self.learning), how.options, how.scale, how.weights).to(fabric.device)
        if recipe.network.compile:
            network.compile()
        self.freezing.apply(epoch)
        self._set_up()
        self.average = None
        if recipe.optimizer.ema is not None:
            self.average = Average(network, recipe.optimizer.ema)
            for averaged, parameter in zip(self.average.module.parameters(), network.parameters(), strict=True):
                if not parameter.requires_grad:
                    averaged.data = parameter.data  # frozen values equal their average: held once
        self.guards = {name: module for name, module in network.named_modules() if isinstance(module, GradientGuard)}
        self.reducing = [norm for layer in network.modules() if isinstance(layer, NDDR) for norm in layer.norms]
        self.step = self.skipped = self.skipped_in_a_row = 0
        self.labelled = torch.zeros(len(self.learning), device=fabric.device)  # by task, of the last step's batches

    @property
    def _images(self) -> tuple[tuple[int, int], int]:
        return self.recipe.data.window, self.recipe.network.in_chans

    def _set_up(self) -> None:
        """Make an optimiser for what learns now; it keeps what it had learnt about these parameters."""
        network = self.network
        self.shared, own = shared_parameters(network, list(self.learning), *self._images)
        self.own = list(own.values())
        rate = METHODS[self.recipe.network.method].fusion_rate
        optimizer = create_optimizer(network, self.recipe.optimizer, self.balancer.trainable(), rate)
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if hasattr(self, "optimizer"):
            before = self.optimizer.optimizer.state
            optimizer.state.update({p: before[p] for p in self.parameters if p in before})
        self.together, self.optimizer = self.fabric.setup(network, optimizer)

    def begin(self, epoch: int) -> list[str]:
        """Thaw what learns from this epoch on, counted from 0; returns the names of what thaws."""
        before = self.freezing.frozen
        if not self.freezing.apply(epoch):
            return []
        if self.average is not None:
            for averaged, parameter in zip(self.average.module.parameters(), self.network.parameters(), strict=True):
                if parameter.requires_grad and averaged.data_ptr() == parameter.data_ptr():
                    averaged.data = parameter.data.clone()
        self._set_up()
        return [what for what in before if what not in self.freezing.frozen]

    @property
    def scored(self) -> nn.Module:
        """The network that is scored and kept: the average of its weights if the recipe wants one."""
        return self.average.module if self.average is not None else self.network

    def weights(self) -> dict[str, Tensor]:
        """Every floating-point tensor that is trained or averaged or belongs to the network, by name."""
        parts: dict[str, nn.Module] = {"": self.network, "balancing.": self.balancer}
        if self.average is not None:
            parts["average."] = self.average.module
        state = {start + name: tensor for start, part in parts.items() for name, tensor in part.state_dict().items()}
        return {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}

    def train(self) -> None:
        """Put the network in training mode, except frozen parts."""
        self.network.train()

    def losses(self, batch: Batch, network: Callable[..., dict[str, Tensor]] | None = None) -> list[Tensor]:
        """The weighted loss of each learning task on a batch, over what all processes have labelled."""
        images = batch["image"]
        if "features" not in batch:
            images = images.contiguous(memory_format=torch.channels_last)
        with self.fabric.autocast(), self.given(batch), self.objective.watch(self.network) as features:
            self.objective.ask(batch)
            some = {"tasks": list(self.learning)} if len(self.learning) < len(self.tasks) else {}
            with checkpointing(self.network, self.recipe):
                logits = (network or self.network)(images, **some)
        return self.objective.losses(logits, batch, features)

    def given(self, batch: Batch) -> AbstractContextManager[None]:
        """A context in which the frozen trunk gives the kept features of a batch, if it has any."""
        trunk = getattr(self.network, "trunk", None)
        return trunk.given(self.network, batch["features"]) if trunk and "features" in batch else nullcontext()

    def learn(self, batches: Sequence[Batch], measure: bool = False) -> tuple[Tensor, Tensor | None]:
        """One step on `batches`, with averaged gradients; returns each task's loss and, with `measure`, the whole norm.

        If a loss is not finite and the recipe says to skip, nothing changes except the count of skipped steps.
        """
        self._seed()
        set_rates(self.optimizer, factor(self.recipe.schedule, self.step, self.steps, self.recipe.epochs))
        kept = [b.clone() for b in self.network.buffers()] if self.recipe.skip_nonfinite else []
        total = torch.zeros(len(self.learning), device=self.fabric.device)
        self.labelled = torch.stack([self.objective.has_labels(batch) for batch in batches]).sum(0)
        for number, batch in enumerate(batches, start=1):
            if self.balancer.kind == "gradient":
                losses = self.losses(batch)
            else:
                with self.fabric.no_backward_sync(self.together, enabled=number < len(batches)):
                    losses = self.losses(batch, self.together)
                    values = torch.stack(losses)
                    if not (self.recipe.skip_nonfinite and not values.isfinite().all()):
                        self.fabric.backward(self.balancer.combine(values) / len(batches))
            total += torch.stack([loss.detach() for loss in losses]) / len(batches)
        if self.recipe.skip_nonfinite and not total.isfinite().all():
            for buffer, before in zip(self.network.buffers(), kept, strict=True):
                buffer.copy_(before)
            self.optimizer.zero_grad()
            self.step += 1
            self.skipped += 1
            self.skipped_in_a_row += 1
            return total, None
        self.skipped_in_a_row = 0
        if self.balancer.kind == "gradient":
            self.balancer.backward(losses, self.shared, self.own, average)
        norm = self._clip(measure)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.balancer.wants_losses_again:
            self._seed()
            with torch.no_grad(), WithoutStatistics(self.network):
                self.balancer.after_step(lambda: torch.stack(self.losses(batches[-1])))
        if self.average is not None:
            self.average.update_parameters(self.network)
        self.step += 1
        return total, norm

    def cosines(self, batch: Batch) -> dict[str, float]:
        """How far the tasks' gradients agree on a batch, by pair; the network does not learn from this.

        Empty with a gradient guard, because one backward pass for each task would mislead the guard and its counts.
        """
        if self.guards:
            return {}
        self.train()
        self._seed()
        with WithoutStatistics(self.network):
            losses = self.losses(batch, self.network.forward)  # once an epoch: not worth compiling
        return gradient_cosines(losses, list(self.learning), self.shared, average)

    def gates(self, batch: Batch) -> dict[str, float]:
        """How much of its own features each task keeps in each fusion layer on a batch, see `gate_statistics`."""
        with self.given(batch):
            return gate_statistics(self.network, batch["image"])

    def state(self) -> dict[str, Any]:
        """Everything that decides how training continues, as tensors and plain values."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "balancing": self.balancer.state(),
            "average": None if self.average is None else self.average.state_dict(),
            "guards": {name: (guard.acted, guard.passes) for name, guard in self.guards.items()},
            "nddr_momentum": self.reducing[0].momentum if self.reducing else MOMENTUM,
            "step": self.step,
            "skipped": self.skipped,
            "skipped_in_a_row": self.skipped_in_a_row,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from the `state` of another learner."""
        self.balancer.load_state(state["balancing"])  # first, because it may refuse
        self.network.load_state_dict(state["network"])
        # The groups' settings are the recipe's; only what the optimiser has learnt is loaded.
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state["optimizer"]["state"], "param_groups": groups})
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        for name, (acted, passes) in state["guards"].items():
            self.guards[name].acted.copy_(acted)
            self.guards[name].passes.copy_(passes)
        for norm in self.reducing:
            norm.momentum = state.get("nddr_momentum", 0.1)  # older versions used torch's default
        self.step, self.skipped = state["step"], state["skipped"]
        self.skipped_in_a_row = state.get("skipped_in_a_row", 0)  # older versions did not count it

    def _seed(self) -> None:
        torch.manual_seed(draw_seed(self.recipe.seed, "step", self.step, self.fabric.global_rank))

    def _clip(self, measure: bool) -> Tensor | None:
        limit = self.recipe.optimizer.clip
        if limit is None and not measure:
            return None
        return nn.utils.clip_grad_norm_(self.parameters, float("inf") if limit is None else limit)
