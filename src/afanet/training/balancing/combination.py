"""How the gradients of several tasks become one."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from afanet.errors import InputError
from afanet.training.balancing.angles import Angles, angles, gramian
from afanet.training.balancing.subsets import Subsets


def combine_rows(
    rows: Tensor, methods: Subsets, seeded: Callable[[], AbstractContextManager[None]], as_in_paper: bool
) -> tuple[Tensor, Tensor | None]:
    """One row (P,) of the tasks' gradients `rows` (N, P), and the weights (N,) behind it, None if there are none.

    Rows of zeros are left out; a single remaining row is used unchanged. If a row is not finite, all rows are summed
    without calling the method. `seeded` gives the context in which the method is called. With `as_in_paper`, the
    weights are those of the paper, else they are `Balancing.rescaled`. Raises `InputError` where a solver fails.

    >>> from contextlib import nullcontext
    >>> from afanet.training.balancing.methods import find_balancing
    >>> rows = torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    >>> row, weights = combine_rows(rows, Subsets(find_balancing("mgda"), 2, {}), nullcontext, False)
    >>> row.tolist(), weights.tolist()
    ([2.0, 0.0], [1.0, 0.0])
    """
    sees, weighs = methods.row.sees, methods.row.weighs
    if sees == "jacobian":
        sizes = torch.linalg.vector_norm(rows, ord=math.inf, dim=1).tolist()
    else:
        products = gramian(rows)
        sizes = products.diagonal().tolist()
    if not all(map(math.isfinite, sizes)):
        return rows.sum(0), None
    nonzero = [i for i, size in enumerate(sizes) if size > 0]
    chosen = torch.ones(len(nonzero))
    if len(nonzero) > 1:
        with seeded():
            if sees == "jacobian":
                chosen = _call(methods, nonzero, rows if len(nonzero) == len(rows) else rows[nonzero])
            else:
                chosen = _call(methods, nonzero, _statistic(sees, products[nonzero][:, nonzero]))
        if weighs and not as_in_paper:
            chosen = methods.row.rescaled(chosen, methods.options)
    if not weighs:
        return (chosen if len(nonzero) > 1 else rows.sum(0)), None
    weights = torch.zeros(len(rows), dtype=rows.dtype, device=chosen.device)
    weights[nonzero] = chosen.to(rows.dtype)
    weights = weights.to(rows.device)
    return weights @ rows, weights


def _statistic(sees: str, gramian: Tensor) -> Tensor | Angles:
    """What a method sees of the Gramian (N, N) of its tasks' gradients; see `Balancing`."""
    match sees:
        case "angles":
            return angles(gramian)
        case "unit gramian":
            return gramian / gramian.trace()
    return gramian


def _call(methods: Subsets, tasks: list[int], seen: Tensor | Angles) -> Tensor:
    try:
        answer: Tensor = methods[tuple(tasks)](seen)
        return answer
    except Exception as error:  # solvers raise errors of any type
        raise InputError(
            f"balancing by '{methods.row.name}' found no combination of a batch's gradients ({error}): "
            "try a smaller learning rate or another method"
        ) from error
