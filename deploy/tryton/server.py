"""The Tryton server process: its configuration, how it is started for a while, and how this process becomes it.

gunicorn with one worker and one thread serves Tryton's WSGI application: unlike Tryton's own development server it
drains on SIGTERM, keeps connections alive and replaces a worker that died. One process, because Tryton's caches and its
SQLite writers are per process. One thread, because on SQLite Tryton has no locks (its `Database.lock` does nothing) and
reads before its transaction begins: two invoices posted at the same time were given the same number. On PostgreSQL
neither limit is needed.
"""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from deploy.tryton.layout import DATABASE, Home
from gladhand.cli.mesh import leash

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 25.0


class ServerStartError(Exception):
    """The server did not answer in time or ended; the message ends with the last lines of its log."""


def write_config(home: Home) -> None:
    """Write ``trytond.conf`` and make the directory of the database file."""
    home.database.parent.mkdir(parents=True, exist_ok=True)
    home.config.write_text(
        f"[database]\nuri = sqlite://\npath = {home.database.parent}\n\n[session]\nmax_age = 2592000\n",
        "utf-8",
    )


def command(home: Home, port: int, tls_dir: Path | None = None) -> list[str]:
    """The command line of the server on 127.0.0.1:``port``, by TLS with the certificate of ``tls_dir``.

    gunicorn reads the certificate for every connection, so that a new one needs no restart.
    """
    tls = [] if tls_dir is None else ["--certfile", str(tls_dir / "cert.pem"), "--keyfile", str(tls_dir / "key.pem")]
    return [
        str(home.script("gunicorn")),
        "--bind", f"127.0.0.1:{port}",
        "--workers", "1",
        "--worker-class", "gthread",
        "--threads", "1",
        "--keep-alive", "30",
        "--timeout", "120",
        "--graceful-timeout", "20",
        "--no-control-socket",
        "--log-level", "warning",
        *tls,
        "trytond.application:app",
    ]  # fmt: skip


def environment(home: Home) -> dict[str, str]:
    """The server's environment: this one's, without what would lead Python or Tryton astray."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "TRYTOND", "GUNICORN"))}
    return kept | {"TRYTOND_CONFIG": str(home.config), "TRYTOND_DATABASE_NAMES": DATABASE}


def become_server(home: Home, port: int, tls_dir: Path | None) -> NoReturn:
    """Replace this process by the server, so that a supervisor's signals reach it directly."""
    line = command(home, port, tls_dir)
    # Left by one that was killed. Its number may belong to another process by now, and gunicorn would not start.
    (home.root / "trytond.pid").unlink(missing_ok=True)
    os.chdir(home.root)
    os.execve(line[0], line, environment(home))


class Server:
    """A server for the length of a ``with`` block, ready when the block is entered. Used to seed and in tests."""

    def __init__(
        self,
        home: Home,
        port: int | None = None,
        extra_environment: Mapping[str, str] | None = None,
        tls_dir: Path | None = None,
    ) -> None:
        self._home = home
        self._tls_dir = tls_dir
        self.port = port or free_port()
        self._extra = dict(extra_environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Base URL, without a trailing slash."""
        return f"{'http' if self._tls_dir is None else 'https'}://127.0.0.1:{self.port}"

    def trust(self) -> ssl.SSLContext | None:
        """What a client needs to know the server by; None without TLS."""
        return None if self._tls_dir is None else ssl.create_default_context(cafile=self._tls_dir / "ca.pem")

    @property
    def pid(self) -> int:
        """Process id of the master, which is also its process group. Raises RuntimeError when not running."""
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process.pid

    def start(self) -> None:
        """Start and wait until the port accepts connections. Raises ``ServerStartError``."""
        line = command(self._home, self.port, self._tls_dir)
        with self._home.log.open("ab") as log:
            self._process = subprocess.Popen(
                # on a leash: it ends with this process, even where that is killed
                [sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), *line],
                cwd=self._home.root,
                env=environment(self._home) | self._extra,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_TIMEOUT_S
        trust = self.trust()
        while not _accepts(self.port, trust):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise ServerStartError(f"Tryton did not start on port {self.port}:\n{_tail(self._home.log)}")
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGTERM, wait, and SIGKILL to the whole group where it does not end."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def kill(self) -> None:
        """SIGKILL to master and worker at once, as a power cut would."""
        process, self._process = self._process, None
        if process is not None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def free_port() -> int:
    """A TCP port of the loopback address that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _accepts(port: int, trust: ssl.SSLContext | None) -> bool:
    """Whether an HTTP answer comes back. The port alone is open before the worker has loaded the application."""
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5.0) as plain,
            plain if trust is None else trust.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            connection.settimeout(30.0)
            connection.sendall(b"OPTIONS / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(5) == b"HTTP/"
    except OSError:
        return False


def _tail(path: Path) -> str:
    return "\n".join(path.read_text("utf-8", "replace").splitlines()[-15:]) if path.exists() else ""
