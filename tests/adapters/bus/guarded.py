"""A server with permissions, and how to reach it as somebody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from gladhand.bus.connection import ConnectionSettings
from gladhand.bus.refusals import MeshClient
from gladhand.bus.request import Patience
from gladhand.cli.mesh.access import Access
from gladhand.nats_server import NatsServer

SLOW = Patience(deadline=60.0, attempt=30.0)
"""So patient that whoever waits for the time-out fails the test."""

AT_ONCE_S = 10.0

Join = Callable[[str], Awaitable[MeshClient]]


@dataclass(frozen=True)
class Guarded:
    """The server and the credentials that it knows."""

    server: NatsServer
    access: Access

    def settings(self, identity: str) -> ConnectionSettings:
        return self.with_seed(self.access.credentials(identity))

    def with_seed(self, file: Path | None) -> ConnectionSettings:
        return ConnectionSettings(servers=(self.server.url,), name="test", credentials=file, first_connect=5)
