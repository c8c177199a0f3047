"""The definition of a balancing method: one row of the table, with its hooks; reading it needs no torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from afanet.errors import InputError, shown, unknown

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST = 1_000_000  # of rounds in a step, and of steps
Options = Mapping[str, float]
Sees = Literal["losses", "last losses", "norms", "angles", "gramian", "unit gramian", "jacobian"]
Yields = Callable[[int, Mapping[str, float]], float]


def SUM(count: int, options: Options) -> float:  # noqa: N802
    """What N identical gradients yield under a method that sums, over one of them."""
    return float(count)


def MEAN(count: int, options: Options) -> float:  # noqa: N802
    """What N identical gradients yield under a method that takes a mean, over one of them."""
    return 1.0


@dataclass(frozen=True)
class Balancing:
    """A way to balance N tasks.

    `sees` is what it is called with, J being the Jacobian (N, P) of the losses by the shared parameters: the losses;
    the losses with a task's last loss where a batch has no label of the task; the norms of the rows of J and the
    losses; the `Angles` of the rows; the Gramian J Jᵀ; that over its trace; J itself. It gives a scalar for losses,
    else the N weights of the rows, or the combined row (P,) itself where `weighs` is false. Angles and Gramians are
    float64. `learns`: it has parameters that the optimiser of the network must move. `fewest` is the least N that it
    takes. `named`: it takes a weight for each task. `retired` are options of older versions that have no effect.

    `yields` gives the combination of N identical gradients over one of them, as the paper defines the method, from N
    and the options; it is None where the length of the combination is not proportional to that of the gradients.

    Two hooks, each called with the module that `create` made: `after_step` also gets the losses (N,) of the same batch
    after the optimiser moved, `end_epoch` is called when an epoch of training has ended.
    """

    name: str
    sees: Sees
    sentence: str
    paper: str
    factory: Callable[..., nn.Module]
    options: Options = field(default_factory=dict)
    yields: Yields | None = SUM
    weighs: bool = True
    learns: bool = False
    named: bool = False
    retired: tuple[str, ...] = ()
    fewest: int = 2
    after_step: Callable[[Any, Tensor], None] | None = None
    end_epoch: Callable[[Any], None] | None = None

    @property
    def kind(self) -> Literal["loss", "gradient"]:
        """Whether it combines the losses, before one backward pass, or the gradients of one backward pass a task."""
        return "loss" if self.sees in ("losses", "last losses") else "gradient"

    def create(self, count: int, options: Mapping[str, Any], weights: Sequence[float] = ()) -> nn.Module:
        """The method for `count` tasks; `weights` are those of the tasks where it is `named`.

        Raises `InputError` for an option that it does not have or a value that it does not take, and where a package
        is missing.
        """
        given: dict[str, Any] = {"weights": weights} if self.named else {}
        try:
            return self.factory(count, **self.chosen(options), **given)
        except ImportError as error:
            raise InputError(
                f"balancing by '{self.name}' needs a package that is missing: pip install torchjd ({error})"
            ) from None
        except ValueError as error:
            raise InputError(f"balancing by '{self.name}' cannot use its options: {error}") from None

    def chosen(self, options: Mapping[str, Any]) -> dict[str, float]:
        """The value of every option, with `options` instead of the defaults; raises `InputError` as `create` does."""
        for key in options:
            if key in self.retired:
                warnings.warn(f"balancing by '{self.name}' no longer uses '{key}': leave it out", stacklevel=2)
        used = {key: value for key, value in options.items() if key not in self.retired}
        return dict(self.options) | {key: self._checked(key, value) for key, value in used.items()}

    def rescaled(self, weights: Tensor, options: Mapping[str, Any]) -> Tensor:
        """The weights (N,) times the factor with which N identical gradients yield their sum, as `equal` does.

        Where there is no such factor, the weights are scaled to the sum N. `options` has the value of every option.
        """
        if self.yields is None:
            return weights * (len(weights) / weights.sum())
        return weights * (len(weights) / self.yields(len(weights), options))

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
