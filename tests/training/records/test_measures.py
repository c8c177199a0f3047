"""What is measured in a step is logged later, once, and as of its step."""

from __future__ import annotations

from typing import Any, cast

import torch

from afanet.training.records.log import Log
from afanet.training.records.measures import Measures


def test_values_are_logged_when_the_next_ones_come_or_at_the_end() -> None:
    logged: list[tuple[dict[str, float], int]] = []

    class Logged:
        def scalars(self, values: Any, step: int) -> None:
            logged.append((values, step))

    measures = Measures(cast(Log, Logged()), torch.device("cpu"))
    measures.finish()
    measures.add(1, {"norm": torch.tensor(0.5)})
    assert not logged
    measures.add(51, {"norm": torch.tensor(2.0)})
    assert logged == [({"norm": 0.5}, 1)]
    measures.finish()
    measures.finish()
    assert logged == [({"norm": 0.5}, 1), ({"norm": 2.0}, 51)]
