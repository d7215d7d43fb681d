"""Ports claimed among the meshes of one user, from the moment they are chosen until the mesh ends.

A port is chosen long before its process listens on it: without a claim, two meshes that start together would choose
the same one. A claim is a lock on a file, which the system drops with the process that holds it.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from gladhand.cli.mesh.ports import is_free


class Claims:
    """Claims held by this process."""

    def __init__(self, folder: Path, held: ExitStack) -> None:
        self._folder = folder
        self._held = held

    def take(self, port: int) -> bool:
        """Claim a port; False where somebody listens on it or claims it already."""
        if not is_free(port):
            return False
        file = (self._folder / str(port)).open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._held.push(file)
        return True


@contextmanager
def claiming(folder: Path | None = None) -> Iterator[Claims]:
    """Hold claims until the end of the block. `folder` is the same for all meshes that must not collide."""
    folder = folder or Path(tempfile.gettempdir()) / f"gladhand-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as held:
        yield Claims(folder, held)
