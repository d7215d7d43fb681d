"""Files that hold keys: for this user alone, and replaced in one step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gladhand.errors import StartRefused

__all__ = ["private_folder", "write_private"]


def private_folder(folder: Path) -> None:
    """Make a folder for this user alone. Raises StartRefused where it exists and others may look into it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise StartRefused(f"{folder} cannot be made a folder for keys: {error.strerror}") from error
    if found.st_uid != os.getuid():
        raise StartRefused(f"{folder} belongs to another user; move it away, a new one is made at the next start")
    if found.st_mode & 0o077:
        raise StartRefused(
            f"{folder} is open to other users (mode {found.st_mode & 0o777:04o}): `chmod 700 {folder}`, or where "
            "somebody may have read the keys in it remove it, a new one is made at the next start"
        )


def write_private(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Replace files, each in one step and in this order; nobody but this user can read them at any moment.

    All are on the disk before the first is replaced, so that a reader finds old and new together for no longer than
    it must. Raises OSError.
    """
    partial = {name: folder / f".{name}.{os.getpid()}" for name in contents}
    for name, content in contents.items():
        partial[name].unlink(missing_ok=True)
        descriptor = os.open(partial[name], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
    for name, file in partial.items():
        file.replace(folder / name)
