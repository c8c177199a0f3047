"""OpenEXR files against the arrays that were written into them."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from afanet.errors import InputError
from afanet.label_files import read_exr

Z = np.arange(12, dtype=np.float32).reshape(3, 4)
DISTANCES = (("z",), ("y",))
VECTORS = (("x", "y", "z"), ("r", "g", "b"))


def save(path: Path, channels: dict[str, np.ndarray], **header: Any) -> Path:
    OpenEXR.File({"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION} | header, channels).write(
        str(path)
    )
    return path


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("name", ["Z", "z", "ViewLayer.Depth.Z", "whatever"])
def test_a_channel_is_read_by_the_last_part_of_its_name_or_alone(name: str, dtype: type, tmp_path: Path) -> None:
    path = save(tmp_path / "map.exr", {name: Z.astype(dtype)})
    np.testing.assert_array_equal(read_exr(path, "map", DISTANCES)[..., 0], Z)
    if name != "whatever":
        path = save(tmp_path / "map.exr", {name: Z.astype(dtype), "Image.Combined.R": Z * 0})
        np.testing.assert_array_equal(read_exr(path, "map", DISTANCES)[..., 0], Z)


@pytest.mark.parametrize("names", [("X", "Y", "Z"), ("L.Normal.X", "L.Normal.Y", "L.Normal.Z"), ("R", "G", "B")])
def test_vectors_keep_the_order_of_their_parts(names: tuple[str, ...], tmp_path: Path) -> None:
    path = save(tmp_path / "map.exr", {name: Z + 100 * part for part, name in enumerate(names)})
    np.testing.assert_array_equal(read_exr(path, "map", VECTORS), np.stack([Z, Z + 100, Z + 200], 2))


def test_channels_that_are_lacking_or_there_twice_are_named(tmp_path: Path) -> None:
    path = save(tmp_path / "map.exr", {"U": Z, "V": Z})
    with pytest.raises(InputError) as caught:
        read_exr(path, "map", DISTANCES)
    assert str(caught.value) == f"{path} has the channels U, V, expected Z or Y once for a map: save these"
    twice = save(tmp_path / "map.exr", {"left.Z": Z, "right.Z": Z})
    with pytest.raises(InputError, match=r"has the channels left\.Z, right\.Z, expected"):
        read_exr(twice, "map", DISTANCES)


def test_a_file_cut_anywhere_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path / "map.exr", {"Z": Z})
    whole = path.read_bytes()
    for length in (0, 3, 100, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"map\.exr cannot be read as OpenEXR .*: copy this map again") as caught:
            read_exr(path, "map", DISTANCES)
        assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""
    path.unlink()
    with pytest.raises(InputError, match=r"map\.exr is missing"):
        read_exr(path, "map", DISTANCES)
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"map\.exr is PNG, expected an OpenEXR file"):
        read_exr(path, "map", DISTANCES)


def test_what_is_no_single_whole_image_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.exr"
    OpenEXR.File([OpenEXR.Part({}, {"Z": Z}, "a"), OpenEXR.Part({}, {"Z": Z}, "b")]).write(str(path))
    with pytest.raises(InputError, match="has 2 parts, expected one for a map"):
        read_exr(path, "map", DISTANCES)
    larger = (np.array([0, 0], np.int32), np.array([9, 9], np.int32))
    with pytest.raises(InputError, match="has data for only a part of its map"):
        read_exr(save(path, {"Z": Z}, displayWindow=larger), "map", DISTANCES)


def test_without_the_library_a_sentence_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "map.exr", {"Z": Z})
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name == "OpenEXR":
            raise ImportError
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(InputError, match=r"map\.exr cannot be read: OpenEXR is missing.*pip install"):
        read_exr(path, "map", DISTANCES)
