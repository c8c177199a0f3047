"""The database that the processes of a sweep share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from afanet.errors import InputError
from afanet.files import make_folder

FILE = "sweep.db"
PATIENCE = 60.0  # seconds that a process waits while another writes to an SQLite file

TRIES, PAUSE = 60, 0.5  # while another process creates the tables; the pause is in seconds


def default_storage(out: Path) -> str:
    """The URL of the database in the folder of a sweep."""
    return f"sqlite:///{(out / FILE).absolute()}"


@contextmanager
def database(url: str) -> Iterator[RDBStorage]:
    """The database at an SQLAlchemy URL; a file that does not exist is created.

    Raises `InputError` if it cannot be opened or fails within the block; passwords in the URL are not shown.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    name = _without_password(url)
    waits = {"connect_args": {"timeout": PATIENCE}} if url.startswith("sqlite") else {}
    try:
        yield _opened(url, waits)
    except (SQLAlchemyError, StorageInternalError) as error:
        raise InputError(
            f"storage {name} cannot be used ({_reason(error)}): check that the database exists and that you may write "
            "to it, and run the same command again"
        ) from None
    except ImportError as error:
        driver = getattr(error.__cause__, "name", None)
        if driver is None:
            raise
        raise InputError(f"storage {name} needs the Python package that drives it: {driver} is missing") from None


def _opened(url: str, options: dict[str, Any]) -> RDBStorage:
    """The database; if another process is creating its tables, waits until they exist."""
    for _ in range(TRIES):
        try:
            return RDBStorage(url, engine_kwargs=options)
        except (IntegrityError, OperationalError, ProgrammingError) as error:
            if not isinstance(error, IntegrityError) and "already exists" not in str(error):
                raise
        sleep(PAUSE)
    return RDBStorage(url, engine_kwargs=options)


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        raise InputError(
            f"--storage is {url.partition('://')[0]!r:.60}, expected a URL such as sqlite:///sweep.db or "
            "postgresql://USER:PASSWORD@HOST/DATABASE"
        ) from None


def _reason(error: Exception) -> str:
    """The first line of what the database said."""
    cause = getattr(error.__cause__ or error, "orig", None) or error
    return next(iter(str(cause).splitlines()), type(cause).__name__)


def make_home(out: Path) -> None:
    """Make the folder of a sweep; raises `InputError` if that is impossible."""
    try:
        make_folder(out)
    except OSError as error:
        raise InputError(f"folder {out} cannot be written: {error.strerror}; give another one with --out") from None
