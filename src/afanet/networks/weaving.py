"""Single-task networks woven into one network: they stop at named layers and exchange features there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from afanet.networks.joining import Joining
from afanet.networks.points import Points
from afanet.networks.woven import Woven


def weave(
    branches: Mapping[str, nn.Module],
    at: Points | Sequence[Points] | Mapping[str, Points],
    fusion: Callable[..., nn.Module] | None,
    *,
    share: str | None = None,
    example: Tensor | Sequence[int] | None = None,
    adapt: bool = False,
) -> Woven:
    """Weave single-task networks into one multi-task network that takes an image and returns ``{task: output}``.

    All branches run side by side. At every point they stop, a fusion layer exchanges their features, and each branch
    goes on with its own. Only the modules around the points are traced. All other layers stay as they are, one call
    each, under their own names (``branches.TASK...``, ``fusion.POINT...``). Branches that cannot be traced run their
    own forward, each as a coroutine that stops at the points; this needs the package greenlet. The woven network is run
    once as a check: its outputs must have the form of the branches' own.

    Args:
        branches: single-task networks by task name, each called with one image batch; used as they are, not copied. A
            name is a word of at most 64 letters, digits and _.
        at: names of the layers after which branches meet, in any order: one list for all branches, or one per branch
            (by task name, or in the order of the branches). With one list per branch, the k-th layers that run in each
            branch meet. A :class:`Point` declares a layer's layout. Layers may output (B, C, H, W), (B, H, W, C),
            tokens, or a list, tuple or dict of these. Class and register tokens have no pixels, so in AFA only the
            channel gates mix them.
        fusion: called at each point as ``fusion(channels, tasks=N, size=(H, W))``, such as :class:`~afanet.fusion.AFA`
            or ``functools.partial(AFA, per_task=True)``; the module it returns takes and returns a list of N tensors.
            None if `at` is empty.
        share: a layer up to which all branches share one trunk, the first branch's. The other branches keep only their
            later layers; the parameters of their trunks are dropped. Branches may meet at the end of the trunk.
        example: an image batch or its shape, from which the shapes of features follow without computing anything; None
            means (1, 3, 224, 224).
        adapt: if branches meet with features of different shapes, fuse them in the first branch's channels, height and
            width, through adapters (`afanet.networks.fitting.Fitting`).

    Returns:
        A module whose forward takes (B, 3, H, W) and returns a dict in the order of `branches`. ``code`` shows what it
        runs. A branch whose Python depends on its mode (functional dropout) is traced in both modes, and the mode of
        the whole network decides which one runs. If branches are traced, hooks on modules that enclose a point do not
        fire.

    Raises:
        InputError: for a name that does not exist (the message names the nearest) or cannot be written in code, a layer
            that is called twice, branches that disagree in shape, a layout that cannot be recognised, fused features on
            which an output does not depend, or a missing greenlet.

    >>> import torch
    >>> from afanet import AFA, weave
    >>> def net(outputs: int) -> torch.nn.Module:
    ...     layers = [torch.nn.Conv2d(3, 8, 3, 2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    ...     return torch.nn.Sequential(*layers, torch.nn.Linear(8, outputs))
    >>> network = weave({"age": net(8), "gender": net(2)}, at=["1"], fusion=AFA, example=(1, 3, 32, 32))
    >>> {task: tuple(output.shape) for task, output in network(torch.rand(4, 3, 32, 32)).items()}
    {'age': (4, 8), 'gender': (4, 2)}
    >>> [name for name, _ in network.named_parameters()][-2:]
    ['fusion.1.sam.Q', 'fusion.1.sam.conv.weight']
    """
    return Joining(branches, at, fusion, share=share, example=example, adapt=adapt).woven()
