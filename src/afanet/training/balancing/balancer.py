"""How several losses, or their gradients, become one step of the optimiser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from torch import Tensor, nn

from afanet.errors import InputError, unknown
from afanet.training.balancing.angles import CPU
from afanet.training.balancing.checks import check_weights
from afanet.training.balancing.combination import combine_rows
from afanet.training.balancing.draws import seeded
from afanet.training.balancing.jacobian import jacobian, parts, write
from afanet.training.balancing.methods import find_balancing
from afanet.training.balancing.subsets import Subsets

Reduce = Callable[[Tensor], Tensor]
SCALES = ("equal", "paper")


def alone(tensor: Tensor) -> Tensor:
    """The mean of a tensor over a single process: itself."""
    return tensor


class Balancer(nn.Module):
    """Balances N tasks by one method of the table that `afanet balancing` prints.

    A method of `kind` "loss" combines the losses into one scalar (`combine`), for one ordinary backward pass. A method
    of kind "gradient" takes one backward pass for each task and combines the gradients of the shared parameters
    (`backward`); each task's own parameters keep their own gradient, which GradNorm weights as it weights the loss.

    A task without a label in a batch has a loss of 0 and no gradient. Methods of losses then use its last loss as a
    constant; methods of gradients leave the task out. Methods with memory have a separate memory for each set of tasks
    that occur together in a batch. If a gradient is not finite, the gradients are summed without calling the method.

    With several processes, `reduce` is the mean of a tensor over all of them, the same in each: losses and gradients
    are averaged before anything is decided. Random draws depend on the seed at construction and on the step, so all
    processes decide alike. Small problems are solved on the CPU, so methods of gradients, and geometric-mean, wait for
    the device once in each step. The others, and gradnorm, never wait.

    Args:
        name: a method, such as "uw" or "pcgrad".
        tasks: the names of the tasks, in the order of the losses; methods with a primary task take the first.
        options: the method's options that differ from their defaults.
        scale: how long the combined gradient is. With "equal", N identical gradients give their sum for every method;
            with "paper", they give what the method's paper defines, often their mean. Methods of losses ignore it.
        weights: the weight of each task by name, only for "fixed".

    Raises:
        InputError: for an unknown name, option or scale, a value that the method does not take, or a missing package.

    >>> balancer = Balancer("equal", ["depth", "normals"])
    >>> balancer.combine(torch.tensor([1.0, 2.5], requires_grad=True)).item()
    3.5
    >>> balancer.weights().tolist()
    [1.0, 1.0]
    """

    def __init__(
        self,
        name: str,
        tasks: Sequence[str],
        options: Mapping[str, Any] = {},
        scale: str = "equal",
        weights: Mapping[str, float] = {},
    ) -> None:
        super().__init__()
        self.row = find_balancing(name)
        self.tasks = tuple(tasks)
        if scale not in SCALES:
            raise unknown("scale of balancing", scale, SCALES)
        self.scale = scale
        # Not submodules: only parameters that the optimiser must update may be found here.
        ordered = check_weights(name, self.tasks, weights)
        self._methods = Subsets(self.row, len(self.tasks), dict(options), ordered)
        if self.row.learns:
            self.learnt: nn.Module = self._methods.whole
        self._device = CPU
        self._last = torch.ones(len(self.tasks))
        self._seed = torch.initial_seed()
        self._draws = 0
        self._weights: Tensor | None = None

    @property
    def kind(self) -> Literal["loss", "gradient"]:
        """Whether to call `combine` or `backward`."""
        return self.row.kind

    @property
    def wants_losses_again(self) -> bool:
        """Whether `after_step` must be called with the batch's losses after each step of the optimiser."""
        return self.row.after_step is not None

    def trainable(self) -> list[nn.Parameter]:
        """The parameters that the network's optimiser must update too."""
        return list(self.parameters())

    def weights(self) -> Tensor | None:
        """The factors of the last batch's losses or gradients, (N,), on their device; None if there were none."""
        return self._weights

    def combine(self, losses: Tensor, reduce: Reduce = alone) -> Tensor:
        """The losses (N,) combined into one scalar, for the backward pass.

        Raises `InputError` for a method of gradients, which one scalar cannot express.
        """
        if self.kind == "gradient":
            raise InputError(
                f"balancing by '{self.row.name}' combines gradients, not losses: call `backward` with the losses and "
                "the result of `shared_parameters`, instead of `combine`"
            )
        self._move(losses.device)
        own = losses.detach()
        values = losses + (reduce(own.clone()) - own)  # the value from all processes, the gradient from this one
        if self.row.sees == "last losses":
            values = self._filled(values)
        with self._seeded():
            combined: Tensor = self._methods.whole(values)
        self._weights = None
        if losses.requires_grad and combined.requires_grad:
            (self._weights,) = torch.autograd.grad(combined, losses, retain_graph=True)
        return combined

    def backward(
        self,
        losses: Sequence[Tensor] | Tensor,
        shared: Sequence[nn.Parameter],
        own: Sequence[Sequence[nn.Parameter]],
        reduce: Reduce = alone,
    ) -> None:
        """Set the gradient of every parameter by one backward pass for each of the N losses, whose graph is freed.

        Args:
            losses: N scalars. One tensor (N,) also works, but each pass then walks all tasks' heads.
            shared: the parameters that several losses reach.
            own: for each task, the parameters that only its loss reaches.
            reduce: the mean over all processes; may write into its argument.

        Raises:
            InputError: for a method of losses, and if a solver finds no combination of the gradients.
        """
        if self.kind == "loss":
            raise InputError(
                f"balancing by '{self.row.name}' combines losses, not gradients: call `combine`, not `backward`"
            )
        losses = list(losses)
        self._move(losses[0].device)
        with torch.autocast(losses[0].device.type, enabled=False), torch.no_grad():
            values = torch.stack([loss.detach() for loss in losses])
            rows, flat = map(reduce, jacobian(losses, shared, own))
            if self.row.sees == "norms":
                norms = torch.linalg.vector_norm(rows, dim=1)
                weights = self._weights = self._methods.whole(norms, reduce(values)).to(rows.dtype)
                combined = weights @ rows
            else:
                combined, self._weights = combine_rows(
                    rows, self._methods, self._seeded, as_in_paper=self.scale == "paper"
                )
            write(combined, shared)
            of_task = parts(flat, own)
            for i, (row, parameters) in enumerate(zip(of_task, own, strict=True)):
                write(weights[i] * row if self.row.sees == "norms" else row, parameters)

    def after_step(self, losses: Callable[[], Tensor], reduce: Reduce = alone) -> None:
        """If the method wants them, pass it the same batch's losses (N,) after the step of the optimiser."""
        if self.row.after_step is not None:
            with torch.no_grad():
                self.row.after_step(self._methods.whole, self._filled(reduce(losses().detach().clone())))

    def end_epoch(self) -> None:
        """Call the method's hook for the end of an epoch of training, if it has one."""
        if self.row.end_epoch is not None:
            self.row.end_epoch(self._methods.whole)

    def state(self) -> dict[str, Any]:
        """Everything that decides how the balancer continues, as tensors and plain values."""
        return {
            "name": self.row.name,
            "scale": self.scale,
            "last": self._last.clone(),
            "seed": self._seed,
            "draws": self._draws,
            "methods": self._methods.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from the `state` of a balancer with the same method, tasks and options, and take its scale.

        Raises `InputError` if `state` is from another method.
        """
        if state["name"] != self.row.name or len(state["last"]) != len(self.tasks):
            raise InputError(
                f"the state is of balancing {len(state['last'])} tasks by '{state['name']}', expected "
                f"{len(self.tasks)} by '{self.row.name}': continue with the method that the run began with"
            )
        learnt = next((parameter.device for parameter in self.parameters()), self._device)
        self._methods.load_state(state["methods"], learnt)
        self.scale = state.get("scale", "paper")  # older versions had only this scale and did not keep it
        self._last = state["last"].to(self._device, copy=True)
        self._seed, self._draws = state["seed"], state["draws"]

    def _filled(self, losses: Tensor) -> Tensor:
        """The losses, each 0 replaced by the task's last loss as a constant."""
        filled = torch.where(losses.detach() == 0, self._last, losses)
        self._last = filled.detach()
        return filled

    def _move(self, device: torch.device) -> None:
        """Move the state to the device of the losses."""
        if device != self._device:
            state = self.state()
            self._device = device
            self.load_state(state)

    def _seeded(self) -> AbstractContextManager[None]:
        self._draws += 1
        return seeded(self._seed + self._draws, self._device)
