"""What a trace opens, and the values that it knows without computing."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from afanet import InputError
from afanet.networks.trace import Trace
from afanet.networks.undisturbed import in_mode


@pytest.fixture
def trace(classifier) -> Trace:
    return Trace("age", classifier(8), ["middle.0", "last"], torch.empty(2, 3, 16, 20))


def test_only_the_ancestors_of_the_layers_are_opened(trace: Trace) -> None:
    called = [node.target for node in trace.nodes if node.op == "call_module"]
    assert called == ["stem", "middle.0", "middle.1", "middle.2", "last", "head"]
    assert set(trace.calls) == {"middle.0", "last"}


def test_values_have_shapes_and_types_but_no_data(trace: Trace) -> None:
    assert trace.value(trace.calls["last"]).shape == (2, 8, 4, 5)
    assert trace.value(trace.calls["last"], scale=2).shape == (2, 8, 8, 10)
    assert trace.value(trace.nodes[-2]).shape == (2, 8)
    assert isinstance(trace.value(trace.nodes[-2]), torch._subclasses.FakeTensor)
    assert trace.value(trace.calls["last"]) is trace.value(trace.calls["last"])


def test_values_leave_running_statistics_and_modes_alone(classifier) -> None:
    branch = classifier(8).train()
    trace = Trace("age", branch, ["last"], torch.empty(2, 3, 16, 16))
    trace.value(trace.nodes[-2])
    assert branch.stem[1].num_batches_tracked == 0
    assert torch.equal(branch.stem[1].running_mean, torch.zeros(8))
    assert all(module.training for module in branch.modules())


def test_a_layer_that_fails_on_the_example_is_named(classifier) -> None:
    trace = Trace("age", classifier(8), ["last"], torch.empty(2, 4, 16, 16))
    with pytest.raises(InputError, match="branch 'age' fails in 'stem' on images of 4x16x16"):
        trace.value(trace.calls["last"])


def test_modes_come_back_also_after_an_error() -> None:
    branch = nn.Sequential(nn.ReLU(), nn.Dropout().eval())
    with pytest.raises(ZeroDivisionError), in_mode(branch, False):
        1 / branch.training  # False: the mode did change
    assert [module.training for module in branch.modules()] == [True, True, False]
