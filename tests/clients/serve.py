"""The mesh that clients are tried against: `python -m tests.clients.serve FOLDER`, one JSON line once it serves.

A real nats-server and the orchestrator with all its processes, between an ERP and a fleet that keep ledgers, so that
an order that is submitted moves on by itself. Everything is kept in FOLDER. Ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from gladhand.nats_server import NatsServer
from gladhand.server import ServiceProcess
from gladhand.settings import LogLevel
from services.orchestrator.main import build
from services.orchestrator.settings import OrchestratorSettings
from tests.adapters.orchestrator.gateways import Gateways


async def serve(nats: NatsServer, folder: Path) -> None:
    """Serve until standard input ends."""
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
        async with ServiceProcess("orchestrator", settings).serving(build) as running:
            sys.stdout.write(json.dumps({"target": running.target, "nats": nats.url, "ca": "", "token": ""}) + "\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    with NatsServer(Path(sys.argv[1]) / "nats") as server:
        asyncio.run(serve(server, Path(sys.argv[1])))
