"""Downloads a network's weights from the Hugging Face hub when they are requested by name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import constants, hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from afanet.errors import InputError
from afanet.networks.download import downloading, is_reachable, server
from afanet.networks.weights.spelling import HUB

NAME = re.compile(r"[\w.-]+/[\w.-]+(@\w[\w.-]*(/\w[\w.-]*)*)?", re.ASCII)
OFFLINE = "HF_HUB_OFFLINE is set, and it was not downloaded before"


def download(name: str, files: Sequence[str], configs: Sequence[str]) -> tuple[Path, list[Path]]:
    """The first of `files` that the network ``ORG/NAME`` on the hub has, and all of `configs` that it has, downloaded.

    ``ORG/NAME@REVISION`` takes a revision. Files are downloaded only once.

    Raises:
        InputError: if the hub has no such network or none of the files, and without a network connection.
    """
    if not NAME.fullmatch(name) or ".." in name:
        raise InputError(
            f"{HUB}{name:.80} is not a network on the hub: expected {HUB}ORG/NAME or {HUB}ORG/NAME@REVISION"
        )
    try:
        with downloading():
            weights = next((path for file in files if (path := _downloaded(name, file))), None)
            settings = [path for file in configs if weights and (path := _downloaded(name, file))]
    except LocalEntryNotFoundError as error:
        raise _refused(name, f"{server()} could not be reached, or had an error") from error
    except Exception as error:  # errors of the client, of its transport and of the file system
        reason = type(error).__name__
        raise _refused(name, reason) from error
    if weights is None:
        raise _refused(name, OFFLINE if constants.HF_HUB_OFFLINE else f"it has no {' or '.join(files)}")
    return weights, settings


def _downloaded(name: str, file: str) -> Path | None:
    """A file of the network; None if the network has no such file or, offline, if it was not downloaded before.

    Raises `LocalEntryNotFoundError` if the server does not answer: it may have the file.
    """
    repository, _, revision = name.partition("@")
    try:
        return Path(hf_hub_download(repository, file, revision=revision or None))
    except LocalEntryNotFoundError:  # in all versions of the hub's client a subclass of the error below
        if constants.HF_HUB_OFFLINE:
            return None
        raise
    except EntryNotFoundError:
        return None


def _refused(name: str, reason: str) -> InputError:
    reason = reason if is_reachable() else f"no network: {server()} is not known here"
    return InputError(
        f"the weights '{HUB}{name}' could not be loaded ({reason}): give a local file as weights, or none"
    )
