"""Only what some tasks need is computed, and their outputs stay bit for bit what they are with all tasks."""

from __future__ import annotations

import copy
import operator
import pickle
import re
from collections.abc import Callable
from functools import cache, partial
from itertools import combinations

import pytest
import timm
import torch
from torch import fx, nn
from torch.utils.flop_counter import FlopCounterMode

from afanet import AFA, Dense, InputError, Pooled, create_network, weave
from afanet.networks import Woven
from afanet.networks.woven import Program

OUTPUTS = {"depth": Dense(1), "scene": Pooled(5), "normals": Dense(3)}
SUBSETS = [list(tasks) for count in (1, 2, 3) for tasks in combinations(OUTPUTS, count)]
SIZE = (64, 64)
NETWORKS = {
    "single": ("single", {}),
    "hard": ("hard", {}),
    "mtan": ("mtan", {}),
    "cross_stitch": ("cross_stitch", {}),
    "nddr": ("nddr", {}),
    "afa": ("afa", {}),
    "afa_channel": ("afa_channel", {}),
    "afa_spatial": ("afa_spatial", {}),
    "gates by task, guarded": ("afa", {"per_task": True, "limit": 1.0}),
    "a frozen trunk": ("afa", {"freeze": "stages:2"}),
    "a frozen backbone": ("single", {"freeze": "backbone"}),
    "adapters": ("afa", {"backbone": "test_vit", "lora": {"rank": 2}}),
    "a transformer": ("cross_stitch", {"backbone": "test_vit"}),
}


@cache
def network(name: str) -> Woven:
    method, options = NETWORKS[name]
    torch.manual_seed(0)
    return create_network(
        method, OUTPUTS, **{"backbone": "test_resnet", "size": SIZE, "head": "linear", **options}
    ).eval()


def vit(outputs: int) -> nn.Module:
    """A transformer whose positions follow the image: it runs as a coroutine."""
    small = {"img_size": 32, "patch_size": 8, "depth": 4, "embed_dim": 24, "num_heads": 2, "dynamic_img_size": True}
    return timm.create_model("vit_tiny_patch16_224", num_classes=outputs, **small)


@cache
def coroutines(share: str | None = None) -> Woven:
    pytest.importorskip("greenlet")
    torch.manual_seed(0)
    branches = {"depth": vit(1), "scene": vit(5), "normals": vit(3)}
    return weave(branches, ["blocks.1", "blocks.2"], AFA, share=share, example=(1, 3, 32, 32)).eval()


def operations(woven: Woven, tasks: list[str] | None) -> int:
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        woven(torch.rand(1, 3, *SIZE), tasks)
    return counter.get_total_flops()


def called(woven: Woven, tasks: list[str]) -> set[str]:
    """The layers that run for some tasks, by their paths."""
    names: set[str] = set()
    hooks = [
        module.register_forward_pre_hook(lambda *_, name=name: names.add(name))
        for name, module in woven.named_modules()
    ]
    with torch.inference_mode():
        woven(torch.rand(1, 3, *SIZE), tasks)
    for hook in hooks:
        hook.remove()
    return names


@pytest.mark.parametrize("name", [*NETWORKS, "coroutines", "coroutines with a trunk"])
def test_outputs_of_some_tasks_equal_those_of_all_bit_for_bit(name: str) -> None:
    others = {"coroutines": coroutines, "coroutines with a trunk": partial(coroutines, "blocks.0")}
    woven, image = others[name]() if name in others else network(name), torch.rand(2, 3, *SIZE)
    with torch.inference_mode():
        everything = woven(image)
        for tasks in SUBSETS:
            some = woven(image, tasks=tasks[::-1])
            assert list(some) == tasks  # in the network's order
            assert all(torch.equal(output, everything[task]) for task, output in some.items())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_heads_of_other_tasks_do_not_run(name: str) -> None:
    heads = {layer for layer in called(network(name), ["scene"]) if layer.endswith(".head")}
    assert heads == {"branches.scene.head"}


def test_what_other_tasks_do_alone_is_not_computed() -> None:
    counts = {name: [operations(network(name), [task]) for task in OUTPUTS] for name in ("single", "hard", "mtan")}
    assert sum(counts["single"]) == operations(network("single"), None)
    alone = network("single")
    for task, count in zip(OUTPUTS, counts["single"], strict=True):
        branch = alone.branches.get_submodule(task)
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            branch(torch.rand(1, 3, *SIZE))
        assert count == counter.get_total_flops()
    assert counts["hard"] == counts["single"]  # with one trunk, a task costs what it costs alone
    assert not {layer for layer in called(network("mtan"), ["depth"]) if re.match(r"fusion\.(scene|normals)\b", layer)}


def test_a_branch_that_gives_features_runs_up_to_where_it_gives_them_last() -> None:
    some, everything = called(coroutines(), ["scene"]), called(coroutines(), list(OUTPUTS))
    left = {layer for layer in everything - some if re.fullmatch(r"branches\.depth\.\w+(\.\d)?", layer)}
    assert left == {f"branches.depth.{layer}" for layer in ("blocks.3", "norm", "fc_norm", "head_drop", "head")}


def test_a_trunk_that_branches_share_is_computed_for_any_of_them() -> None:
    assert "branches.depth.blocks.0" in called(coroutines("blocks.0"), ["normals"])


def test_the_code_for_some_tasks_is_a_shorter_function_without_the_others() -> None:
    woven = network("hard")
    code = woven.code_for(["scene"])
    assert "self.branches.scene.head" in code
    assert "normals" not in code
    assert code.splitlines()[-1] == "    return {'scene': head_1}"
    assert woven.code_for(list(OUTPUTS)[::-1]) == woven.code
    words = coroutines().code_for(["scene"])
    assert "depth: branches.depth(image) up to blocks.2\nscene: branches.scene(image)\n" in words


def test_copies_know_their_parts_too() -> None:
    image = torch.rand(1, 3, *SIZE)
    for woven in (network("afa"), coroutines()):
        output = woven(image, ["normals"])["normals"]
        for again in (copy.deepcopy(woven), pickle.loads(pickle.dumps(woven))):
            assert torch.equal(again(image, ["normals"])["normals"], output)


def test_each_mode_has_its_own_part() -> None:
    woven = copy.deepcopy(network("afa"))
    woven.eval()(torch.rand(2, 3, *SIZE), ["depth"])
    woven.train()(torch.rand(2, 3, *SIZE), ["depth"])["depth"].sum().backward()
    assert woven.branches.scene.backbone.layer1[0].conv1.weight.grad is not None
    assert all(parameter.grad is None for parameter in woven.branches.scene.head.parameters())


def test_compiled_and_exported_networks_compute_some_tasks() -> None:
    image, tasks = torch.rand(2, 3, *SIZE), ["normals", "depth"]
    woven = copy.deepcopy(network("afa"))
    with torch.no_grad():
        everything = woven(image)
        exported = torch.export.export(woven, (image,), {"tasks": tasks}, strict=False)
        compiled = torch.compile(woven, backend="eager", fullgraph=True)
        outputs = [compiled(image, tasks=tasks), exported.module()(image, tasks=tasks)]
        woven.compile(backend="eager", fullgraph=True)
        outputs.append(woven(image, tasks))
    assert all(list(some) == [task for task in OUTPUTS if task in tasks] for some in outputs)
    assert all(torch.equal(output, everything[task]) for some in outputs for task, output in some.items())
    assert len(exported.graph.nodes) < len(torch.export.export(network("afa"), (image,), strict=False).graph.nodes)


def test_coroutines_are_exported_for_some_tasks() -> None:
    image = torch.rand(2, 3, 32, 32)
    exported = torch.export.export(coroutines(), (image,), {"tasks": ["scene"]}, strict=False)
    assert torch.equal(exported.module()(image, tasks=["scene"])["scene"], coroutines()(image)["scene"])


class Pair(nn.Module):
    """Two outputs of one layer, of which the second is what a step in place gives, and the first follows that."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU(inplace=True)
        self.pooled = nn.Sequential(nn.Dropout(), nn.ReLU(inplace=True), nn.AvgPool2d(2))
        self.hidden = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU())
        self.hidden.register_forward_hook(lambda layer, given, output: given[0].relu_())
        self.first = nn.Conv2d(4, 2, 1)
        self.second = nn.Conv2d(4, 2, 1)


IN_PLACE = {
    "layer": lambda graph, x: graph.call_module("relu", (x,)),
    "layers": lambda graph, x: graph.call_module("pooled", (x,)),
    "method": lambda graph, x: graph.call_method("relu_", (x,)),
    "of a view": lambda graph, x: graph.call_method("zero_", (graph.call_function(operator.getitem, (x, 0)),)),
    "function": lambda graph, x: graph.call_function(torch.relu_, (x,)),
    "keyword": lambda graph, x: graph.call_function(nn.functional.relu, (x,), {"inplace": True}),
    "operator": lambda graph, x: graph.call_function(operator.imul, (x, 2.0)),
    "item": lambda graph, x: graph.call_function(operator.setitem, (x, 0, 0.0)),
    "layer of which nothing reads the result": lambda graph, x: graph.call_module("hidden", (x,)),
}


def pair(change: Callable[[fx.Graph, fx.Node], fx.Node], *, is_read: bool = True) -> Program:
    graph = fx.Graph()
    x = graph.call_module("conv", (graph.placeholder("image"),))
    y = change(graph, x)
    second = graph.call_module("second", (y if is_read else x,))
    graph.output({"first": graph.call_module("first", (x,)), "second": second})
    return Program(graph)


@pytest.mark.parametrize("change", IN_PLACE)
def test_what_another_output_changes_in_place_is_changed(change: str) -> None:
    layers, image = Pair().eval(), torch.rand(1, 3, 8, 8)
    program = pair(IN_PLACE[change], is_read="view" not in change and "nothing" not in change)
    everything = program(layers, image)
    assert not torch.equal(everything["first"], layers.first(layers.conv(image)))
    part = program.only(layers, ["first"])
    assert torch.equal(part(layers, image)["first"], everything["first"])
    assert "second" not in part.source


def test_a_step_in_place_on_values_of_others_is_left_out() -> None:
    program = pair(lambda graph, x: graph.call_module("relu", (graph.call_module("first", (x,)),)))
    part = program.only(Pair(), ["first"])
    assert "relu" in program.source
    assert "relu" not in part.source


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (["dept"], "unknown task 'dept', did you mean 'depth'? (known: depth, scene, normals)"),
        (["depth", "depth"], "task 'depth' is named twice: name each task once"),
        ([], "no task was chosen: expected at least one of depth, scene, normals"),
        ("depth", "tasks is 'depth', expected a list of their names, such as ['depth']"),
        ([3], "tasks is [3], expected a list of their names, such as ['depth']"),
    ],
)
def test_tasks_that_are_none_are_refused(tasks: list[str], message: str) -> None:
    for woven in (network("afa"), coroutines()):
        with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
            woven(torch.rand(1, 3, *SIZE), tasks)
