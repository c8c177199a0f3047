"""Uploads a run or a saved folder to the Hugging Face hub, where it is found as `hub:owner/name`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from afanet.errors import InputError
from afanet.export.save import CARD, FILES, save_run
from afanet.networks.download import downloading, is_reachable, server
from afanet.paths import HUB, is_on_hub
from afanet.runs.hub import require_name
from afanet.runs.run import load_run
from afanet.runs.saved import SavedFolder
from afanet.runs.weights import MODEL


@dataclass(frozen=True)
class Pushed:
    """The address of a network on the hub, and the bytes of its weights."""

    address: str
    bytes: int


def push_run(source: Path, name: str) -> Pushed:
    """Upload a finished run, or a folder that `afanet save` wrote, to `owner/name` on the hub, created if needed.

    A run is saved first, as `save_run` does. The three files of a saved folder are uploaded as they are. They replace
    files with these names on the hub, which stay in its history.

    Raises `InputError` for a source that cannot be read, for an invalid name, and if the hub refuses.
    """
    if is_on_hub(source):
        raise InputError(f"{source} is on the hub already: give the folder of a run, or one that `afanet save` wrote")
    if "@" in require_name(name):
        raise InputError(f"{name!r:.80} has a revision: give owner/name alone")
    run = load_run(source)
    if isinstance(run.folder, SavedFolder):
        run.network()  # raises if a file is damaged
        if not (source / CARD).is_file():
            raise InputError(f"{source} has no {CARD}, the card of the network: save the run again, or write one")
        return _upload(source, name)
    with TemporaryDirectory(prefix="afanet-") as folder:
        return _upload(save_run(source, Path(folder) / "saved", name).folder, name)


def _upload(folder: Path, name: str) -> Pushed:
    from huggingface_hub import HfApi

    api = HfApi()
    with _sentences(name):
        address = api.create_repo(name, exist_ok=True)
        api.upload_folder(
            repo_id=name, folder_path=folder, allow_patterns=list(FILES), commit_message="Upload by afanet"
        )
    return Pushed(str(address), (folder / MODEL).stat().st_size)


@contextmanager
def _sentences(name: str) -> Iterator[None]:
    """A context in which every error of the hub's client is an `InputError`."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError, OfflineModeIsEnabled

    before = f"{HUB}{name} was not uploaded"
    login = "log in with `hf auth login`, or set HF_TOKEN"
    try:
        with downloading():
            yield
    except LocalTokenNotFoundError as error:
        raise InputError(f"{before}, since {server()} does not know you: {login}") from error
    except OfflineModeIsEnabled as error:
        reason = "HF_HUB_OFFLINE is set" if is_reachable() else f"no network: {server()} is not known here"
        raise InputError(f"{before} ({reason}): save the run to a folder with `afanet save`") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            raise InputError(f"{before}, since {server()} does not let you write there: {login}") from error
        raise InputError(f"{before} ({server()} answers with status {status}): try again later") from error
    except Exception as error:  # errors of its transport and of the file system
        raise InputError(f"{before} ({type(error).__name__}): try again later") from error
