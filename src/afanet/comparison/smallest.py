"""The smallest effects that deserve a colour: a difference may be certain, yet too small to matter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from afanet.errors import InputError, shown, unknown
from afanet.tasks import Described

SHARE = 0.005  # of the baseline's score
UNIT = 1e-4  # the last digit that tables show
DELTA = "delta_m"
PERCENT = 0.5  # of delta_m


@dataclass(frozen=True)
class Smallest:
    """Smallest effects by `METRIC`, `TASK.METRIC` or `delta_m`, in the metric's own unit; by default a share of the
    score.

    The default is half a per cent of the baseline's score, at least 0.0001; for delta_m it is 0.5 per cent.

    >>> smallest = Smallest({"rmse": 0.01})
    >>> smallest.of("depth", "rmse", 0.6), smallest.of("depth", "abs", 0.4), smallest.of("depth", "abs", 0.0)
    (0.01, 0.002, 0.0001)
    """

    given: Mapping[str, float] = field(default_factory=dict)

    def of(self, task: str, metric: str, base: float) -> float:
        """The smallest effect of a metric for which the baseline has the score `base`."""
        usual = max(SHARE * abs(base), UNIT)
        return self.given.get(f"{task}.{metric}", self.given.get(metric, usual))

    @property
    def delta(self) -> float:
        """The smallest effect of delta_m, in per cent."""
        return self.given.get(DELTA, PERCENT)

    def sentence(self, base: str) -> str:
        """A note that states the smallest effects; `base` is what it calls the baseline."""
        own = "".join(f", {name} {value:g}" for name, value in self.given.items())
        return (
            f"smallest change that counts as better or worse: {100 * SHARE:g} % of {base}'s score and at least "
            f"{UNIT:g}, for delta_m {PERCENT:g} %; set with --smallest{': ' * bool(own)}{own[2:]}"
        )


def read_smallest(text: str | None, tasks: Mapping[str, Described]) -> Smallest:
    """The smallest effects of a flag, such as `rmse=0.01,depth.abs=0.005,delta_m=1`; raises `InputError` for others.

    >>> from afanet.tasks import Depth
    >>> read_smallest("rmse=0.01", {"depth": Depth()}).given
    {'rmse': 0.01}
    """
    known = [DELTA]
    for name, task in tasks.items():
        known += [*task.higher_is_better, *(f"{name}.{metric}" for metric in task.higher_is_better)]
    given = {}
    for part in text.split(",") if text else []:
        name, equals, value = part.strip().partition("=")
        if not equals or (number := _number(value)) is None:
            raise InputError(
                f"--smallest has {shown(part.strip())}, expected METRIC=VALUE, a value of 0 or more, such as rmse=0.01"
            )
        if name not in known:
            raise unknown("metric of --smallest", name, list(dict.fromkeys(known)))
        given[name] = number
    return Smallest(given)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
