"""Parameters and operations against closed forms."""

from __future__ import annotations

from torch import nn

from afanet.training.cost import flops, parameters


def test_shared_parameters_count_once_and_frozen_ones_not() -> None:
    trunk = nn.Linear(5, 5)
    frozen = nn.Linear(7, 7).requires_grad_(False)
    assert parameters(nn.ModuleList([nn.Sequential(trunk), nn.Sequential(trunk), frozen])) == 30


def test_operations_are_two_for_each_multiplication_and_the_network_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 2, 1))
    mean = network[1].running_mean.clone()
    assert flops(network, (10, 12)) == 2 * 30 * (3 * 8 * 9 + 8 * 2)
    assert network.training
    assert network[1].running_mean.equal(mean)
