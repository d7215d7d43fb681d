"""What the example of every language tells, and how a program of any of them is run."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_LINES = (
    rf"submitted {_UUID} created",
    r"event 1 received",
    r"event 2 validated",
    r"event 3 released",
    # Each language spells the codes its own way.
    r"refused (INVALID_ARGUMENT|InvalidArgument) CONTRACT_VIOLATION order\.lines\[0\]\.quantities\.ordered\.value",
    r"missing (NOT_FOUND|NotFound) ORDER_NOT_FOUND order",
)


def run(*line: str | Path, cwd: Path, env: Mapping[str, str], within_s: float = 300) -> str:
    """Run a program that has to succeed and return what it printed; what it complained of is shown where it fails."""
    done = subprocess.run(
        [str(part) for part in line], cwd=cwd, env=env, capture_output=True, text=True, timeout=within_s, check=False
    )
    assert done.returncode == 0, f"{line[0]} ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


def assert_told(out: str) -> None:
    """Check an example's lines: submitted, watched, refused by field, not found by name."""
    lines = out.splitlines()
    assert len(lines) == len(_LINES), out
    assert [line for line, wanted in zip(lines, _LINES, strict=True) if not re.fullmatch(wanted, line)] == []
