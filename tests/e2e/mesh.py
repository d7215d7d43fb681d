"""A mesh of its own for end-to-end tests: private state and ports, the shared cache of the built ERP."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


class Mesh:
    """Runs `gladhand` on a home of its own."""

    def __init__(self, home: Path, repository: Path) -> None:
        self.home = home
        self._repository = repository
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GLADHAND_")}
        self.environment = kept | {
            "GLADHAND_HOME": str(home),
            "GLADHAND_CACHE": str(repository / ".gladhand" / "cache"),
        }

    def gladhand(self, *arguments: str, within_s: float = 300) -> Done:
        done = subprocess.run(
            self._line(*arguments), cwd=self._repository, env=self.environment, capture_output=True, text=True,
            timeout=within_s, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command in a group of its own, its words on `stderr` to be read."""
        return subprocess.Popen(
            self._line(*arguments),
            cwd=self._repository,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _line(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "gladhand.cli.main", *arguments]

    @property
    def state(self) -> Any:
        return json.loads((self.home / "mesh.json").read_text())

    @property
    def ports(self) -> dict[str, int]:
        return dict(self.state["ports"])

    @property
    def authority(self) -> Path:
        """The certificate of the mesh's own authority."""
        return self.home / "secure" / "ca.pem"

    def shown_on(self, name: str) -> int:
        """The serial number of the certificate that a new connection to the port of that name sees."""
        trust, own = ssl.create_default_context(cafile=self.authority), self.home / "secure" / "operator"
        trust.load_cert_chain(own / "cert.pem", own / "key.pem")
        trust.set_alpn_protocols(["h2", "http/1.1"])
        with (
            socket.create_connection(("127.0.0.1", self.ports[name]), timeout=10) as plain,
            trust.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"").serial_number

    def kill_everything(self) -> None:
        """SIGKILL to the supervisor first, so that it restarts nothing, then to the group of each process."""
        state = self.state
        os.kill(state["supervisor"]["pid"], signal.SIGKILL)
        for process in state["processes"].values():
            if process["identity"] is not None:
                kill_group(process["identity"]["pid"])


def kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


class PlainTryton:
    """Tryton's JSON-RPC as its documentation has it, with nothing of ours in between."""

    def __init__(self, url: str, user: str, password: str, authority: Path) -> None:
        self._url = f"{url}/erp/rpc/"
        self._trust = ssl.create_default_context(cafile=authority)
        answer = self._post("common.db.login", [user, {"password": password}, "en"], {})
        session = base64.b64encode(f"{user}:{answer[0]}:{answer[1]}".encode()).decode()
        self._headers = {"Authorization": f"Session {session}"}
        self._context = self._post("model.res.user.get_preferences", [True, {}], self._headers)

    def search_read(self, model: str, domain: list[Any], fields: list[str]) -> list[dict[str, Any]]:
        params = [domain, 0, None, None, fields, self._context]
        rows: list[dict[str, Any]] = self._post(f"model.{model}.search_read", params, self._headers)
        return rows

    def _post(self, method: str, params: list[Any], headers: dict[str, str]) -> Any:
        body = json.dumps({"id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self._url, body, {"Content-Type": "application/json", **headers})
        with urllib.request.urlopen(request, timeout=30, context=self._trust) as answer:
            found = json.loads(answer.read())
        if isinstance(found, dict):
            assert not found.get("error"), found["error"]
            return found["result"]
        return found
