"""Methods that weight the tasks' gradients by their angles: each gives the N weights, float64."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from afanet.training.balancing.angles import Angles
from afanet.training.balancing.solvers import fair, nonnegative

LEAST = 1e-12  # relative size below which a sum of weights is only rounding error


class MGDA(nn.Module):
    """The shortest convex combination of the gradients."""

    def __init__(self, count: int) -> None:
        super().__init__()

    def forward(self, seen: Angles) -> Tensor:
        """The weights (N,), which are not negative and sum to 1."""
        weights = nonnegative(seen.cosines, seen.norms.min() / seen.norms) / seen.norms
        return weights / weights.sum()


class CAGrad(nn.Module):
    """The mean gradient g plus a vector of length c |g|, so that the least product with any gradient is largest.

    With q that vector divided by c |g|, the least (g / |g| + c q) u_i / r_i is maximised, where u_i are the unit
    gradients and r_i is the least norm divided by the task's. A value m of it is reachable only if (m r - u g / |g|) x
    does not exceed c |x u| for any x of at least 0. The largest such m is the root of a convex function, found by
    Newton's method.
    """

    def __init__(self, count: int, c: float) -> None:
        super().__init__()
        if not c >= 0:
            raise ValueError(f"c={c}, expected at least 0")
        self.c = c

    def forward(self, seen: Angles) -> Tensor:
        """The weights (N,)."""
        cosines, norms = seen
        mean = torch.full_like(norms, 1 / len(norms))
        total = float(norms @ cosines @ norms)
        if self.c == 0 or total <= LEAST**2 * float(norms.max()) ** 2:
            return mean
        relative, products = norms.min() / norms, cosines @ norms / total**0.5
        least = ((self.c + products) / relative).min()
        for _ in range(100):
            target = least * relative - products
            x = nonnegative(cosines, target)
            length = (target @ x).clamp(min=0).sqrt()
            if float(length - self.c) <= LEAST * self.c:
                break
            least = least - (length - self.c) * length / (relative @ x)
        weights: Tensor = mean + self.c * total**0.5 / len(norms) * x / length / norms
        return weights


class IMTLG(nn.Module):
    """The combination with the same projection on every task's gradient; 0 if there is none."""

    def __init__(self, count: int) -> None:
        super().__init__()

    def forward(self, seen: Angles) -> Tensor:
        """The weights (N,), which sum to 1."""
        weights = torch.linalg.pinv(seen.cosines, hermitian=True).sum(1) / seen.norms
        total = weights.sum()
        return torch.zeros_like(weights) if total.abs() <= LEAST * weights.abs().sum() else weights / total


class ConFIG(nn.Module):
    """The direction with equal angles to all gradients, as long as the sum of their projections; 0 if there is none."""

    def __init__(self, count: int) -> None:
        super().__init__()

    def forward(self, seen: Angles) -> Tensor:
        """The weights (N,)."""
        units = torch.linalg.pinv(seen.cosines, hermitian=True).sum(1)
        products = seen.cosines @ units
        square = units @ products  # of the length of the unit gradients' sum with these weights
        if square <= LEAST:
            return torch.zeros_like(units)
        weights: Tensor = seen.norms @ products / square * units / seen.norms
        return weights


class AlignedMTL(nn.Module):
    """The mean of the gradients after all their principal components have the length of the shortest one."""

    def __init__(self, count: int) -> None:
        super().__init__()

    def forward(self, seen: Angles) -> Tensor:
        """The weights (N,)."""
        values, vectors = torch.linalg.eigh(seen.cosines)
        kept = values > len(values) * torch.finfo(values.dtype).eps * values[-1]
        # Not the Gramian's eigenvectors: the Gramian squares the ratios of norms.
        root = seen.norms[:, None] * vectors[:, kept] * values[kept].sqrt()
        components, lengths, _ = torch.linalg.svd(root, full_matrices=False)
        weights: Tensor = components @ (lengths[-1] / lengths * components.mean(0))
        return weights


class UPGrad(nn.Module):
    """The mean of the gradients, each projected to where it conflicts with none."""

    def __init__(self, count: int) -> None:
        super().__init__()

    def forward(self, seen: Angles) -> Tensor:
        """The weights (N,)."""
        cosines, norms = seen
        added = torch.stack([nonnegative(cosines, -row) for row in cosines])
        return (1 + norms @ added / norms) / len(norms)


class DualProj(nn.Module):
    """The mean of the gradients, projected to where it conflicts with none of them."""

    def __init__(self, count: int) -> None:
        super().__init__()

    def forward(self, seen: Angles) -> Tensor:
        """The weights (N,)."""
        cosines, norms = seen
        longest = norms.max()
        return (1 + longest * nonnegative(cosines, -cosines @ (norms / longest)) / norms) / len(norms)


class NashMTL(nn.Module):
    """Weights w with (G w)_i = 1 / w_i for the Gramian G, updated every `update_weights_every` steps.

    If there are none, because the gradients oppose each other, the last weights are kept; they are 1 at first.
    """

    def __init__(self, count: int, max_norm: float, update_weights_every: int, optim_niter: int) -> None:
        super().__init__()
        if not (max_norm >= 0 and update_weights_every > 0 and optim_niter > 0):
            raise ValueError(
                f"max_norm={max_norm}, update_weights_every={update_weights_every} and optim_niter={optim_niter}, "
                "expected max_norm of at least 0 and the others above 0"
            )
        self.max_norm, self.every, self.rounds = max_norm, update_weights_every, optim_niter
        self.step = 0.0
        self.prvs_alpha = torch.ones(count, dtype=torch.float64)  # named as in checkpoints of older versions

    def forward(self, seen: Angles) -> Tensor:
        """The weights (N,), which make the sum of the gradients at most `max_norm` long; 0 means no limit."""
        cosines, norms = seen
        if self.step % self.every == 0:
            units = fair(cosines, torch.ones_like(norms), 1.0, self.rounds)
            if units is not None:
                self.prvs_alpha = units / norms
        self.step += 1
        weights = torch.as_tensor(self.prvs_alpha, dtype=torch.float64)
        length = ((weights * norms) @ cosines @ (weights * norms)).clamp(min=0).sqrt()
        return weights * (self.max_norm / length) if 0 < self.max_norm < length else weights


class FairGrad(nn.Module):
    """Weights w with (G w)_i = w_i to the power of -1 / alpha for the Gramian G; the mean for an alpha of 0."""

    def __init__(self, count: int, alpha: float) -> None:
        super().__init__()
        if not alpha >= 0:
            raise ValueError(f"alpha={alpha}, expected at least 0")
        self.alpha = alpha

    def forward(self, seen: Angles) -> Tensor:
        """The weights (N,); raises `ValueError` if there are none."""
        if self.alpha == 0:
            return torch.full_like(seen.norms, 1 / len(seen.norms))
        power = 1 / self.alpha
        units = fair(seen.cosines, seen.norms.pow(power - 1), power)
        if units is None:
            raise ValueError("the gradients oppose each other")
        return units / seen.norms
