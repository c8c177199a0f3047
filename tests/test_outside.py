"""Outside code runs only where it is trusted, once, and is told apart by its content."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from afanet import outside
from afanet.errors import InputError


@pytest.fixture(autouse=True)
def distrust(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "_trusted", set())
    monkeypatch.setattr(outside, "_loaded", {})


def write(folder: Path, text: str = "class Mine:\n    pass\n") -> str:
    (folder / "mine.py").write_text(text)
    return f"{folder / 'mine.py'}:Mine"


def test_code_that_nobody_trusts_is_not_run(tmp_path: Path) -> None:
    reference = write(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'w')\nMine = 1\n")
    with pytest.raises(InputError, match="--trust-code"):
        outside.load(reference)
    outside.code_hash(reference)
    assert not (tmp_path / "ran").exists()
    outside.trust_code(reference)
    assert outside.load(reference) == 1
    assert (tmp_path / "ran").exists()


def test_trust_in_one_file_is_none_in_another(tmp_path: Path) -> None:
    outside.trust_code(write(tmp_path))
    second = tmp_path / "other.py"
    second.write_text("Mine = 2\n")
    with pytest.raises(InputError, match="--trust-code"):
        outside.load(f"{second}:Mine")
    outside.trust_code()
    assert outside.load(f"{second}:Mine") == 2


def test_a_file_is_run_once(tmp_path: Path) -> None:
    reference = write(tmp_path, f"open({str(tmp_path / 'runs')!r}, 'a').write('x')\nMine, Other = 1, 2\n")
    outside.trust_code()
    assert [outside.load(reference), outside.load(reference), outside.load(reference.replace("Mine", "Other"))] == [
        1,
        1,
        2,
    ]
    assert (tmp_path / "runs").read_text() == "x"


def test_a_class_of_a_file_can_be_pickled(tmp_path: Path) -> None:
    outside.trust_code()
    cls = outside.load(write(tmp_path))
    assert isinstance(cls, type)
    assert type(pickle.loads(pickle.dumps(cls()))) is cls


def test_changed_code_is_noticed(tmp_path: Path) -> None:
    reference = write(tmp_path)
    kept = {reference: outside.code_hash(reference)}
    outside.require_unchanged(kept)
    write(tmp_path, "class Mine:\n    y = 1\n")
    with pytest.raises(InputError, match=r"mine\.py has changed since the run was trained"):
        outside.require_unchanged(kept)
    (tmp_path / "mine.py").unlink()
    with pytest.raises(InputError, match=r"mine\.py does not exist"):
        outside.require_unchanged(kept)


def test_a_module_has_a_hash_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "afanet_test_module.py").write_text("Mine = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    reference = "afanet_test_module:Mine"
    outside.code_hash(reference)
    with pytest.raises(InputError, match="--trust-code"):
        outside.load(reference)
    assert "afanet_test_module" not in sys.modules
    outside.trust_code(reference)
    assert outside.load(reference) == 3
    outside.require_unchanged({reference: outside.code_hash(reference)})
    with pytest.raises(InputError, match="has changed"):
        outside.require_unchanged({reference: "0" * 64})


def test_the_hash_of_a_module_in_a_package_runs_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "afanet_test_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError\n")
    (package / "inner.py").write_text("raise RuntimeError\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    second = write(tmp_path, "raise RuntimeError\n")
    assert outside.code_hash("afanet_test_package.inner:Mine") == outside.code_hash(second)
    for missing in ("afanet_no_such_module:X", "afanet_test_package.gone:X", "afanet_test_package.inner.deeper:X"):
        with pytest.raises(InputError, match="there is no module"):
            outside.code_hash(missing)


def test_what_is_run_is_the_file_and_no_older_cache_of_it(tmp_path: Path) -> None:
    import os

    reference = write(tmp_path, "Mine = 1\n")
    outside.trust_code()
    assert outside.load(reference) == 1
    times = (tmp_path / "mine.py").stat()
    write(tmp_path, "Mine = 2\n")  # as long, and as old
    os.utime(tmp_path / "mine.py", ns=(times.st_atime_ns, times.st_mtime_ns))
    outside._loaded.clear()
    assert outside.load(reference) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [("raise RuntimeError('no')\n", "RuntimeError: no"), ("Other = 1\n", "defines no 'Mine'"), ("(", "SyntaxError")],
)
def test_code_that_fails_is_said_in_a_sentence(tmp_path: Path, text: str, message: str) -> None:
    outside.trust_code()
    with pytest.raises(InputError, match=message):
        outside.load(write(tmp_path, text))


@pytest.mark.parametrize(
    "reference", [":", "a:", "mine.py:", "mine.py:a.b", "a b:c", "../x.txt:C", "os;x:y", "a.py:b:c.d"]
)
def test_what_is_no_reference_is_refused(reference: str) -> None:
    outside.trust_code()
    with pytest.raises(InputError, match="not a reference to code"):
        outside.load(reference)


def test_another_process_can_trust_the_same(tmp_path: Path) -> None:
    reference = write(tmp_path)
    outside.trust_code(reference)
    kept = outside.trusted()
    outside._trusted.clear()
    outside.trust_again(kept)
    assert isinstance(outside.load(reference), type)


def test_a_process_started_anew_can_unpickle_it(tmp_path: Path) -> None:
    reference = write(tmp_path, "class Mine:\n    y = 5\n")
    outside.trust_code(reference)
    cls = outside.load(reference)
    assert isinstance(cls, type)
    (tmp_path / "pickled").write_bytes(pickle.dumps(cls()))
    script = f"import pickle, afanet.outside; print(pickle.load(open({str(tmp_path / 'pickled')!r}, 'rb')).y)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "5\n", done.stderr
    write(tmp_path, "class Mine:\n    y = 6\n")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "ModuleNotFoundError" in done.stderr
