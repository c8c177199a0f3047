"""Batch norms over several processes; what they compute is tested with the joint steps in `test_processes`."""

from __future__ import annotations

import pytest
import torch
from timm.layers import BatchNormAct2d, SyncBatchNormAct
from torch import nn

from afanet.distributed.norms import JointBatchNorm, JointBatchNormAct, synchronise_norms
from afanet.errors import InputError


def test_norms_keep_their_activations() -> None:
    network = nn.Sequential(nn.BatchNorm2d(2), BatchNormAct2d(2))
    assert [type(norm) for norm in synchronise_norms(network, torch.device("cpu"))] == [
        JointBatchNorm,
        JointBatchNormAct,
    ]
    images = torch.randn(3, 2, 4, 4)
    expected = nn.Sequential(nn.BatchNorm2d(2), BatchNormAct2d(2)).eval()(images)
    torch.testing.assert_close(network.eval()(images), expected)
    synchronised = synchronise_norms(nn.Sequential(BatchNormAct2d(2)), torch.device("cuda"))
    assert isinstance(synchronised[0], SyncBatchNormAct)
    with pytest.raises(InputError, match="layer '0' is a BatchNorm1d, whose statistics several processes cannot share"):
        synchronise_norms(nn.Sequential(nn.BatchNorm1d(2)), torch.device("cpu"))
