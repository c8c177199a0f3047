"""What decoders are made of, against the maths."""

from __future__ import annotations

import torch
from torch import nn
from torch.testing import assert_close

from afanet.networks.decoders.layers import Gated, InitialPrediction, Residual, bottlenecks
from afanet.networks.outputs import Dense, Pooled

from .maths import conv, gated, residual, resized


def test_a_residual_block_is_its_formula_and_the_identity_of_what_is_positive_if_it_adds_nothing() -> None:
    x = torch.randn(2, 8, 5, 6).double()
    for block in (Residual((8, 4, 4), (3, 3)), Residual((8, 2, 2, 8), (1, 3, 1)), *bottlenecks(8, 8)):
        block = block.double().eval()
        convs = sum(isinstance(layer, nn.Conv2d) for layer in block.body)
        assert_close(block(x), residual(x, {f"b.{k}": v for k, v in block.state_dict().items()}, "b", convs))
    nn.init.zeros_(block.body[-1].weight)
    assert torch.equal(block(x), x.relu())


def test_a_gate_lets_through_between_nothing_and_all() -> None:
    layer, x = Gated(4).double(), torch.randn(2, 4, 5, 6).double()
    assert_close(layer(x), gated(x, {f"g.{k}": v for k, v in layer.state_dict().items()}, "g"))
    assert (layer(x).abs() <= layer.features(x).abs()).all()


def test_an_initial_prediction_is_linear_and_has_the_form_of_the_output() -> None:
    x = torch.randn(2, 4, 5, 6).double()
    dense, pooled = (InitialPrediction(4, output).double() for output in (Dense(3), Pooled(3)))
    state = {f"p.{k}": v for k, v in dense.state_dict().items()}
    assert_close(dense(x, (11, 13)), resized(conv(x, state, "p.logits"), (11, 13)))
    pooled.load_state_dict(dense.state_dict())
    assert_close(pooled(x, (11, 13)), conv(x, state, "p.logits").mean((2, 3)))
