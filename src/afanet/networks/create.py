"""Ready-made multi-task networks. The method decides what tasks share, where they meet, and in which layer."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from afanet.errors import InputError, shown, unknown
from afanet.networks.backbones import Backbone
from afanet.networks.branches import build_branches
from afanet.networks.decoders.decoded import decoded, require_decodable
from afanet.networks.freeze import SEVERAL, freeze_notes, freeze_plan, frozen_stages, of_trunk
from afanet.networks.freezing import Freezing
from afanet.networks.frozen import freeze_norms, freeze_stages, keep_frozen, require_effect, shared_layer
from afanet.networks.given import checked_added, require_task_names
from afanet.networks.heads.choose import Named, named_heads
from afanet.networks.joining import Joining
from afanet.networks.layout import Point
from afanet.networks.lora.adapt import adapted
from afanet.networks.lora.settings import Lora, read_lora
from afanet.networks.methods import MEET, METHODS, Method, listed
from afanet.networks.outputs import Dense, Output, Pooled
from afanet.networks.recognise import UnknownLayoutError
from afanet.networks.trunk import find_trunk
from afanet.networks.woven import SHARED_EXPERT, Woven


@torch.inference_mode(False)  # gradients show what depends on what, even if the caller needs none
def create_network(
    method: str,
    outputs: Mapping[str, Output | tuple[str, int]],
    backbone: str = "resnet50",
    *,
    weights: str = "none",
    partial: bool = False,
    size: Sequence[int] = (224, 224),
    output_stride: int | None = None,
    multi_grid: Sequence[int] | None = None,
    meet: str | None = None,
    trunk: int | None = None,
    taps: Sequence[int] | None = None,
    head: Named = None,
    freeze: str | Sequence[str] | None = None,
    lora: Lora | Mapping[str, Any] | None = None,
    in_chans: int = 3,
    added: Sequence[Sequence[str]] | None = None,
    **fusion_options: Any,
) -> Woven:
    """A multi-task network by method and backbone: images (B, C, H, W) in, ``{task: output}`` out.

    Args:
        method: a name in `METHODS`, such as "afa" or "single" (each has a description there); a registered name, see
            :func:`~afanet.networks.register_method`; or ``FILE.py:Class``, see ``afanet.trust_code``.
        outputs: for each task ``Dense(channels)``, (B, channels, H, W) at the images' size, or ``Pooled(channels)``,
            (B, channels); ``("dense", channels)`` and ``("pooled", channels)`` work too. A network may have both kinds.
        backbone: any timm network that gives features of its stages or blocks.
        weights: "none", "pretrained" (timm's, downloaded), a local file with backbone weights, ``local-dir:FOLDER``, or
            ``hf-hub:ORG/NAME``, which is downloaded.
        partial: whether `weights` may have fewer than half of the backbone's tensors; the others start at random.
        size: (H, W) of the images for which the fusion layers are built; the network takes other sizes too.
        output_stride: 8, 16 or 32; None means 16 if a task is dense, else 32. A backbone that cannot have it keeps its
            own, and the network's attribute ``notes`` says so.
        multi_grid: factors for the dilation of the last stage's blocks, such as (1, 2, 4).
        meet: where branches meet, in place of the method's default: after all "stages", all "blocks", or the
            "last_blocks", those of the last stage. Dense heads get low-level features from before the first meeting.
        trunk: how many stages all tasks share before their branches part; each branch keeps at least one stage.
        taps: the numbers of the blocks whose features a plain backbone (a ViT) gives, counted from 0; None means four
            at even depths.
        head: a name in `HEADS`, a registered name, see :func:`~afanet.networks.register_head`, or ``FILE.py:Class``,
            for all tasks whose kind of output this head can give; or a dict of such names by task. Other pooled tasks
            get "linear". Other dense tasks get the head of the method's decoder, or "dpt" on a plain backbone and
            "deeplabv3plus" on any other.
        freeze: parts that do not learn and stay in evaluation mode, one name or several: "backbone", "stages:N" for
            its first N stages, "norms" for its batch norms, "heads", or "task:NAME" for the parts that only this task
            uses. Layers of the backbone that are frozen and equal in all branches become one trunk, computed once.
        lora: low-rank adapters on a frozen backbone, such as ``{"rank": 16, "by": "task", "where": "attention"}``, see
            :class:`~afanet.networks.Lora`; heads and fusion layers train as usual. Needs the package peft.
        in_chans: C, the channels of the images, such as 1 for grey.
        added: groups of tasks at the end of `outputs` that join the others one group after the other. In the fusion
            layers each group takes from all tasks before it and gives nothing back, so those tasks stay as they were.
        **fusion_options: passed to the fusion layers, such as ``per_task=True`` or ``limit=2.0``.

    Returns:
        The woven network. Its attribute ``weights_report`` says in one line which weights were loaded, and ``notes``
        has a line for each requested option that the backbone cannot have.

    Raises:
        InputError: for an unknown method or backbone (the nearest is named), or options that the backbone cannot have.

    >>> import torch
    >>> from afanet import Dense, Pooled, create_network
    >>> network = create_network("afa", {"depth": Dense(1), "scene": Pooled(5)}, "resnet18", size=(64, 96)).eval()
    >>> {task: tuple(y.shape) for task, y in network(torch.rand(1, 3, 70, 90)).items()}
    {'depth': (1, 1, 70, 90), 'scene': (1, 5)}
    """
    # Long: one parameter per line, and then one step per line.
    row = _row(method)
    wanted = _outputs(outputs)
    groups = checked_added(added, list(wanted))
    default = 16 if any(isinstance(output, Dense) for output in wanted.values()) else 32
    stride = default if output_stride is None else output_stride
    plan = _frozen(freeze, lora)
    _require_known(stride)
    heads = named_heads(head, wanted)
    _require_possible(method, row, meet, trunk, fusion_options)
    require_decodable(method, row, wanted, plan)
    shape = (1, in_chans, *size)
    options: dict[str, Any] = {"output_stride": stride, "multi_grid": multi_grid, "taps": taps, "in_chans": in_chans}
    adapters = None if lora is None else read_lora(lora, backbone, method, row, trunk)
    one_trunk = row.share and not trunk and not (adapters and adapters.by == "task")
    build = functools.partial(Backbone, backbone, weights=weights, partial=partial, size=size, **options)
    make = build if adapters is None else adapted(build(), adapters, size)
    decoder = row.decoding
    branches = build_branches(wanted, heads, make, stride, shared=one_trunk, equal="backbone" in plan, decoder=decoder)
    body = branches[next(iter(wanted))].backbone
    _require_trunk(trunk, body, backbone)
    layer = row.layer
    _require_layers(method, row, body)
    meets = [] if layer is None else MEET[meet or layer.meet](body, trunk or 0)
    stages = frozen_stages(plan, backbone, len(body.stages))
    frozen = freeze_stages(branches.values(), stages)
    shared = "backbone" if one_trunk else shared_layer(body, stages, meets, trunk)
    fusion = None if layer is None else functools.partial(layer, **fusion_options)
    points = [Point(f"backbone.{name}", body.layouts.get(name)) for name in meets]
    try:
        if decoder is None:
            # alike: a head may take stages before the last meeting, so its output need not depend on that meeting
            network = Joining(branches, points, fusion, share=shared, example=shape, alike=True, added=groups).woven()
        else:
            network = decoded(branches, decoder, wanted, shape)
    except UnknownLayoutError as error:
        raise _cannot_meet(method, body, "in whose layers nothing says which dimensions are pixels") from error
    if network.declared is not None:  # images are padded; if all have one size, the grid never changes
        network.declared = None if body.one_size else (*network.declared[:2], *body.size)
    network.trunk = find_trunk(network, body, stages, meets)
    if row.finished is not None:
        network = row.finished(network, shape)
    keep_frozen(network, frozen)
    if "norms" in plan or adapters is not None:
        freeze_norms(network)
    Freezing(network, dict.fromkeys(what for what in plan if what not in (*of_trunk(plan), "norms"))).apply(0)
    require_effect(network, plan)
    notes = freeze_notes(stages, backbone, weights, row.alone and len(wanted) > 1)
    network.weights_report = "\n".join(filter(None, [body.weights_report, *notes]))
    network.notes = body.notes
    network.blocks = _blocks(network, body)
    network.adapters = adapters
    return network


def _blocks(network: Woven, body: Backbone) -> list[str]:
    """The paths of the blocks of all backbones; a block that branches share is listed once."""
    layers = dict(network.named_modules())
    owners = [*(f"branches.{task}" for task in network.tasks), f"fusion.{SHARED_EXPERT}"]
    paths = (f"{owner}.backbone.{block}" for owner in owners for block in body.chain)
    return [path for path in paths if path in layers]


def _require_known(stride: int) -> None:
    """Raise `InputError` for an output stride other than 8, 16 or 32."""
    if stride not in (8, 16, 32):
        raise InputError(f"output_stride={stride} is unknown: expected 8, 16 or 32")


def _frozen(freeze: str | Sequence[str] | None, lora: object) -> list[str]:
    """The names of the parts to freeze; raises `InputError` for parts that only a run can freeze."""
    plan = list(freeze_plan(freeze))
    if SEVERAL in plan:
        raise InputError("freeze is 'old', which only a run that starts from another can use: name tasks as task:NAME")
    if lora is not None and (body := [*of_trunk(plan), *(what for what in plan if what == "norms")]):
        raise InputError(f"lora freezes the backbone except its adapters: expected no freeze={body[0]!r} beside it")
    return plan


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
    if fusion_options.get("per_task") and not row.takes("per_task"):
        raise InputError(f"method '{method}' has no gates that could be per task: expected no per_task")
    if fusion_options.get("alive") and not row.takes("alive"):
        raise InputError(f"method '{method}' has no spatial gates that could start alive: expected no alive")


def _row(method: str) -> Method:
    """The row of a method; raises `InputError` if `method` is not the name of one."""
    if not isinstance(method, str):
        raise InputError(
            f"method is {shown(method)}, expected a name such as 'afa': weave takes a class, and register_method gives "
            "it a name"
        )
    return METHODS[method]


def _require_trunk(trunk: int | None, body: Backbone, backbone: str) -> None:
    """Raise `InputError` for a trunk of no stages or of all stages."""
    if trunk is not None and not body.meets:
        raise InputError(f"trunk={trunk}, but branches cannot part after the stages of '{backbone}': leave it out")
    if trunk is not None and not 0 < trunk < len(body.stages):
        raise InputError(
            f"trunk={trunk}, but '{backbone}' has {len(body.stages)} stages: expected 1 to {len(body.stages) - 1}, "
            "or method hard to share all"
        )


def _require_layers(method: str, row: Method, body: Backbone) -> None:
    """Raise `InputError` if branches should meet in a backbone but cannot."""
    if row.fusion is not None and not body.meets:
        raise _cannot_meet(method, body, "whose stages are not separate layers")


def _cannot_meet(method: str, body: Backbone, why: str) -> InputError:
    others = listed(lambda row: row.fusion is None)
    return InputError(
        f"method '{method}' cannot meet in backbone '{body.name}', {why}: use {others}, or another backbone"
    )


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
