"""How to install missing packages, by a command that works wherever the package itself was installed from."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import PackageNotFoundError, distribution, metadata, requires, version

# Packages whose modules have another name.
PACKAGES = {"PIL": "pillow", "yaml": "pyyaml", "sklearn": "scikit-learn", "cv2": "opencv-python-headless"}
EXTRA = re.compile(r"""([\w.-]+)(?:\[([\w,.-]+)\])?([^;]*); *extra *== *['"]([\w-]+)['"]""")


def missing_package(module: str, extra: str) -> str:
    """A message for a `module` that cannot be imported, although a command needs it as part of the extra `extra`.

    It names every package of the extra that is not installed, so that one command is enough.

    >>> missing_package("cv2", "train")
    'cv2 is missing: pip install opencv-python-headless'
    """
    needed = {_name(requirement): requirement for requirement in requirements(extra)}
    package = PACKAGES.get(module, module)
    absent = {package: needed.get(package, package)} if package not in needed or _is_installed(package) else {}
    absent |= {name: requirement for name, requirement in needed.items() if not _is_installed(name)}
    of_extra = f", of the extra '{extra}'" if package in needed else ""
    return f"{module} is missing{of_extra}: pip install {shlex.join(absent.values())}"


def requirements(extra: str) -> list[str]:
    """The requirements of an extra of the package, with versions; none if the package is not installed."""
    try:
        declared = [match.groups() for line in requires("afanet") or [] if (match := EXTRA.match(line))]
    except PackageNotFoundError:
        return []
    needed: dict[str, None] = {}
    wanted = [extra]
    for name in wanted:
        for package, others, versions, of_extra in declared:
            if of_extra != name:
                continue
            if package == "afanet":
                wanted += [other for other in (others or "").split(",") if other not in wanted]
            else:
                needed[f"{package}{f'[{others}]' if others else ''}{versions.strip()}"] = None
    return list(needed)


def extras() -> list[str]:
    """The names of the package's extras; none if the package is not installed."""
    try:
        return metadata("afanet").get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return []


def lacking(extra: str) -> list[str]:
    """The requirements of an extra that are missing or too old here, as `pip install` takes them."""
    return [requirement for requirement in requirements(extra) if not _is_met(requirement)]


def _is_met(requirement: str) -> bool:
    """Whether the installed version of a package meets a requirement, which has a lower bound or no bound.

    >>> _is_met("torch>=2.0"), _is_met("torch>=1000")
    (True, False)
    """
    try:
        found = version(_name(requirement))
    except PackageNotFoundError:
        return False
    return _numbers(found) >= _numbers(requirement.partition(">=")[2])


def _numbers(version: str) -> tuple[int, ...]:
    """The first numbers of a version, at most three: (2, 11, 0) of `2.11.0+cu130`."""
    return tuple(map(int, re.findall(r"\d+", version.partition("+")[0])[:3]))


def _name(requirement: str) -> str:
    """The package that a requirement names: `torchjd` of `torchjd[full]>=0.18`."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True
