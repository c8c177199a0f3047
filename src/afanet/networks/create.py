"""Ready-made multi-task networks; a method decides what tasks share, where they meet, and in which layer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor, nn

from afanet.errors import InputError, shown, unknown
from afanet.networks.backbones import Backbone
from afanet.networks.heads import DEFAULT, HEADS
from afanet.networks.heads.head import Head, taken
from afanet.networks.methods import MEET, METHODS, Method, listed
from afanet.networks.outputs import Dense, Output, Pooled
from afanet.networks.weaving import require_task_names, weave
from afanet.networks.woven import Woven


class SingleTask(nn.Module):
    """A branch: one task's backbone and head."""

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, image: Tensor) -> Tensor:
        """The task's output for images (B, C, H, W)."""
        features = self.backbone(image)
        if self.backbone.takes != self.head.takes:  # then the backbone returns all
            features = taken(features, self.head.takes)
        logits: Tensor = self.head(features, image.shape[-2:])
        return logits


def create_network(
    method: str,
    outputs: Mapping[str, Output | tuple[str, int]],
    backbone: str = "resnet50",
    *,
    weights: str = "none",
    size: Sequence[int] = (224, 224),
    output_stride: int | None = None,
    multi_grid: Sequence[int] | None = None,
    meet: str | None = None,
    trunk: int | None = None,
    head: str | None = None,
    in_chans: int = 3,
    **fusion_options: Any,
) -> Woven:
    """A multi-task network by method and backbone: images (B, C, H, W) in, ``{task: output}`` out.

    Args:
        method: a name in `METHODS`, which describes each in a line, such as "afa" or "single"; a registered one, see
            :func:`~afanet.networks.register_method`; or ``FILE.py:Class``, see ``afanet.trust_code``.
        outputs: for each task ``Dense(channels)``, a DeepLabv3+ head with (B, channels, H, W) at the images' size, or
            ``Pooled(channels)``, mean pooling and a linear layer with (B, channels); ``("dense", channels)`` and
            ``("pooled", channels)`` work too, and one network may have both kinds. `head` replaces one of the two.
        backbone: any timm network with stages.
        weights: "none", "pretrained" (timm's, downloaded) or the path of a local file with backbone weights.
        size: (H, W) of the images that the fusion layers are made for; the network takes other sizes too.
        output_stride: 8, 16 or 32; None means 16 where a task is dense, else 32.
        multi_grid: factors for the dilation of the last stage's blocks, such as (1, 2, 4).
        meet: where branches meet instead: after all "stages", all "blocks" or the "last_blocks", those of the last
            stage. The first stage gives the low-level features; a dense head gets them from before branches meet there.
        trunk: how many stages all tasks share before their branches part; each keeps at least one of its own.
        head: replaces the head of all tasks with its kind of output: a name in `HEADS`, a registered one, see
            :func:`~afanet.networks.register_head`, or ``FILE.py:Class``.
        in_chans: C, the channels of the images, such as 1 for grey.
        **fusion_options: passed to the fusion layers, such as ``per_task=True`` or ``limit=2.0``.

    Returns:
        The woven network; its attribute ``weights_report`` says in a line which weights were loaded.

    Raises:
        InputError: for an unknown method or backbone (the nearest is named), or options that the backbone cannot have.

    >>> import torch
    >>> from afanet import Dense, Pooled, create_network
    >>> network = create_network("afa", {"depth": Dense(1), "scene": Pooled(5)}, "resnet18", size=(64, 96)).eval()
    >>> {task: tuple(y.shape) for task, y in network(torch.rand(1, 3, 70, 90)).items()}
    {'depth': (1, 1, 70, 90), 'scene': (1, 5)}
    """
    row = _row(method)
    wanted = _outputs(outputs)
    stride = output_stride or (16 if any(isinstance(output, Dense) for output in wanted.values()) else 32)
    if stride not in (8, 16, 32):
        raise InputError(f"output_stride={stride} is unknown: expected 8, 16 or 32")
    heads = _heads(head, wanted)
    _require_possible(method, row, meet, trunk, fusion_options)
    takes = _common({heads[_kind(output)].takes for output in wanted.values()})
    options: dict[str, Any] = {"output_stride": stride, "multi_grid": multi_grid, "weights": weights, "size": size}
    branches: dict[str, SingleTask] = {}
    for task, output in wanted.items():
        if not branches or trunk or not row.share:
            body = Backbone(backbone, takes=takes, in_chans=in_chans, **options)
        branches[task] = SingleTask(body, _head(heads[_kind(output)], body, output, stride))
    _require_trunk(trunk, body, backbone)
    shared = f"backbone.{body.stages[trunk - 1]}" if trunk else "backbone" if row.share else None
    layer, points = row.layer, []
    if layer is not None:
        points = [f"backbone.{name}" for name in MEET[meet or layer.meet](body, trunk or 0)]
    fusion = None if layer is None else partial(layer, **fusion_options)
    network = weave(branches, points, fusion, share=shared, example=(1, in_chans, *size))
    if row.finished is not None:
        network = row.finished(network, (1, in_chans, *size))
    network.weights_report = body.weights_report
    return network


def _require_possible(
    method: str, row: Method, meet: str | None, trunk: int | None, fusion_options: Mapping[str, Any]
) -> None:
    """Raise `InputError` for options that this method does not use."""
    if fusion_options and row.fusion is None:
        raise InputError(f"method '{method}' has no fusion layers to give {', '.join(fusion_options)} to")
    if meet is not None and meet not in MEET:
        raise unknown("meet", meet, MEET)
    if meet and row.fusion is None:
        raise InputError(f"method '{method}' has no fusion layers to meet in: expected no meet={meet!r}")
    if trunk is not None and not row.trunk:
        can = listed(lambda row: row.trunk)
        raise InputError(f"method '{method}' cannot share a trunk of {trunk} stages: choose {can}, which can")
    if fusion_options.get("per_task") and not row.gated:
        raise InputError(f"method '{method}' has no gates for each task to have its own: expected no per_task")


def _row(method: str) -> Method:
    """The row of a method; raises `InputError` for what is no name of one."""
    if not isinstance(method, str):
        raise InputError(
            f"method is {shown(method)}, expected a name such as 'afa': weave takes a class, and register_method gives "
            "it a name"
        )
    return METHODS[method]


def _require_trunk(trunk: int | None, body: Backbone, backbone: str) -> None:
    """Raise `InputError` for a trunk of no stage, or of all stages."""
    if trunk is not None and not 0 < trunk < len(body.stages):
        raise InputError(
            f"trunk={trunk}, but '{backbone}' has {len(body.stages)} stages: expected 1 to {len(body.stages) - 1}, "
            "or method hard to share all"
        )


def _kind(output: Output) -> str:
    return "dense" if isinstance(output, Dense) else "pooled"


def _heads(head: str | None, wanted: Mapping[str, Output]) -> dict[str, type[Head]]:
    """The class of the head, by kind of output."""
    heads = {kind: HEADS[name] for kind, name in DEFAULT.items()}
    if head is not None:
        row = HEADS[head]
        if all(_kind(output) != row.output for output in wanted.values()):
            raise InputError(
                f"head {head!r:.120} gives {row.output} outputs, and no task has one: leave it out, or choose another"
            )
        heads[row.output] = row
    return heads


def _common(takes: Collection[tuple[int, ...] | None]) -> tuple[int, ...] | None:
    """The stages that backbones return: those that all heads take, or all, since a shared backbone returns one set."""
    return next(iter(takes)) if len(takes) == 1 else None


def _head(row: type[Head], body: Backbone, output: Output, stride: int) -> Head:
    count = len(body.given)
    if odd := [number for number in row.takes or () if not -count <= number < count]:
        raise InputError(
            f"head {row.__name__} takes stage {odd[0]}, but the backbone has {count}, counted from 0: choose another"
        )
    return row.build(taken(body.given, row.takes), output.channels, stride)


def _outputs(outputs: Mapping[str, Output | tuple[str, int]]) -> dict[str, Output]:
    """The outputs, checked, as `Dense` and `Pooled`."""
    if not isinstance(outputs, Mapping):
        raise InputError(
            f"create_network got outputs as a {type(outputs).__name__}: expected a dict by task name, such as "
            "{'depth': Dense(1), 'age': Pooled(8)}"
        )
    if not outputs:
        raise InputError("create_network got no outputs: expected Dense(channels) or Pooled(channels) for each task")
    require_task_names(outputs)
    return {task: _output(task, output) for task, output in outputs.items()}


def _output(task: str, output: Output | tuple[str, int]) -> Output:
    if isinstance(output, Dense | Pooled):
        return output
    kinds: dict[str, type[Dense] | type[Pooled]] = {"dense": Dense, "pooled": Pooled}
    if isinstance(output, tuple | list) and len(output) == 2 and output[0] in kinds:
        return kinds[output[0]](int(output[1]))
    raise InputError(f"output of task '{task}' is {output!r}: expected Dense(channels) or Pooled(channels)")
