"""A stream in an S3-like store, and places that cannot be written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from afanet.cli import main
from afanet.data.streams.index import read_index
from afanet.data.streams.place import Place
from afanet.errors import InputError

ROOMS = "rooms --size 24 32 --data.options.train_scenes 10 --data.options.test_scenes 7".split()  # noqa: SIM905


@pytest.fixture
def bucket(impatient: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a bucket of a store on loopback."""
    for package in ("s3fs", "flask", "flask_cors"):
        pytest.importorskip(package)
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for key, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr("afanet.data.streams.fetch.PATIENCE", 5.0)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().makedirs("shards", exist_ok=True)
    yield "s3://shards/rooms"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_prepare_writes_to_a_store_what_it_writes_to_a_folder(
    bucket: str, written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from .test_read import ids

    assert main(["data", "prepare", *ROOMS, "--stream", bucket]) == 0
    assert f"written; training reads it with --data.stream {bucket}" in capsys.readouterr().out
    assert main(["data", "prepare", *ROOMS, "--stream", bucket]) == 0
    assert "already there" in capsys.readouterr().out
    assert ids(bucket, workers=1) != []
    [shard] = read_index(Place(bucket), print).train.shards
    assert shard.size == Path(next((tmp_path / "cache/streams").glob("*.shard"))).stat().st_size
    import s3fs

    s3fs.S3FileSystem().rm(f"{bucket}/{shard.name}")
    next((tmp_path / "cache/streams").glob(f"{shard.sha256}.shard")).unlink()
    with pytest.raises(InputError, match=r"s3://shards/rooms/train-00000.shard .* no such file \(404\)"):
        ids(bucket)


def test_a_store_that_denies_access(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    responses: Any = pytest.importorskip("moto.core.responses")
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)
    monkeypatch.setattr(responses.settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
    with pytest.raises(InputError, match=r"s3://shards/rooms/index.json cannot be read: access is denied \(403\)"):
        read_index(Place(bucket), print)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--stream", "http://127.0.0.1:1/rooms"], "is on a web server, which cannot be written: give a folder or"),
        (["--stream", "gs://shards/rooms"], "begins with gs://, expected a folder, http://"),
        (["--stream", "here", "--data.stream", "there"], "leave data.stream out"),
    ],
)
def test_places_that_cannot_be_written_are_refused_before_anything_is_decoded(
    flags: list[str], message: str, impatient: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["data", "prepare", *ROOMS, *flags]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()
