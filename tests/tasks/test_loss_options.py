"""The weight of a loss, which is read alike for every kind of task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import pytest

from afanet.declared import declare
from afanet.errors import InputError
from afanet.tasks import KINDS, Depth, Regression, Segmentation
from afanet.tasks.loss_options import choose_loss


class Plugin(Regression):
    """A kind from outside, which knows nothing of `weight`."""

    sharp = False

    def with_loss(self, options: Mapping[str, Any]) -> Self:
        assert set(options) == {"sharp"}
        changed = type(self)(self.name, 0, 1)
        changed.sharp = options["sharp"]
        return changed


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_takes_a_weight(kind: str) -> None:
    column = KINDS[kind].column_class
    task = declare(column, dict(column.example), "the example").task("trial")
    assert (task.loss_weight, choose_loss(task, {"weight": 0.25}).loss_weight, task.loss_weight) == (1, 0.25, 1)


def test_a_kind_from_outside_sees_its_own_options_alone() -> None:
    task = choose_loss(Plugin("x", 0, 1), {"sharp": True, "weight": 3})
    assert (task.sharp, task.loss_weight) == (True, 3)
    assert choose_loss(Plugin("x", 0, 1), {"weight": 3}).loss_weight == 3


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), 1e-40, 10**400, True, "2", None, [1]])
def test_a_weight_is_a_number_above_0(weight: object) -> None:
    message = r"^weight of the loss of task 'depth' is .{1,60}, expected a number above 0 \(1e-30 to 1e\+30\)$"
    with pytest.raises(InputError, match=message):
        choose_loss(Depth(), {"name": "l1", "weight": weight})


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        (Depth(), {"wieght": 2}, r"'wieght', did you mean 'weight'\? \(known: name, lambda, weight\)"),
        (Segmentation(["a", "b"]), {"wieght": 2}, "'wieght', did you mean 'weight'"),
        (Regression("x", 0, 1), {"wieght": 2}, "takes no option but weight, found wieght: take it out of losses"),
        (Regression("x", 0, 1), {}, "takes no option but weight, found none"),
    ],
)
def test_an_unknown_option_is_named_beside_weight(task: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        choose_loss(task, options)
