"""Downloads of pretrained weights, without a line for every retry, and without retries if there is no network."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies

from huggingface_hub import constants

LOGGERS = ("huggingface_hub", "urllib3")


def is_reachable() -> bool:
    """Whether the server of timm's weights can be resolved here, or a proxy is set that may resolve it."""
    try:
        return bool(getproxies()) or bool(socket.getaddrinfo(server(), 443))
    except OSError:
        return False


def server() -> str:
    """The name of the server from which timm's weights come."""
    return urlsplit(constants.ENDPOINT).hostname or constants.ENDPOINT


@contextmanager
def downloading() -> Iterator[None]:
    """A context in which a download without a network fails at once; files downloaded before are still used."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels, offline = [logger.level for logger in loggers], constants.HF_HUB_OFFLINE
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    constants.HF_HUB_OFFLINE = offline or not is_reachable()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
