"""By which names the page may be asked for: its own, and none that somebody else can point here."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afanet.demo.address import answers_to, as_ip, find_address

IPS = st.ip_addresses().map(str)
PORTS = st.sampled_from(["", ":", ":80", ":7860"])
NAMES = st.from_regex(r"[a-z0-9-]{1,9}(\.[a-z0-9-]{1,9}){0,3}\.?", fullmatch=True).filter(lambda name: not as_ip(name))


def in_a_header(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


@given(name=NAMES, port=PORTS, arrived=IPS | st.just("127.0.0.1"))
def test_a_name_that_was_not_given_is_never_answered(name: str, port: str, arrived: str) -> None:
    if name != "localhost":
        assert not answers_to(name + port, arrived, {"box"})
        assert answers_to(name.upper() + port, arrived, {name})


@given(ip=IPS, other=IPS, port=PORTS)
def test_of_addresses_only_the_one_that_was_asked_is_answered(ip: str, other: str, port: str) -> None:
    assert answers_to(in_a_header(ip) + port, ip, ())
    alike = as_ip(ip) == as_ip(other) or (ip_address(ip).is_loopback and ip_address(other).is_loopback)
    assert answers_to(in_a_header(other) + port, ip, ()) == alike


@given(asked=st.text(max_size=30), arrived=st.text(max_size=10))
def test_whatever_is_asked_there_is_a_verdict(asked: str, arrived: str) -> None:
    assert answers_to(asked, arrived, {"box"}) in (True, False)


def test_all_addresses_go_by_the_machine_s_name_and_one_address_by_itself() -> None:
    machine = socket.gethostname().lower()
    assert find_address("0.0.0.0", ["Photos.Example"]).names == {
        "0.0.0.0",
        machine,
        f"{machine}.local",
        "photos.example",
    }
    assert find_address("192.168.1.5", []).names == {"192.168.1.5"}
    assert find_address("127.0.0.1").names == {"127.0.0.1"}


def test_a_name_is_served_at_its_address_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET6, 1, 6, "", ("::1", 0, 0, 0)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **named: found)
    assert find_address("localhost").number == "127.0.0.1"


def test_an_address_that_is_given_is_answered_however_it_is_written() -> None:
    names = find_address("0.0.0.0", ["fd00::0:2", "203.0.113.7", "::ffff:203.0.113.8"]).names
    for asked in ("[fd00::2]:7860", "[FD00:0::2]", "203.0.113.7", "203.0.113.8:7860"):
        assert answers_to(asked, "10.0.0.1", names)
