"""Runs npm where there is Node.js: installs a folder's locked packages once for each state of its lock file."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from tools.toolchain import must

LEAST = 20
"""The oldest major version of Node.js that the generated package and its clients run on."""


def missing() -> str:
    """Why nothing can be done with Node.js here, and what would help; empty where it can."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return f"node or npm is not on the PATH; install Node.js {LEAST} or newer"
    version = must("node", "--version").strip()
    if int(version.removeprefix("v").split(".")[0]) < LEAST:
        return f"node is {version}; install Node.js {LEAST} or newer"
    return ""


def install(folder: Path, *sources: Path) -> None:
    """Installs exactly what the folder's package-lock.json names, unless that is what stands there.

    `sources` are folders that the lock names as `file:`; they are installed anew when anything in them has changed.
    """
    seen = hashlib.sha256((folder / "package-lock.json").read_bytes())
    for source in sources:
        for path in sorted(source.rglob("*")):
            if path.is_file() and "node_modules" not in path.parts:
                seen.update(path.read_bytes())
    stamp = folder / "node_modules" / ".gladhand-lock"
    if not stamp.is_file() or stamp.read_text() != seen.hexdigest():
        must("npm", "ci", "--prefix", folder, "--silent", "--no-fund", "--no-audit")
        stamp.write_text(seen.hexdigest())
