"""Saved folders on the Hugging Face hub: `hub:owner/name` is downloaded to this machine when it is first used."""

from __future__ import annotations

import re
from pathlib import Path

from afanet.errors import InputError
from afanet.networks.download import downloading, is_reachable, server
from afanet.paths import HUB
from afanet.runs.kept import CONFIG
from afanet.runs.weights import MODEL

NAME = re.compile(r"[\w.-]+/[\w.-]+(@\w[\w.-]*(/\w[\w.-]*)*)?", re.ASCII)


def require_name(name: str) -> str:
    """`name`, if it has the form `owner/name` or `owner/name@revision`; raises `InputError` otherwise.

    >>> require_name("rooms")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: 'rooms' is not a name on the hub: expected owner/name, such as ada/rooms-afa
    """
    if not NAME.fullmatch(name) or ".." in name:
        raise InputError(f"{name!r:.80} is not a name on the hub: expected owner/name, such as ada/rooms-afa")
    return name


def download(source: str) -> Path:
    """A local folder with the files of `hub:owner/name` or `hub:owner/name@revision`, downloaded if needed.

    Only a saved folder's files are downloaded, and each only once. Raises `InputError` if the name does not exist, if
    there is no network, and if the hub refuses.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    name, _, revision = require_name(source.removeprefix(HUB)).partition("@")
    try:
        with downloading():
            return Path(snapshot_download(name, revision=revision or None, allow_patterns=[CONFIG, MODEL]))
    except RepositoryNotFoundError as error:
        raise InputError(
            f"{source} does not exist on {server()}, or is private: check the name, or log in with `hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise InputError(f"{source}: {name} has no revision '{revision}': give one that it has, or none") from error
    except LocalEntryNotFoundError as error:
        reason = f"{server()} could not be reached, or had an error"
        if constants.HF_HUB_OFFLINE:
            reason = "HF_HUB_OFFLINE is set"
        elif not is_reachable():
            reason = f"no network: {server()} is not known here"
        raise InputError(
            f"{source} could not be downloaded ({reason}), and this machine has no copy: give a local folder"
        ) from error
    except Exception as error:  # errors of the client, of its transport and of the file system
        raise InputError(f"{source} could not be downloaded ({type(error).__name__}): try again later") from error
