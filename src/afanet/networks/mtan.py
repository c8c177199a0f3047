"""MTAN: one trunk for all tasks, and for every task its own attention masks over the trunk's stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from afanet.errors import InputError
from afanet.networks.backbones import Backbone
from afanet.networks.backbones.layers import block_names
from afanet.networks.backbones.padding import cut
from afanet.networks.heads.head import Head, taken
from afanet.networks.layout import Layout
from afanet.networks.recognise import layouts_of
from afanet.networks.trace import Trace
from afanet.networks.undisturbed import in_mode
from afanet.networks.woven import Program, Woven


class Attention(nn.Module):
    r"""Attention of one task to one stage: the stage's last features under a mask between 0 and 1.

    .. math:: a_s = m_s \odot p_s, \qquad m_s = \sigma(h([u_s; f(a_{s-1})])),

    with p the stage's last features, u earlier features of the same stage, and a_(s-1) the task's attended features of
    the stage before. h is a 1x1 convolution to a quarter of p's channels, BN, ReLU and a 1x1 convolution with BN. f is
    a bottleneck with a quarter of p's channels (1x1, 3x3 and 1x1 convolutions, each with BN and ReLU), followed by max
    pooling to the size of p.

    Args:
        inner: channels of u.
        last: channels of p, of the mask and of the output of f.
        below: channels of the stage before; 0 for the first stage, which has no f.

    >>> attention = Attention(inner=16, last=16, below=8)
    >>> u, p, a = torch.rand(2, 16, 5, 6), torch.rand(2, 16, 5, 6), torch.rand(2, 8, 9, 11)
    >>> attention(u, p, a).shape
    torch.Size([2, 16, 5, 6])
    """

    def __init__(self, inner: int, last: int, below: int = 0) -> None:
        super().__init__()
        hidden = max(last // 4, 1)
        self.encoder: nn.Sequential | None = None
        if below:
            widths = [(below, hidden, 1), (hidden, hidden, 3), (hidden, last, 1)]
            self.encoder = nn.Sequential(*(layer for width in widths for layer in (*_conv(*width), nn.ReLU())))
        inputs = inner + (last if below else 0)
        self.mask = nn.Sequential(*_conv(inputs, hidden, 1), nn.ReLU(), *_conv(hidden, last, 1), nn.Sigmoid())

    def forward(self, inner: Tensor, last: Tensor, below: Tensor | None = None) -> Tensor:
        """The attended features, (B, C, H, W) as `last`; `below` may have any size."""
        size = last.shape[-2:]
        if inner.shape[-2:] != size:  # a MobileViT's blocks round odd sizes up
            inner = F.adaptive_max_pool2d(inner, size)
        if self.encoder is not None and below is not None:
            # adaptive, because a stage either halves the size or, if it is dilated, keeps it
            inner = torch.cat([inner, F.adaptive_max_pool2d(self.encoder(below), size)], 1)
        mask: Tensor = self.mask(inner)
        return mask * last


def attend(network: Woven, example: Sequence[int]) -> Woven:
    """MTAN, made from a network that shares its whole backbone: it gets an :class:`Attention` for each task and stage.

    p is the output of a stage of the trunk, and u the output of the stage's last block but one. u is p in a stage that
    has one block or is not a chain of blocks, and in a backbone that runs as a whole, such as a ViT. A task's head gets
    the attended features of the stages that it takes; with hard sharing, all heads get the trunk's own features.

    Args:
        network: a network with hard sharing, made by :func:`~afanet.networks.create_network`; its trunk and heads are
            reused.
        example: an image batch's shape.

    Returns:
        A network with the trunk and the heads under the same names, and the attention under ``fusion.TASK.STAGE``.

    Raises:
        InputError: for a backbone with a stage that cannot be traced or that outputs several tensors.

    Liu et al., End-to-End Multi-Task Learning with Attention, CVPR 2019. The paper's network is a SegNet, with masks in
    its decoder too. The published versions for ResNets have masks in the backbone only and one decoder per task. This
    version does the same, and the decoder takes the attended first stage as its low-level features. In the paper f is
    one convolution per stage for all tasks; here every task has its own, so tasks meet only in the trunk.

    >>> from afanet import Dense, Pooled, create_network
    >>> network = create_network("mtan", {"depth": Dense(1), "scene": Pooled(5)}, "resnet18", size=(64, 96)).eval()
    >>> {task: tuple(y.shape) for task, y in network(torch.rand(1, 3, 70, 90)).items()}
    {'depth': (1, 1, 70, 90), 'scene': (1, 5)}
    >>> [name for name, _ in network.fusion.scene.named_children()]
    ['after_layer1', 'layer2', 'layer3', 'layer4']
    """
    owner = network.tasks[0]
    trunk = network.branches.get_submodule(f"{owner}.backbone")
    assert isinstance(trunk, Backbone)
    begin = _whole(owner, trunk) if trunk.whole else _chain(owner, trunk, example)
    attentions: dict[str, nn.Module] = {}
    for task in network.tasks:
        below = 0
        for stage, (inner, last) in begin.channels.items():
            attentions[f"{task}.{stage}"] = Attention(inner, last, below)
            below = last
    branches = {task: network.branches.get_submodule(task) for task in network.tasks}
    heads = {task: cast(Head, branch.get_submodule("head")) for task, branch in branches.items()}
    programs = {mode: Program(_graph(trace, owner, trunk, heads)) for mode, trace in begin.trunks.items()}
    return Woven(branches, attentions, programs)


Recorded = Any  # a proxy in place of a tensor: operations on it are recorded in a graph
Features = dict[str, tuple[Recorded, Recorded]]  # u and p by stage


@dataclass(frozen=True)
class Begin:
    """A trunk: the channels of u and p by stage, and by mode a function that records it in a graph."""

    channels: dict[str, tuple[int, int]]
    trunks: dict[bool, Callable[[fx.Graph, Recorded], Features]]


def _whole(owner: str, trunk: Backbone) -> Begin:
    """A trunk that runs as a whole: the features of a stage are both u and p."""
    trunk.takes = None
    stages = trunk.stages if trunk.meets else [f"stage{i}" for i in range(len(trunk.given))]

    def record(graph: fx.Graph, image: Recorded) -> Features:
        features = image.tracer.create_proxy("call_module", f"branches.{owner}.backbone", (image,), {})
        return {stage: (features[i], features[i]) for i, stage in enumerate(stages)}

    channels = {stage: (given.channels, given.channels) for stage, given in zip(stages, trunk.given, strict=True)}
    return Begin(channels, {False: record, True: record})


def _chain(owner: str, trunk: Backbone, example: Sequence[int]) -> Begin:
    """A trunk that is a chain of stages, into which the branches can look."""
    stages = {stage: _inner_and_last(trunk, stage) for stage in trunk.stages}
    layers = list(dict.fromkeys(layer for pair in stages.values() for layer in pair))
    image = next(trunk.parameters()).new_empty(tuple(example))
    padding = trunk.padding()
    traces = {}
    for training in (False, True):
        with in_mode(trunk, training):
            traces[training] = Trace(owner, trunk, layers, image if padding is None else padding(image))
    layouts = {layer: _layout(traces[False], layer) for layer in layers}
    values = {layer: layouts[layer].enter(traces[False].value(traces[False].calls[layer])) for layer in layers}
    channels = {stage: (values[inner].shape[1], values[last].shape[1]) for stage, (inner, last) in stages.items()}
    return Begin(channels, {mode: partial(_record, trace, layouts, stages) for mode, trace in traces.items()})


def _record(
    trace: Trace,
    layouts: Mapping[str, Layout],
    stages: Mapping[str, tuple[str, str]],
    graph: fx.Graph,
    image: Recorded,
) -> Features:
    """The trunk up to its last stage."""
    became = {trace.nodes[0]: image.node}
    end = max(trace.nodes.index(node) for node in trace.calls.values())
    for node in trace.nodes[1 : end + 1]:
        became[node] = graph.node_copy(node, became.__getitem__)
        if node.op in ("call_module", "get_attr"):
            became[node].target = f"branches.{trace.task}.backbone.{node.target}"
    outputs: dict[str, Recorded] = {layer: fx.Proxy(became[node], image.tracer) for layer, node in trace.calls.items()}
    features = {layer: layout.enter(outputs[layer]) for layer, layout in layouts.items()}
    return {stage: (features[inner], features[last]) for stage, (inner, last) in stages.items()}


def _inner_and_last(trunk: Backbone, stage: str) -> tuple[str, str]:
    """The layers of a stage whose outputs are u and p."""
    layer = trunk.low if stage == trunk.stages[0] else stage
    blocks = block_names(trunk, layer)
    children = [name for name, _ in trunk.get_submodule(layer).named_children()]
    if len(blocks) == 1 or not blocks[-1].startswith(f"{layer}.{children[-1]}"):  # something follows the blocks
        return stage, stage
    return blocks[-2], stage if layer != stage else blocks[-1]


def _layout(trace: Trace, layer: str) -> Layout:
    layouts = layouts_of(trace, layer, None)
    if None not in layouts:
        raise InputError(
            f"layer '{layer}' of the backbone outputs several tensors, but mtan attends to one per stage: "
            "use another backbone, or another method"
        )
    return layouts[None]


def _graph(
    record: Callable[[fx.Graph, Recorded], Features], owner: str, trunk: Backbone, heads: Mapping[str, Head]
) -> fx.Graph:
    """The trunk, then one task after the other: its attention stage by stage, and its head."""
    graph = fx.Graph()
    recorder = fx.proxy.GraphAppendingTracer(graph)
    image: Recorded = fx.Proxy(graph.placeholder("image"), recorder)
    whole = image
    if trunk.padding() is not None:
        whole = recorder.create_proxy("call_module", f"branches.{owner}.padding", (image,), {})
    features = record(graph, whole)
    size = whole.shape[-2:]
    outputs: dict[str, Recorded] = {}
    for task, head in heads.items():
        attended: list[Recorded] = []
        for stage, (inner, last) in features.items():
            seen = (inner, last, *attended[-1:])
            attended.append(recorder.create_proxy("call_module", f"fusion.{task}.{stage}", seen, {}))
        given = taken(attended, head.takes)
        outputs[task] = recorder.create_proxy("call_module", f"branches.{task}.head", (given, size), {})
        if whole is not image and head.output == "dense":
            outputs[task] = cut(outputs[task], image.shape[-2:])
    graph.output(recorder.create_arg(outputs))
    return graph


def _conv(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(outputs)]
