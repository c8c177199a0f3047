"""Recognises the format of a file by its first bytes, so that a message can name a format that is not read."""

from __future__ import annotations

import re

HEAD = 4096  # bytes that are looked at
# The first of these expressions that matches the head of a file names its format.
SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (rb"\xff\xd8\xff\xf7", "JPEG-LS"),
    (rb"\xff\xd8\xff", "JPEG"),
    (rb"\x89PNG\r\n\x1a\n", "PNG"),
    (rb"GIF8[79]a", "GIF"),
    (rb"RIFF....WEBP", "WebP"),
    (rb"....ftyp(heic|heix|heim|heis|hevc|mif1|msf1)", "HEIC"),
    (rb"....ftypavi[fs]", "AVIF"),
    (rb"....ftypcrx ", "a camera's raw format (CR3)"),
    (rb"....(ftyp|moov)", "a video (MP4 or MOV)"),
    (rb"RIFF....AVI ", "a video (AVI)"),
    (rb"\x1aE\xdf\xa3", "a video (MKV or WebM)"),
    (rb"\0\0\0\x0cjP  \r\n|\xff\x4f\xff\x51", "JPEG 2000"),
    (rb"\0\0\0\x0cJXL |\xff\x0a", "JPEG XL"),
    (rb"II\*\0.{4}CR|FUJIFILMCCD-RAW|IIU\0|IIRO|\0MRM", "a camera's raw format"),
    (rb"II\xbc", "JPEG XR"),
    (rb"II\*\0|MM\0\*|II\+\0|MM\0\+", "TIFF"),
    (rb"BM....\0\0\0\0", "BMP"),
    (rb"P[1-6]\s", "PPM"),
    (rb"P[Ff]\s", "PFM"),
    (rb"\x76\x2f\x31\x01", "OpenEXR"),
    (rb"#\?(RADIANCE|RGBE)", "Radiance HDR"),
    (rb"8BPS", "Photoshop (PSD)"),
    (rb"gimp xcf", "GIMP (XCF)"),
    (rb"%PDF", "PDF"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript (EPS)"),
    (rb"DDS ", "DDS"),
    (rb"qoif", "QOI"),
    (rb"icns", "ICNS"),
    (rb"\0\0[\x01\x02]\0[^\0]\0", "ICO"),
    (rb"SIMPLE  =", "FITS"),
    (rb".{128}DICM", "DICOM"),
    (rb"\x93NUMPY", "a NumPy array"),
    (rb"\x89HDF", "HDF5"),
    (rb"PK\x03\x04", "a ZIP archive"),
    (rb"\x1f\x8b", "a gzip archive"),
    (rb"version https://git-lfs", "a pointer of Git LFS, not the file itself: run `git lfs pull`"),
    (rb"(?i)\s*<(svg|(\?xml|!--)(?=.*<svg))", "SVG"),
    (rb"(?i)\s*(<!doctype html|<html)", "HTML, such as the page of a failed download"),
)


def is_lossless_jpeg(head: bytes) -> bool:
    """Whether a file is a lossless JPEG, as its frame header says; medical and camera files contain such pictures.

    >>> is_lossless_jpeg(bytes.fromhex("ffd8 ffe0 0002 ffc3")), is_lossless_jpeg(bytes.fromhex("ffd8 ffe0 0002 ffc0"))
    (True, False)
    """
    position = 2
    while head[:2] == b"\xff\xd8" and position + 2 <= len(head) and head[position] == 0xFF:
        if 0xC0 <= head[position + 1] <= 0xCF and head[position + 1] not in (0xC4, 0xC8, 0xCC):
            return head[position + 1] in (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF)
        position += 2 + int.from_bytes(head[position + 2 : position + 4])
    return False


def format_of(head: bytes) -> str | None:
    """The name of a file's format, by its first `HEAD` bytes; None if it is unknown.

    >>> format_of(b"\\0\\0\\0\\x18ftypheic"), format_of(b"<svg/>"), format_of(b"MZ")
    ('HEIC', 'SVG', None)
    """
    return next((name for sign, name in SIGNATURES if re.match(sign, head[:HEAD], re.DOTALL)), None)
