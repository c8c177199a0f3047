"""Code from outside the package: a class in a user's file or module, run only if the user trusts it."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from importlib import import_module, util
from importlib.abc import Loader, MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from afanet.errors import InputError, shown
from afanet.files import require_regular

_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_trusted: set[str] = set()
_loaded: dict[str, object] = {}
PREFIX = "afanet_outside_"  # of the module names that files get
ALL = "*"  # in `_trusted`: every reference


def is_reference(name: str) -> bool:
    """Whether a name is a reference to outside code, `FILE.py:Name` or `package.module:Name`.

    >>> is_reference("mine.py:MeanPull"), is_reference("afa")
    (True, False)
    """
    return ":" in name


def anchored(reference: str, folder: Path) -> str:
    """The reference with its file's path made absolute from `folder`; a reference to a module is unchanged.

    Raises `InputError` for a text that is no reference.

    >>> anchored("mine.py:MeanPull", Path("/home/me"))
    '/home/me/mine.py:MeanPull'
    """
    source, attribute = _split(reference)
    return f"{folder.absolute() / source}:{attribute}" if _is_file(source) else reference


def trust_code(*references: str) -> None:
    """Allow the code at these references to run in this process; without references, all outside code.

    A recipe or a run folder may name code in a file. That code runs only if it is trusted: by this function, by a
    command line that names the file itself, or by `--trust-code`.

    >>> trust_code("mine.py:MeanPull")
    """
    _trusted.update(anchored(reference, Path.cwd()) for reference in references)
    if not references:
        _trusted.add(ALL)


def trusted() -> frozenset[str]:
    """The trusted references, to be trusted again in another process."""
    return frozenset(_trusted)


def trusts_all() -> bool:
    """Whether all outside code is trusted, as by `--trust-code`."""
    return ALL in _trusted


def trust_again(references: Iterable[str]) -> None:
    """Trust what another process trusts: see `trusted`."""
    _trusted.update(references)


def require_trusted(*references: str) -> None:
    """Raise `InputError` for the first of these references whose code is not trusted."""
    for reference in references:
        if not {anchored(reference, Path.cwd()), ALL} & _trusted:
            raise InputError(
                f"{reference} is code from outside afanet, and is not run unless you trust it: look at it, then add "
                "--trust-code to the command, or call afanet.trust_code() in Python"
            )


def load(reference: str) -> object:
    """The object at a reference; its file or module runs once per process, and only if it is trusted.

    Raises `InputError` for code that is not trusted, a file or module that is missing or fails, and a name that it does
    not define.
    """
    reference = anchored(reference, Path.cwd())
    if reference in _loaded:
        return _loaded[reference]
    require_trusted(reference)
    source, attribute = _split(reference)
    try:
        module = _run_file(Path(source)) if _is_file(source) else import_module(source)
    except InputError:
        raise
    except Exception as error:  # outside code may fail in any way
        raise InputError(f"{source} cannot be used: {type(error).__name__}: {error!s:.200}; correct it") from error
    if not hasattr(module, attribute):
        raise InputError(f"{source} defines no '{attribute}': check the name after ':' in {reference}")
    _loaded[reference] = getattr(module, attribute)
    return _loaded[reference]


def code_hash(reference: str) -> str:
    """The SHA-256 of the file behind a reference; none of its code is run.

    Raises `InputError` if the file is missing, or the module does not exist or has no file.
    """
    source, _ = _split(anchored(reference, Path.cwd()))
    return sha256(_read(Path(source) if _is_file(source) else _module_file(source))).hexdigest()


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Short names for tables and folders: a reference becomes its class, with its file before it if two are alike.

    >>> short_names(["afa", "/a/mine.py:Mean"])
    {'afa': 'afa', '/a/mine.py:Mean': 'Mean'}
    >>> list(short_names(["/a/mine.py:Mean", "/b/mine.py:Mean", "/b/c.py:afa", "afa"]).values())
    ['a-mine-Mean', 'b-mine-Mean', 'c-afa', 'afa']
    """
    parts = {name: _parts(name) for name in dict.fromkeys(names)}
    short = {name: parts[name][-1] for name in parts}
    for length in range(2, 1 + max(map(len, parts.values()), default=0)):
        counts = Counter(short.values())
        for name in parts:
            if counts[short[name]] > 1:
                short[name] = "-".join(parts[name][-length:])
    return short


def short_name(name: str) -> str:
    """The short name of a single name: see `short_names`."""
    return short_names([name])[name]


def _parts(name: str) -> list[str]:
    if not is_reference(name):
        return [name]
    source, attribute = _split(name)
    words = Path(source).with_suffix("").parts if _is_file(source) else source.split(".")
    return [*(word for word in words if word != "/"), attribute]


def require_unchanged(kept: Mapping[str, str]) -> None:
    """Raise `InputError` if the SHA-256 of the code at a reference differs from that in `kept`."""
    for reference, expected in kept.items():
        if code_hash(reference) != expected:
            source = _split(reference)[0]
            raise InputError(
                f"{source} has changed since the run was trained (SHA-256 {code_hash(reference)[:12]}, expected "
                f"{expected[:12]}): restore the file as it was, or train again, without `code` in the recipe"
            )


def _split(reference: str) -> tuple[str, str]:
    source, _, attribute = reference.rpartition(":")
    if not _NAME.fullmatch(attribute) or not (_is_file(source) or _MODULE.fullmatch(source)):
        raise InputError(
            f"{shown(reference)} is not a reference to code, expected FILE.py:Name or package.module:Name, such as "
            "mine.py:MeanPull"
        )
    return source, attribute


def _is_file(source: str) -> bool:
    return source.endswith(".py")


def _read(file: Path) -> bytes:
    if not require_regular(file).is_file():
        raise InputError(f"{file} does not exist, expected the Python file that defines what the recipe names")
    return file.read_bytes()


def _module_file(name: str) -> Path:
    """The file of a module, located without running it or its parent packages."""
    path: Sequence[str] | None = None
    spec = None
    for length in range(1, 2 + name.count(".")):
        part = ".".join(name.split(".")[:length])
        specs = (finder.find_spec(part, path) for finder in sys.meta_path)
        spec = next((spec for spec in specs if spec is not None), None)
        path = None if spec is None else spec.submodule_search_locations or []
        if path is None:
            raise InputError(f"there is no module {part}: install it, or give FILE.py:Name for a file in a folder")
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        raise InputError(f"module {name} has no file to keep a hash of: give a module that is a .py file")
    return Path(spec.origin)


def _run_file(file: Path) -> object:
    name = _module_name(file)
    os.environ[name] = str(file)  # processes that this one starts inherit it
    try:
        return import_module(name)
    except BaseException:
        del os.environ[name]
        raise


def _module_name(file: Path) -> str:
    return f"{PREFIX}{sha256(str(file).encode() + _read(file)).hexdigest()[:16]}"


class OutsideModules(MetaPathFinder, Loader):
    """Finds trusted files by module names made from their content, in this process and in those that it starts.

    So loader workers can unpickle objects whose class is in such a file, however the workers are started.
    """

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        """The spec of such a file; None if its content no longer fits the name."""
        file = os.environ.get(fullname) if fullname.startswith(PREFIX) else None
        if not file or not Path(file).is_file() or _module_name(Path(file)) != fullname:
            return None
        return util.spec_from_file_location(fullname, file, loader=self)

    def exec_module(self, module: ModuleType) -> None:
        """Run the file's own bytes, not those of an older bytecode cache."""
        file = str(module.__file__)
        exec(compile(_read(Path(file)), file, "exec"), vars(module))


sys.meta_path.append(OutsideModules())
