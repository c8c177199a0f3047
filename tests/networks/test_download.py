"""Without network, pretrained weights are refused at once and in one sentence."""

from __future__ import annotations

import logging
import socket

import pytest
from huggingface_hub import constants

from afanet import InputError
from afanet.networks.backbones import Backbone
from afanet.networks.download import LOGGERS, downloading, is_reachable

from ..bounds import bounded


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setattr("afanet.networks.download.getproxies", dict)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050"])
def test_a_download_that_cannot_succeed_fails_at_once(
    name: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
    with (
        bounded(10),
        pytest.raises(
            InputError, match=rf"weights of '{name}' could not be loaded \(no network: .* is not known here\)"
        ),
    ):
        Backbone(name, weights="pretrained")
    assert capfd.readouterr().err == ""
    assert not is_reachable()


def test_settings_of_others_are_as_before() -> None:
    before = constants.HF_HUB_OFFLINE, [logging.getLogger(name).level for name in LOGGERS]
    with pytest.raises(ValueError, match="inside"), downloading():
        raise ValueError("inside")
    assert (constants.HF_HUB_OFFLINE, [logging.getLogger(name).level for name in LOGGERS]) == before


@pytest.mark.usefixtures("no_network")
def test_a_proxy_may_know_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afanet.networks.download.getproxies", lambda: {"https": "http://proxy:3128"})
    assert is_reachable()
