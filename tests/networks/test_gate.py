"""Nothing of a graph becomes code but words and plain values, however it came in."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn

from afanet import AFA, InputError, weave
from afanet.names import layer_fault
from afanet.networks.woven import Program

EVIL = 'x", open("executed", "w") or "'
SHAPE = (1, 3, 8, 8)


class Odd:
    """A value that would write code of its own."""

    def __repr__(self) -> str:
        return 'open("executed", "w")'


class Loud(str):
    """Text that would."""

    def __repr__(self) -> str:
        return 'open("executed", "w")'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def program(add: Callable[[fx.Graph, fx.Node], Any]) -> Program:
    graph = fx.Graph()
    image = graph.placeholder("image")
    graph.output({"a": add(graph, image)})
    return Program(graph)


HOSTILE: dict[str, Callable[[fx.Graph, fx.Node], Any]] = {
    "layer": lambda graph, image: graph.call_module(EVIL, (image,)),
    "inner layer": lambda graph, image: graph.call_module(f"branches.{EVIL}.stem", (image,)),
    "lines": lambda graph, image: graph.call_module('a")\nopen("executed", "w")\n("', (image,)),
    "backslash": lambda graph, image: graph.call_module("a\\", (image,)),
    "buffer": lambda graph, image: graph.get_attr(EVIL),
    "method": lambda graph, image: graph.call_method("abs() or open('executed', 'w')", (image,)),
    "keyword": lambda graph, image: graph.call_module("a", (image,), {"x=open('executed', 'w'), y": 1}),
    "value": lambda graph, image: graph.create_node("call_module", "a", (image, Odd())),
    "text": lambda graph, image: graph.create_node("call_module", "a", (image, Loud("x"))),
    "inner value": lambda graph, image: graph.create_node("call_module", "a", (image,), {"x": [{"y": (Odd(),)}]}),
    "key": lambda graph, image: {Loud("x"): image},
    "slice": lambda graph, image: graph.create_node("call_module", "a", (image, slice(None, Odd(), None))),
    "type": lambda graph, image: graph.create_node("call_module", "a", (image,), type_expr=Odd),
}


@pytest.mark.parametrize("place", HOSTILE)
def test_a_graph_with_code_in_it_is_refused(place: str, here: Path) -> None:
    with pytest.raises(InputError, match="the network cannot be written as code, because") as error:
        program(HOSTILE[place])
    assert "\n" not in str(error.value)
    assert not list(here.iterdir())


def test_functions_of_torch_are_called_by_their_own_names(here: Path) -> None:
    def sound(x: Tensor) -> Tensor:
        return x

    sound.__module__, sound.__name__ = "torch", "sin(open('executed', 'w'))"
    with pytest.raises(InputError, match="has a name that is not an identifier"):
        program(lambda graph, image: graph.call_function(sound, (image,)))
    assert not list(here.iterdir())


def test_plain_values_come_through() -> None:
    values = [None, True, -1, 0.5, float("inf"), 1j, "a 'b' \" \\ \n ;", ..., slice(1, None), range(3)]
    values += [torch.float32, torch.device("cpu"), torch.channels_last, [1, (2, {"k": 3})], torch.Size([1, 2])]

    class Keep(nn.Module):
        def forward(self, image: Tensor, *values: Any) -> Any:
            return values

    module = nn.ModuleDict({"a": Keep()})
    made = program(lambda graph, image: graph.call_module("a", (image, *values)))
    assert list(made(module, torch.zeros(1))["a"]) == values


@pytest.mark.parametrize(
    "body",
    [
        "return open('executed', 'w')",
        "return __import__('os').system('touch executed')",
        "return image or open('executed', 'w')",
        "return self.__class__.__base__.__subclasses__()",
        "return torch.serialization.os.system('touch executed')",
        "return (lambda: image)()",
        "return [image for image in image]",
        "import os\n    return os.system('touch executed')",
        "return image if image else image",
        "return f'{image}'",
        "return (",
    ],
)
def test_a_copy_is_looked_at_as_its_original_was(body: str, here: Path) -> None:
    made = program(lambda graph, image: graph.call_module("a", (image,)))
    made.source = f"def forward(self, image):\n    {body}\n"
    for again in (copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))):
        with pytest.raises(InputError, match="the network's code"):
            again(made)
    assert not list(here.iterdir())


def test_what_a_graph_may_hold_is_copied() -> None:
    def add(graph: fx.Graph, image: fx.Node) -> fx.Node:
        x = graph.call_function(torch.add, (image, 1))
        y = graph.call_function(torch.nn.functional.interpolate, (x,), {"scale_factor": 2.0, "mode": "nearest"})
        z = graph.call_method("flatten", (graph.call_function(torch.ops.aten.neg.default, (y,)), 1))
        return graph.call_function(getattr, (graph.get_attr("scale"), "data")) if z is None else z

    made = copy.deepcopy(program(add))
    x = torch.rand(1, 1, 2, 2)
    expected = -torch.nn.functional.interpolate(x + 1, scale_factor=2.0).flatten(1)
    assert torch.equal(made(None, x)["a"], expected)


def branch(*names: str) -> nn.Module:
    made = nn.Sequential(nn.Conv2d(3, 2, 3))
    for name in names:
        made.add_module(name, nn.Tanh())
    return made


def meet(*_: object, **__: object) -> nn.Module:
    return nn.Identity()


NAMES = st.text(min_size=1, max_size=12) | st.from_regex(r"[\w\-\"' ]{1,8}", fullmatch=True)


@given(NAMES.filter(lambda name: "." not in name and not hasattr(nn.Sequential(nn.Tanh()), name)))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_layer_is_run_by_its_name_or_refused_with_it(name: str) -> None:
    networks = {task: branch(name) for task in ("one", "two")}
    if layer_fault(name):
        with pytest.raises(InputError, match="of branch 'one' has"):
            weave(networks, ["0"], meet, example=SHAPE)
        return
    image = torch.rand(1, 3, 8, 8)
    plain = {task: network(image) for task, network in networks.items()}
    woven = weave(networks, ["0"], meet, example=SHAPE)(image)
    assert all(torch.equal(woven[task], plain[task]) for task in networks)


@pytest.mark.parametrize("names", [("7", "left-eye"), ("3x3", "_x"), ("blocks", "lambda_")])
def test_layers_may_be_called_by_numbers_and_with_dashes(names: tuple[str, str]) -> None:
    woven = weave({"one": branch(*names), "two": branch(*names)}, [names[0]], AFA, example=SHAPE)
    assert set(woven(torch.rand(1, 3, 8, 8))) == {"one", "two"}


def test_a_key_of_features_is_a_word_too(here: Path) -> None:
    class Features(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {EVIL: x}

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features, self.last = Features(), nn.Conv2d(3, 1, 1)

        def forward(self, x: Tensor) -> Any:
            return self.last(self.features(x)[EVIL])

    with pytest.raises(InputError, match="layer 'features' of branch 'one' outputs a dict whose key has"):
        weave({"one": Net(), "two": Net()}, ["features"], AFA, example=SHAPE)
    assert not list(here.iterdir())
