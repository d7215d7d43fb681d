"""The mesh that clients are tried against: `python -m tests.clients.serve FOLDER`, one JSON line once it serves.

A real nats-server and the orchestrator with all its processes, between an ERP and a fleet that keep ledgers, so that
an order that is submitted moves on by itself. Everything is kept in FOLDER. Ends when its standard input does.

The JSON line is what clients are given. How the mesh is secured is decided here and nowhere else in these tests.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import grpc

from gladhand.nats_server import NatsServer
from gladhand.server import ServiceProcess
from gladhand.settings import LogLevel
from services.orchestrator.main import build
from services.orchestrator.settings import OrchestratorSettings
from tests.adapters.orchestrator.gateways import Gateways
from tests.clients.authority import issue

TOKEN = "taken-and-not-yet-looked-at"


async def serve(nats: NatsServer, folder: Path) -> None:
    """Serve until standard input ends."""
    secure = issue(folder / "secure")
    credentials = grpc.ssl_server_credentials([(secure.key.read_bytes(), secure.certificate.read_bytes())])
    async with Gateways.serving() as gateways:
        settings = OrchestratorSettings(
            port=0,
            region="us",
            nats_url=nats.url,
            monitoring_url=nats.monitoring_url,
            data_dir=folder,
            erp_target=gateways.target,
            fleet_target=gateways.target,
            log_level=LogLevel.WARNING,
            grace_s=1.0,
        )
        async with ServiceProcess("orchestrator", settings, credentials=credentials).serving(build) as running:
            given = {"target": running.target, "nats": nats.url, "ca": str(secure.ca), "token": TOKEN}
            sys.stdout.write(json.dumps(given) + "\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    with NatsServer(Path(sys.argv[1]) / "nats") as server:
        asyncio.run(serve(server, Path(sys.argv[1])))
