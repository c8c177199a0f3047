"""The definition of a balancing method: one row of the table, with its hooks; reading it needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from afanet.errors import InputError, shown, unknown

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST = 1_000_000  # of rounds in a step, and of steps
Options = Mapping[str, float]
Sees = Literal["losses", "last losses", "norms", "gramian", "unit gramian", "root", "jacobian"]


@dataclass(frozen=True)
class Balancing:
    """A way to balance N tasks.

    `sees` is what it is called with, J being the Jacobian (N, P) of the losses by the shared parameters: the losses;
    the losses with a task's last loss where a batch has no label of the task; the norms of the rows of J and the
    losses; the Gramian J Jᵀ; that over its trace; a square root R (N, N) of it, R Rᵀ = J Jᵀ; J itself. It yields a
    scalar for losses, else the N weights of the rows, or the combined row (P,) itself where `weighs` is false.
    `learns`: it has parameters that the optimiser of the network must move. `extra` is TorchJD's extra with its solver.
    `fewest` is the least N that it takes.

    Two hooks, each called with the module that `create` made: `after_step` also gets the losses (N,) of the same batch
    after the optimiser moved, `end_epoch` is called when an epoch of training has ended.
    """

    name: str
    sees: Sees
    sentence: str
    paper: str
    factory: Callable[..., nn.Module]
    options: Options = field(default_factory=dict)
    extra: str = ""
    weighs: bool = True
    learns: bool = False
    fewest: int = 2
    after_step: Callable[[Any, Tensor], None] | None = None
    end_epoch: Callable[[Any], None] | None = None

    @property
    def kind(self) -> Literal["loss", "gradient"]:
        """Whether it combines the losses, before one backward pass, or the gradients of one backward pass a task."""
        return "loss" if self.sees in ("losses", "last losses") else "gradient"

    def create(self, count: int, options: Mapping[str, Any]) -> nn.Module:
        """The method for `count` tasks.

        Raises `InputError` for an option that it does not have or a value that it does not take, and where a package
        is missing.
        """
        chosen = dict(self.options) | {key: self._checked(key, value) for key, value in options.items()}
        try:
            return self.factory(count, **chosen)
        except ImportError as error:
            package = f"torchjd[{self.extra}]" if self.extra else "torchjd"
            raise InputError(
                f"balancing by '{self.name}' needs a package that is missing: pip install '{package}' ({error})"
            ) from None
        except ValueError as error:
            raise InputError(f"balancing by '{self.name}' cannot use its options: {error}") from None

    def _checked(self, key: str, value: Any) -> float:
        if not self.options:
            raise InputError(f"balancing by '{self.name}' has no options, but was given '{key}': leave it out")
        if key not in self.options:
            raise unknown(f"option of balancing by '{self.name}'", key, self.options)
        whole = isinstance(self.options[key], int)
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            expected = "a whole number" if whole else "a number"
            raise InputError(f"balancing by '{self.name}' got {key}={shown(value)}: expected {expected}")
        if whole and value > MOST:
            raise InputError(f"balancing by '{self.name}' got {key}={shown(value)}: expected at most {MOST}")
        return value
