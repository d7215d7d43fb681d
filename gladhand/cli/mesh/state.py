"""What the supervisor knows of its mesh, as a file: written in one step at every change, read by all commands."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from gladhand.bus.connection import ConnectionSettings
from gladhand.cli.mesh.identity import Identity

FORM: Final = 1


class Phase(StrEnum):
    """Where the mesh as a whole stands."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class Condition(StrEnum):
    """Where one process stands."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    RESTARTING = "restarting"
    GIVEN_UP = "given up"
    STOPPED = "stopped"


@dataclass(slots=True)
class ProcessState:
    """One process or one-time step. `note` is what it says it does now; `last_exit` how its last run ended."""

    name: str
    condition: Condition = Condition.WAITING
    identity: Identity | None = None
    restarts: int = 0
    since: str = ""
    took_s: float = 0.0
    note: str = ""
    last_exit: str = ""
    address: str = ""
    log: str = ""


@dataclass(slots=True)
class MeshState:
    """The mesh. `failure` says why it did not start, for people."""

    supervisor: Identity
    region: str
    ports: dict[str, int]
    started: str
    phase: Phase = Phase.STARTING
    failure: str = ""
    processes: dict[str, ProcessState] = field(default_factory=dict)
    credentials: str = ""
    """The operator's credentials for the bus."""
    secure_folder: str = ""
    """Where its certificates are; empty where it goes without TLS."""

    @property
    def running(self) -> bool:
        """Whether its supervisor lives. State left behind by one that was killed says nothing about the present."""
        return self.supervisor.alive

    @property
    def ready(self) -> bool:
        """Whether everything was started and nothing was given up."""
        return self.phase is Phase.READY and self.running

    @property
    def secure(self) -> Path | None:
        """Where its certificates are; None where it goes without TLS."""
        return Path(self.secure_folder) if self.secure_folder else None

    def target(self, name: str) -> str:
        """The gRPC target of a service."""
        return f"127.0.0.1:{self.ports[name]}"

    def token_target(self, name: str) -> str:
        """Where a service listens for callers with a token instead of a certificate; empty where it does not."""
        port = self.ports.get(f"{name}_token") if self.secure_folder else None
        return f"127.0.0.1:{port}" if port is not None else ""

    @property
    def nats_url(self) -> str:
        """Where clients reach JetStream."""
        return f"{'tls' if self.secure_folder else 'nats'}://127.0.0.1:{self.ports['nats']}"

    def bus(self, name: str = "gladhand-cli", first_connect: float = 15.0) -> ConnectionSettings:
        """How the command line joins the bus; `first_connect` in seconds."""
        credentials = Path(self.credentials) if self.credentials else None
        authority = None if self.secure is None else self.secure / "ca.pem"
        return ConnectionSettings(
            servers=(self.nats_url,), name=name, credentials=credentials, ca=authority, first_connect=first_connect
        )

    def url(self, name: str) -> str:
        """The base URL of what speaks HTTP on the port of that name."""
        return f"{'https' if self.secure_folder else 'http'}://127.0.0.1:{self.ports[name]}"

    def orphans(self) -> list[Identity]:
        """Processes that still run; with a dead supervisor nobody watches them."""
        known = [process.identity for process in self.processes.values()]
        return [identity for identity in known if identity is not None and identity.alive]

    def to_json(self) -> dict[str, Any]:
        """As written to the file."""
        return {"form": FORM, **dataclasses.asdict(self)}


def write(file: Path, state: MeshState) -> None:
    """Replace the file in one step, so that a reader never sees half of it."""
    partial = file.with_name(file.name + ".new")
    partial.write_text(json.dumps(state.to_json(), indent=1) + "\n", "utf-8")
    partial.replace(file)


def read(file: Path) -> MeshState | None:
    """The state as last written, or None where there is none or it is of another form."""
    try:
        raw = json.loads(file.read_text("utf-8"))
        if raw.pop("form") != FORM:
            return None
        processes = {name: _process(each) for name, each in raw.pop("processes").items()}
        supervisor = Identity(**raw.pop("supervisor"))
        return MeshState(supervisor=supervisor, phase=Phase(raw.pop("phase")), processes=processes, **raw)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _process(raw: dict[str, Any]) -> ProcessState:
    identity = raw.pop("identity")
    return ProcessState(
        identity=None if identity is None else Identity(**identity), condition=Condition(raw.pop("condition")), **raw
    )


def stamp() -> str:
    """The present moment of this machine as text: processes live by the machine's clock, not by the mesh's."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
