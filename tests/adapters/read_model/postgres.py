"""A PostgreSQL server of the tests' own, in a temporary directory, gone after the run."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_SUPERUSER = "gladhand"


def find_binaries() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`: that of the PATH, else Debian's newest; None where there is none."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: path.parts[4])
    return versions[-1].parent if versions else None


@contextmanager
def running_cluster(binaries: Path) -> Generator[str]:
    """Start a server on a free port; give its URL without a database name."""
    owner = _unprivileged()
    directory = Path(tempfile.mkdtemp(prefix="gladhand-pg-"))
    try:
        if owner is not None:
            shutil.chown(directory, owner)
        data = directory / "data"
        _run(owner, binaries / "initdb", "-D", data, "-U", _SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-sync")
        port = _free_port()
        options = (
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c max_connections=60"
        )
        _run(owner, binaries / "pg_ctl", "-D", data, "-l", directory / "log", "-w", "-o", options, "start")
        try:
            yield f"postgresql+asyncpg://{_SUPERUSER}@127.0.0.1:{port}"
        finally:
            _run(owner, binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(directory)


def _unprivileged() -> str | None:
    """Return whom to run the server as: it refuses root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _run(owner: str | None, *command: str | Path) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        user=owner,
        cwd="/",
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, f"{command[0]}: {done.stderr}"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
