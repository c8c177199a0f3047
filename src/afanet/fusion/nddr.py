"""NDDR: neural discriminative dimensionality reduction of the concatenated features of all tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from afanet.fusion.base import Fusion, Guarded, contract, magnitudes, shares
from afanet.fusion.cross_stitch import start_weights

MOMENTUM = 0.05  # of the batch norms' running statistics


class NDDR(Fusion):
    r"""Every task reduces the concatenation of all tasks' features to its own channels by a 1x1 convolution.

    .. math:: y_i = ReLU(BN_i(K_i [x_1; \dots; x_N])), \qquad K_i \in R^{C \times NC}

    The kernels start as diagonal matrices: 0.9 for a task's own channel, 0.1 / (N - 1) for the same channel of each
    other task. The batch norms' running statistics have a momentum of 0.05, as in the authors' code.

    Args:
        channels, tasks, size, limit, protect, readers: see :class:`~afanet.fusion.Fusion`; size is not needed here.

    >>> import torch
    >>> nddr = NDDR(channels=4, tasks=2).eval()
    >>> y_a, y_b = nddr([torch.ones(1, 4, 2, 2), torch.zeros(1, 4, 2, 2)])
    >>> round(y_a.mean().item(), 3), round(y_b.mean().item(), 3)
    (0.9, 0.1)

    Gao et al., NDDR-CNN: Layerwise Feature Fusing in Multi-Task CNNs by Neural Discriminative Dimensionality Reduction,
    CVPR 2019.
    """

    meet = "stages"

    def __init__(
        self, channels: int, tasks: int = 2, size: Sequence[int] | None = None, **guard: Unpack[Guarded]
    ) -> None:
        super().__init__(channels, tasks, size, **guard)
        self.convs = nn.ModuleList(nn.Conv2d(tasks * channels, channels, 1, bias=False) for _ in self.readers)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels, momentum=MOMENTUM) for _ in self.readers)
        with torch.no_grad():
            for conv, weights in zip(self.convs, start_weights(tasks)[list(self.readers)], strict=True):
                kernel = torch.cat([torch.diag(w.expand(channels)) for w in weights], 1)
                conv.get_parameter("weight").copy_(kernel[..., None, None])

    def fuse(self, xs: Sequence[Tensor]) -> list[Tensor]:
        x = torch.cat(list(xs), 1)
        return self._in_place(xs, [F.relu(norm(conv(x))) for conv, norm in zip(self.convs, self.norms, strict=True)])

    def fuse_prefix(self, xs: Sequence[Tensor], prefix: Sequence[Tensor]) -> list[Tensor]:
        """Class and register tokens under the patches' kernels, without the norm: its statistics are of patches."""
        x = torch.cat(list(prefix), 1)
        return self._in_place(prefix, [conv(x) for conv in self.convs])

    def gates(self, xs: Sequence[Tensor]) -> dict[str, Tensor]:
        """Each source's share of a kernel row's absolute sum, for every image: ``{"channel": (B, to, from, C, 1, 1)}``.

        These gates ignore how large the features are.
        """
        sums = self._kernels().sum(3).movedim(2, 1)[..., None, None]
        return {"channel": shares(sums.expand(len(xs[0]), *sums.shape))}

    def carried(self, xs: Sequence[Tensor]) -> Tensor:
        """How much of each output came from each source, (B, to, from), as absolute weights times magnitudes."""
        return shares(contract("ijc,bjc->bij", self._kernels().sum(1), magnitudes(xs).mean((3, 4))))

    def cut(self, xs: Sequence[Tensor], to: int, source: int) -> list[Tensor]:
        """The outputs if `to` got its own features instead of those of `source`, with the same kernels."""
        changed: list[Tensor] = self(xs)
        changed[to] = self([xs[to] if task == source else x for task, x in enumerate(xs)])[to]
        return changed

    def _in_place(self, xs: Sequence[Tensor], read: Sequence[Tensor]) -> list[Tensor]:
        """The tensors xs, with those of the readers replaced by `read`."""
        ys = dict(zip(self.readers, read, strict=True))
        return [ys.get(i, x) for i, x in enumerate(xs)]

    def _kernels(self) -> Tensor:
        """Absolute weights, (to, C out, from, C in); a task that does not read keeps its own."""
        own = torch.eye(self.tasks * self.channels, device=self.convs[0].get_parameter("weight").device)
        read = [conv.get_parameter("weight")[..., 0, 0].abs() for conv in self.convs]
        kernels = torch.stack(self._in_place(own.chunk(self.tasks), read))
        return kernels.reshape(self.tasks, self.channels, self.tasks, self.channels)
