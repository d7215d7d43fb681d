"""Tells a process from a later one that got the same number, and ends processes that nobody watches any more."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_POLL_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Identity:
    """A process for good: its number and the moment it started, as the system tells it."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this number now, or None where there is none."""
        started = start_mark(pid)
        return None if started is None else cls(pid, started)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs. One that has ended and waits to be collected does not."""
        return start_mark(self.pid) == self.started


def start_mark(pid: int) -> str | None:
    """When the process started, as text to compare; None where it does not run."""
    if sys.platform != "linux":
        done = subprocess.run(
            ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        state, _, started = done.stdout.strip().partition(" ")
        return None if not started or state.startswith("Z") else started.strip()
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The name in brackets may hold anything; the fields after it are state (3rd) to start time (22nd).
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else f"{_boot()}/{fields[19]}"


@functools.cache
def _boot() -> str:
    """Start times count from the boot, so they name it."""
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def end(processes: Iterable[Identity], within_s: float) -> list[Identity]:
    """Ask each to end, kill its whole group where it has not within `within_s`; return those that had to be killed."""
    alive = [process for process in processes if process.alive]
    for process in alive:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + within_s
    while any(process.alive for process in alive) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    stubborn = [process for process in alive if process.alive]
    for process in stubborn:
        kill_group(process.pid)
    while any(process.alive for process in stubborn):
        time.sleep(_POLL_S)
    return stubborn


def kill_group(pid: int) -> None:
    """Kill the process and all that it started in its group. Every process of the mesh leads a group of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
