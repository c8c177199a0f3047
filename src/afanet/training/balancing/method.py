"""The definition of a balancing method: one row of the table, with its hooks; reading it needs no torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from afanet.errors import InputError, shown, unknown

if TYPE_CHECKING:
    from torch import Tensor, nn

MOST = 1_000_000  # the most rounds in a step, and the most steps
Options = Mapping[str, float]
Sees = Literal["losses", "last losses", "norms", "angles", "gramian", "unit gramian", "jacobian"]
Yields = Callable[[int, Mapping[str, float]], float]


def SUM(count: int, options: Options) -> float:  # noqa: N802
    """The result of a summing method for N identical gradients, divided by one of them."""
    return float(count)


def MEAN(count: int, options: Options) -> float:  # noqa: N802
    """The result of an averaging method for N identical gradients, divided by one of them."""
    return 1.0


@dataclass(frozen=True)
class Balancing:
    """A way to balance N tasks.

    `sees` is the argument of the method. With J the Jacobian (N, P) of the losses with respect to the shared
    parameters, it is one of: the losses; the losses, with a task's last loss if a batch has no label of the task; the
    norms of the rows of J and the losses; the `Angles` of the rows; the Gramian J Jᵀ; the Gramian divided by its trace;
    J itself. The method returns a scalar if it sees losses, else the N weights of the rows, or, if `weighs` is false,
    the combined row (P,) itself. Angles and Gramians are float64. `learns`: the method has parameters that the
    optimiser of the network must update. `fewest`: the smallest N that it takes. `named`: it takes a weight for each
    task. `retired`: options of older versions, without effect.

    `yields` gives, from N and the options, the combination of N identical gradients divided by one of them, as the
    paper defines the method. It is None if the length of the combination is not proportional to that of the gradients.

    Both hooks are called with the module that `create` made. `after_step` also gets the losses (N,) of the same batch
    after the step of the optimiser; `end_epoch` is called after each epoch of training.
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
        """Whether it combines losses, before one backward pass, or gradients, from one backward pass for each task."""
        return "loss" if self.sees in ("losses", "last losses") else "gradient"

    def create(self, count: int, options: Mapping[str, Any], weights: Sequence[float] = ()) -> nn.Module:
        """The method for `count` tasks; `weights` are those of the tasks if it is `named`.

        Raises `InputError` for an unknown option, for a value that it does not take, and if a package is missing.
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
        """The weights (N,) scaled so that N identical gradients give their sum, as with `equal`.

        If no factor does that, the weights are scaled to sum to N. `options` has the value of every option.
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
