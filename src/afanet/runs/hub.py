"""Saved folders on the Hugging Face hub: `hub:owner/name` becomes a folder of this machine, once it is asked for."""

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
    """`name`, unless it is no `owner/name`, or `owner/name@revision`, of the hub; raises `InputError` then.

    >>> require_name("rooms")
    Traceback (most recent call last):
        ...
    afanet.errors.InputError: 'rooms' is no name on the hub: expected owner/name, such as ada/rooms-afa
    """
    if not NAME.fullmatch(name) or ".." in name:
        raise InputError(f"{name!r:.80} is no name on the hub: expected owner/name, such as ada/rooms-afa")
    return name


def download(source: str) -> Path:
    """The folder with the files of `hub:owner/name`, or `hub:owner/name@revision`; only those are downloaded.

    What was downloaded before is not downloaded again. Raises `InputError` where there is no such name, no network
    connection, or the hub refuses.
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
            f"{source} could not be downloaded ({reason}), and was not before: give a folder on this machine"
        ) from error
    except Exception as error:  # the client has errors of its own, of its transport and of the file system
        raise InputError(f"{source} could not be downloaded ({type(error).__name__}): try again later") from error
