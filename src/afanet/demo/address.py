"""The address of the page: where it is served, who can reach it, and the host names that it answers to."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from afanet.errors import InputError

HOST = "127.0.0.1"
NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")


@dataclass(frozen=True)
class Address:
    """The requested `host`, its IP address `number`, and the host names that the page answers to."""

    host: str
    number: str
    names: frozenset[str]

    def listen(self, port: int) -> socket.socket:
        """A socket that listens at this address; raises `InputError` for an unavailable address or port."""
        family = socket.AF_INET6 if ":" in self.number else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((self.number, port))
            listening.listen()
        except (OSError, OverflowError) as error:
            listening.close()
            flag = "--host" if getattr(error, "errno", None) == errno.EADDRNOTAVAIL else "--port"
            raise _unavailable(f"{self.host}:{port}", error, flag) from None
        return listening


def find_address(host: str, public: Sequence[str] | None = None) -> Address:
    """The address of `host`: without `public` only this machine reaches it, with a list of names others do too.

    Raises `InputError` for an empty or unknown host, and if others can reach it and `public` is None, or the reverse.

    >>> find_address("0.0.0.0")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: --host 0.0.0.0 lets others on the network use this page and send photos to this machine:
    add --public if you mean that, or leave --host out to serve this machine alone
    """
    if not host.strip():
        raise InputError(
            f"--host is empty, expected an address: give {HOST} for this machine alone, "
            "or 0.0.0.0 with --public for everybody who can reach it"
        )
    try:
        candidates = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise _unavailable(host, error, "--host") from None
    # `listen` binds only this candidate, so only this one is checked
    *_, endpoint = min(candidates, key=lambda candidate: candidate[0] != socket.AF_INET)
    number = str(endpoint[0])
    ip = _plain(ip_address(number))
    if public is None and not ip.is_loopback:
        raise InputError(
            f"--host {host} lets others on the network use this page and send photos to this machine: "
            "add --public if you mean that, or leave --host out to serve this machine alone"
        )
    if public is not None and ip.is_loopback:
        raise InputError(
            f"--public is given, but nobody but this machine reaches --host {host}: "
            "give --host 0.0.0.0 or an address that others reach, or leave --public out"
        )
    return Address(host, number, frozenset(_names(host, ip, public or ())))


def is_loopback(name: str) -> bool:
    """Whether `name` is a loopback address, by which a machine reaches only itself, or `localhost`.

    >>> [is_loopback(name) for name in ("localhost", "127.0.0.1", "[::1]", "::1", "0.0.0.0", "elsewhere.example")]
    [True, True, True, True, False, False]
    """
    ip = as_ip(name)
    return name.lower() == "localhost" if ip is None else ip.is_loopback


def answers_to(asked: str, arrived: str, names: Collection[str]) -> bool:
    """Whether to answer a request that arrived at the address `arrived` with the Host header `asked`.

    A page from elsewhere may point its own name at this machine (DNS rebinding), and must get no answer. Accepted are
    the address at which the request arrived, the other names of a loopback address, and those in `names`.

    >>> [answers_to(asked, "192.168.1.5", {"box"}) for asked in ("192.168.1.5:80", "Box", "localhost", "evil.example")]
    [True, True, False, False]
    """
    name = host_name(asked)
    if name in names or (is_loopback(name) and is_loopback(arrived)):
        return True
    ip = as_ip(name)
    return ip is not None and ip == as_ip(arrived)


def host_name(asked: str) -> str:
    """The name in a Host header without the port, in the form of `Address.names`.

    >>> host_name("Box:7860"), host_name("[FD00:0::2]:7860")
    ('box', 'fd00::2')
    """
    return _written(re.sub(r":[0-9]*$", "", asked))


def as_ip(text: str) -> IPv4Address | IPv6Address | None:
    """The address in `text`, in brackets or not; `None` if there is none.

    An IPv6 address that maps an IPv4 one gives the IPv4 address.

    >>> as_ip("::ffff:10.0.0.1"), as_ip("box")
    (IPv4Address('10.0.0.1'), None)
    """
    bracketed = re.fullmatch(r"\[(.*)\]", text)
    try:
        ip = ip_address(bracketed[1] if bracketed else text)
    except ValueError:
        return None
    return _plain(ip)


def _plain(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


def _names(host: str, ip: IPv4Address | IPv6Address, public: Sequence[str]) -> list[str]:
    for name in public:
        if not (NAME.fullmatch(name) or (as_ip(name) and not name.startswith("["))):
            raise InputError(
                f"--public has '{name}', expected a name or an address such as box.local or 192.168.1.5, "
                "without http:// and without a port"
            )
    machine = [socket.gethostname(), f"{socket.gethostname()}.local"] if ip.is_unspecified else []
    return [_written(name) for name in (host, *machine, *public)]


def _written(name: str) -> str:
    """A name or an address in its normal form."""
    return str(as_ip(name) or name.lower())


def _unavailable(where: str, error: Exception, flag: str) -> InputError:
    reason = getattr(error, "strerror", None) or str(error)
    return InputError(f"the page cannot be served at {where} ({reason}): give another {flag}")
