"""What goes together is let through, everything else is refused with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from afanet.errors import InputError
from afanet.training.balancing.checks import check_combination
from afanet.training.balancing.methods import BALANCINGS

PLAIN: dict[str, Any] = {
    "tasks": 2, "shared": True, "guarded": False, "accumulate": 1, "compile": False, "precision": "float32",
}  # fmt: skip


@pytest.mark.parametrize("name", BALANCINGS)
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_every_method_balances_two_tasks_of_a_plain_run(name: str, precision: str) -> None:
    check_combination(name, **PLAIN | {"precision": precision})


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        ({"shared": False}, "the tasks share none"),
        ({"guarded": True}, "gradient guard"),
        ({"accumulate": 4}, "4 batches are accumulated"),
        ({"compile": True}, "one backward graph"),
        ({"precision": "float16"}, "'float16'"),
    ],
)
@pytest.mark.parametrize("name", BALANCINGS)
def test_gradients_are_balanced_in_plain_steps_only(name: str, wish: dict[str, Any], reason: str) -> None:
    if BALANCINGS[name].kind == "gradient" or (name == "famo" and "accumulate" in wish):
        with pytest.raises(InputError, match=rf"'{name}'.*{reason}"):
            check_combination(name, **PLAIN | wish)
    else:
        check_combination(name, **PLAIN | wish)


@pytest.mark.parametrize("name", BALANCINGS)
def test_one_task_needs_no_balance(name: str) -> None:
    if name == "equal":
        check_combination(name, **PLAIN | {"tasks": 1})
    else:
        with pytest.raises(InputError, match="two tasks or more"):
            check_combination(name, **PLAIN | {"tasks": 1})
