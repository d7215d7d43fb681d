"""The released contracts: one image for each version, `v1.2.3.binpb`, in one folder."""

from __future__ import annotations

import re
from pathlib import Path

_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)")

Number = tuple[int, int, int]


def number_of(version: str) -> Number | None:
    """Return the numbers of a version such as `v1.2.3`; None for anything else."""
    match = _VERSION.fullmatch(version)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def images(folder: Path) -> list[Path]:
    """Return the released images in a folder, oldest version first."""
    numbered = [(number_of(path.stem), path) for path in folder.glob("v*.binpb")]
    return [path for number, path in sorted((number, path) for number, path in numbered if number is not None)]
