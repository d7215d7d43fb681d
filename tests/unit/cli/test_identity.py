"""A process is told from a later one with the same number."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from gladhand.cli.mesh.identity import Identity, end, start_mark


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, start_new_session=True
    )
    yield process
    process.kill()
    process.communicate()


def test_this_process_is_alive() -> None:
    found = Identity.of(os.getpid())
    assert found is not None
    assert found.alive


def test_another_start_with_the_same_number_is_not_it(sleeper: subprocess.Popen[bytes]) -> None:
    mark = start_mark(sleeper.pid)
    assert mark is not None
    assert not Identity(sleeper.pid, mark + "0").alive


def test_a_dead_process_that_nobody_collected_is_not_alive(sleeper: subprocess.Popen[bytes]) -> None:
    found = Identity.of(sleeper.pid)
    assert found is not None
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not found.alive
    assert Identity.of(sleeper.pid) is None


def test_end_asks_first_and_kills_who_does_not_listen() -> None:
    deaf = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import signal,sys; signal.signal(15, signal.SIG_IGN); print(flush=True); sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert deaf.stdout is not None
    deaf.stdout.readline()
    found = Identity.of(deaf.pid)
    assert found is not None
    assert end([found], within_s=0.05) == [found]
    assert deaf.wait(10) == -9
    deaf.communicate()


def test_end_of_what_is_gone_does_nothing() -> None:
    assert end([Identity(os.getpid(), "of another boot")], within_s=1.0) == []
