"""Pictures are genuine PNG files."""

from __future__ import annotations

import struct
import zlib

import pytest

from examples.denver.pictures import photo, signature


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, content = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        (crc,) = struct.unpack(">I", png[at + 8 + length : at + 12 + length])
        assert crc == zlib.crc32(kind + content)
        found.append((kind, content))
        at += 12 + length
    return found


@pytest.mark.parametrize(("png", "channels"), [(signature("a"), 1), (photo("a"), 3)])
def test_header_and_data_agree(png: bytes, channels: int) -> None:
    parts = dict(chunks(png))
    width, height, depth, *_ = struct.unpack(">IIBBBBB", parts[b"IHDR"])
    assert depth == 8
    assert len(zlib.decompress(parts[b"IDAT"])) == height * (1 + width * channels)
    assert b"IEND" in parts


def test_each_stop_has_its_own() -> None:
    assert signature("a") == signature("a") != signature("b")
    assert photo("a") == photo("a") != photo("b")
