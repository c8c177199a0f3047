"""The woven module and its program: readable, copied and pickled without what made them."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch import fx, nn

from afanet import AFA, InputError, weave
from afanet.networks.woven import Program, Woven, plant


@pytest.fixture
def woven(classifier) -> Woven:
    return weave({"age": classifier(8), "mood": classifier(7)}, ["last"], AFA, example=(1, 3, 16, 16))


def test_its_code_is_what_runs(woven: Woven) -> None:
    assert "self.branches.age.stem(image)" in woven.code
    assert woven.code.count("self.fusion.last(") == 1
    assert woven.tasks == ["age", "mood"]
    assert woven.weights_report == ""


def test_modes_choose_the_program(woven: Woven) -> None:
    ran = []
    woven.programs = {mode: lambda module, image, mode=mode: ran.append(mode) for mode in (True, False)}
    woven.train()(torch.empty(0))
    woven.eval()(torch.empty(0))
    assert ran == [True, False]


def test_modules_are_reached_as_in_any_network(woven: Woven) -> None:
    seen = []
    woven.branches.mood.head.register_forward_hook(lambda *_: seen.append("head"))
    woven.apply(lambda module: nn.init.zeros_(module.weight) if isinstance(module, nn.Linear) else None)
    woven(torch.rand(2, 3, 16, 16))
    assert seen == ["head"]
    assert not woven.branches.mood.head.weight.any()
    assert not woven.fusion.last.cam.W.weight.any()


def test_branches_are_items_by_task(woven: Woven) -> None:
    assert list(woven.branches) == ["age", "mood"]
    assert woven.branches["mood"] is woven.branches.mood
    with pytest.raises(InputError, match=r"unknown task 'mod', did you mean 'mood'\? \(known: age, mood\)"):
        woven.branches["mod"]


def test_a_program_survives_pickling_with_the_functions_it_calls() -> None:
    graph = fx.Graph()
    x = graph.placeholder("x")
    graph.output({"y": graph.call_function(torch.nn.functional.gelu, (graph.call_function(torch.sin, (x,)),))})
    program = Program(graph)
    again, x = pickle.loads(pickle.dumps(program)), torch.rand(3)
    assert again.source == program.source
    assert torch.equal(again(None, x)["y"], torch.nn.functional.gelu(torch.sin(x)))


def test_things_are_planted_under_their_paths() -> None:
    root = nn.Module()
    layer = nn.Linear(2, 2)
    plant(root, "a.b", layer)
    plant(root, "a.scale", nn.Parameter(torch.ones(1)))
    plant(root, "shift", torch.zeros(1))
    assert root.a.b is layer
    assert list(root.state_dict()) == ["shift", "a.scale", "a.b.weight", "a.b.bias"]
    assert len(list(root.parameters())) == 3
