"""The sources of the annotations as the wheel `gladhand-contracts` carries them, for contracts of other teams."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

_PACKAGES = ("logistics.contract.v1", "buf.validate")


def write(folder: Path, leaving_out: Path | None = None) -> list[Path]:
    """Write the annotations below `folder`, a root for imports; return what was written, relative to it.

    Files that stand below `leaving_out` are not written: a file may have one home only.
    """
    written = []
    for path, source in _sources():
        if leaving_out is not None and (leaving_out / path).exists():
            continue
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
        written.append(path)
    return written


def _sources() -> Iterator[tuple[Path, Traversable]]:
    for package in _PACKAGES:
        for source in sorted(files(package).iterdir(), key=lambda found: found.name):
            if source.name.endswith(".proto"):
                yield Path(*package.split("."), source.name), source
