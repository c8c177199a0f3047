"""What is missing is asked for by packages that every index has."""

from __future__ import annotations

import shlex

import pytest

from afanet import install
from afanet.install import lacking, missing_package, requirements

METADATA = [
    "torch>=2",
    "lightning>=2.5; extra == 'train'",
    'torchjd[full]>=0.18; extra == "train"',
    "afanet[train]; extra == 'export'",
    "onnx>=1.17; extra == 'export'",
]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The packages that seem to be installed."""
    names = {"lightning"}
    monkeypatch.setattr(install, "requires", lambda name: METADATA)
    monkeypatch.setattr(install, "_is_installed", names.__contains__)
    return names


def packages(sentence: str) -> list[str]:
    return shlex.split(sentence.partition(": pip install ")[2])


def test_one_command_brings_all_that_the_extra_lacks(installed: set[str]) -> None:
    assert requirements("export") == ["onnx>=1.17", "lightning>=2.5", "torchjd[full]>=0.18"]
    assert packages(missing_package("onnx", "export")) == ["onnx>=1.17", "torchjd[full]>=0.18"]
    installed.add("torchjd")
    assert packages(missing_package("onnx", "export")) == ["onnx>=1.17"]
    assert packages(missing_package("torch", "train")) == ["torch"]


def test_what_is_missing_or_too_old_is_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"onnx": "1.17.0", "lightning": "2.5"}

    def version(name: str) -> str:
        if name not in versions:
            raise install.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(install, "requires", lambda name: METADATA)
    monkeypatch.setattr(install, "version", version)
    assert lacking("export") == ["torchjd[full]>=0.18"]
    versions |= {"onnx": "1.9.5", "torchjd": "0.18.1+cpu"}
    assert lacking("export") == ["onnx>=1.17"]
    versions["onnx"] = "2.0"
    assert lacking("export") == []


def test_a_package_that_is_installed_and_cannot_be_imported_is_named(installed: set[str]) -> None:
    installed.add("torchjd")
    assert missing_package("lightning", "train").startswith("lightning is missing, of the extra 'train': pip install ")
    assert packages(missing_package("lightning", "train")) == ["lightning>=2.5"]


def test_sources_that_were_never_installed_have_a_command_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> list[str]:
        raise install.PackageNotFoundError(name)

    monkeypatch.setattr(install, "requires", fail)
    assert missing_package("yaml", "train") == "yaml is missing: pip install pyyaml"
