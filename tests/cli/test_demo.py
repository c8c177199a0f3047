"""`afanet demo` with flags: what is served to whom, before anything is loaded."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from afanet.cli.main import main


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["demo", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("afanet: error: ")
    assert said.err.count("\n") == 1
    return said.err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "0", "192.168.1.5", "::ffff:0.0.0.0", "fd00::2", "8.8.8.8"])
def test_an_address_that_others_reach_needs_to_be_meant(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, str(tmp_path), "--host", host)
    assert f"--host {host} lets others on the network use this page and send photos to this machine" in said
    assert "add --public" in said


def test_a_name_is_as_public_as_what_it_stands_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.168.1.5", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **named: found)
    assert "--host box lets others on the network" in refused(capsys, str(tmp_path), "--host", "box")


@pytest.mark.parametrize("host", ["", " ", "\t"])
@pytest.mark.parametrize("public", [[], ["--public"]])
def test_no_address_at_all_is_refused(
    host: str, public: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, str(tmp_path), "--host", host, *public)
    assert "--host is empty" in said
    assert "127.0.0.1" in said
    assert "0.0.0.0 with --public" in said


@pytest.mark.parametrize("host", [[], ["--host", "127.0.0.1"], ["--host", "localhost"], ["--host", "::1"]])
def test_public_and_an_address_of_this_machine_alone_contradict_each_other(
    host: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, str(tmp_path), *host, "--public")
    assert "nobody but this machine reaches" in said
    assert "--host 0.0.0.0" in said


@pytest.mark.parametrize("name", ["http://box", "box:7860", "*", "", "a b", "[::1]", "box/"])
def test_a_name_that_no_browser_can_send_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refused(capsys, str(tmp_path), "--host", "0.0.0.0", "--public", name)
    assert f"--public has '{name}', expected a name or an address such as box.local or 192.168.1.5" in said


@pytest.mark.parametrize("host", ["no such name", "a" * 300, "é" * 70, "1.2.3.4.5", "nowhere.invalid"])
def test_an_address_that_is_none_is_said(host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "give another --host" in refused(capsys, str(tmp_path), "--host", host)


def test_a_public_page_says_what_that_means(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afanet.runs.run.load_run", lambda folder: None)
    monkeypatch.setattr("afanet.demo.Exhibit", lambda run: None)
    monkeypatch.setattr("afanet.demo.serve", lambda exhibit, address, port, ready: ready("http://0.0.0.0:7860"))
    assert main(["demo", str(tmp_path), "--host", "0.0.0.0", "--public", "photos.example"]) == 0
    where, meaning = capsys.readouterr().out.splitlines()
    assert where == f"{tmp_path} can be tried at http://0.0.0.0:7860; Ctrl-C ends it"
    assert "everybody on the network can use the page and send photos to this machine" in meaning
    for name in ("photos.example", socket.gethostname().lower(), "without a password or encryption"):
        assert name in meaning


@pytest.mark.parametrize("flags", [["--port", "0"], ["--host", "127.0.0.1"], ["--public"], ["--public", "runs/x"]])
def test_a_flag_of_the_page_without_a_run_is_refused(
    flags: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("afanet.cli.demo._compare", lambda: pytest.fail("it trains"))
    said = refused(capsys, *flags)
    assert f"{flags[0]} is for the page of a run, and no RUN is given" in said
