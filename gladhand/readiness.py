"""The ready file: how whoever started a process learns that it serves, and on which ports."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ready", "read_ready", "remove_ready", "write_ready"]


@dataclass(frozen=True, slots=True)
class Ready:
    """What a ready file says."""

    name: str
    pid: int
    host: str
    ports: Mapping[str, int]
    """Port by protocol: `grpc` always, others as the service announces them."""


def write_ready(path: Path, ready: Ready) -> None:
    """Write the file in one step, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{ready.pid}")
    draft.write_text(
        json.dumps({"name": ready.name, "pid": ready.pid, "host": ready.host, "ports": dict(ready.ports)}) + "\n"
    )
    draft.replace(path)


def read_ready(path: Path) -> Ready | None:
    """Return what the file says; None where there is no file, or one that no process of ours wrote."""
    try:
        found = json.loads(path.read_text())
        ports = {str(name): int(port) for name, port in found["ports"].items()}
        return Ready(str(found["name"]), int(found["pid"]), str(found["host"]), ports)
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def remove_ready(path: Path) -> None:
    """Remove the file where this process wrote it; a successor may have written its own already."""
    ready = read_ready(path)
    if ready is not None and ready.pid == os.getpid():
        path.unlink(missing_ok=True)
