"""Pictures that a phone would send with a proof: a signature and a photo of the goods, as genuine PNG files."""

from __future__ import annotations

import math
import random
import struct
import zlib
from typing import Final

_SIGNATURE: Final = (320, 120)
_PHOTO: Final = (240, 180)
_PAPER: Final = 255
_INK: Final = 25
_SIGNATURE_BYTE: Final = b"\x89PNG\r\n\x1a\n"
_GREY, _COLOUR = 0, 2


def signature(seed: str) -> bytes:
    """A scrawl on white paper, another for each seed."""
    width, height = _SIGNATURE
    rows = [bytearray([_PAPER] * width) for _ in range(height)]
    chance = random.Random(f"signature/{seed}")
    phase, waves = chance.uniform(0, 6), [(chance.uniform(8, 26), chance.uniform(0.02, 0.12)) for _ in range(3)]
    steps = 2600
    for step in range(steps):
        along = step / steps
        x = 20 + along * (width - 50) + 9 * math.sin(along * 60 + phase)
        y = height / 2 + sum(size * math.sin(pace * x + phase) for size, pace in waves) * (1 - 0.6 * along)
        for dx in (0, 1):
            for dy in (0, 1):
                column, row = int(x) + dx, int(y) + dy
                if 0 <= column < width and 0 <= row < height:
                    rows[row][column] = _INK
    return _png(width, height, _GREY, rows)


def photo(seed: str) -> bytes:
    """Boxes on a dock, another pile for each seed."""
    width, height = _PHOTO
    chance = random.Random(f"photo/{seed}")
    rows = [bytearray(_backdrop(row, width, height, chance)) for row in range(height)]
    for _ in range(chance.randint(5, 9)):
        size = chance.randint(28, 52)
        left, bottom = chance.randint(4, width - size - 4), height - chance.randint(14, 70)
        tone = chance.randint(-25, 25)
        for row in range(max(0, bottom - size), bottom):
            for column in range(left, left + size):
                edge = row in {bottom - size, bottom - 1} or column in {left, left + size - 1}
                tape = abs(column - left - size // 2) < 2
                red, green, blue = (90, 62, 30) if edge else (205, 190, 150) if tape else (176, 132, 84)
                rows[row][3 * column : 3 * column + 3] = bytes(_bounded(c + tone) for c in (red, green, blue))
    return _png(width, height, _COLOUR, rows)


def _backdrop(row: int, width: int, height: int, chance: random.Random) -> bytes:
    """A grey wall that gets lighter upwards, and a darker floor, with the grain of a cheap camera."""
    base = 150 - row // 3 if row < height - 30 else 75
    return bytes(_bounded(base + chance.randint(-6, 6) + shade) for _ in range(width) for shade in (0, 2, 6))


def _bounded(value: int) -> int:
    return max(0, min(255, value))


def _png(width: int, height: int, colour: int, rows: list[bytearray]) -> bytes:
    """A PNG (W3C, third edition): header, one data chunk with unfiltered rows, end; eight bits a channel."""
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    content = b"".join(b"\0" + bytes(row) for row in rows)
    return _SIGNATURE_BYTE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(content, 9)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
