"""The mesh that clients are tried against: `python -m tests.clients.serve FOLDER`, one JSON line once it serves.

A real nats-server and the orchestrator with all its processes, between an ERP and a fleet that keep ledgers, so that
an order that is submitted moves on by itself. Everything is kept in FOLDER. Ends when its standard input does.

The JSON line is what clients are given. How the mesh is secured is decided here and nowhere else in these tests: as
`gladhand up` does it, with certificates, tokens and rights on the bus.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

from gladhand.bus.identities import SETUP
from gladhand.cli.home import Home
from gladhand.cli.mesh import certificates
from gladhand.cli.mesh.access import Access
from gladhand.cli.mesh.engine import set_up
from gladhand.clock import SystemClock
from gladhand.nats_server import NatsServer
from gladhand.readiness import read_ready
from gladhand.security.names import ISSUER, OPERATOR
from gladhand.security.signing import Grant, SigningKey, ensure_signing_key
from gladhand.server import ServiceProcess
from gladhand.settings import LogLevel
from services.orchestrator.main import build
from services.orchestrator.settings import OrchestratorSettings
from tests.adapters.orchestrator.gateways import Gateways

_GRANT = Grant("clients", ("orders.read", "orders.write"), ("gladhand.internal",), timedelta(hours=1))


async def serve(nats: NatsServer, home: Home, access: Access) -> None:
    """Serve until standard input ends."""
    authority = home.secure / "ca.pem"
    await set_up(nats.url, access.credentials(SETUP), authority, access.objects())
    ready = home.root / "ready.json"
    async with Gateways.serving(home.secure) as gateways:
        settings = OrchestratorSettings(
            port=0,
            token_port=0,
            ready_file=ready,
            insecure=False,
            tls_dir=home.secure / "orchestrator",
            jwks=str(home.tokens / "jwks.json"),
            nats_credentials=access.credentials("orchestrator"),
            region="us",
            nats_url=nats.url,
            monitoring_url=nats.monitoring_url,
            data_dir=home.root / "orchestrator",
            erp_target=gateways.target,
            fleet_target=gateways.fleet_target,
            log_level=LogLevel.WARNING,
            grace_s=1.0,
        )
        async with ServiceProcess("orchestrator", settings).serving(build):
            served = read_ready(ready)
            assert served is not None
            given = {
                "target": f"localhost:{served.ports['grpc_token']}",
                "nats": nats.url,
                "ca": str(authority),
                "token": SigningKey.load(home.tokens).issue(_GRANT, ISSUER, SystemClock().now()),
                "seed": str(access.credentials(OPERATOR)),
            }
            sys.stdout.write(json.dumps(given) + "\n")
            sys.stdout.flush()
            await asyncio.to_thread(sys.stdin.read)


def main(folder: Path) -> None:
    """Make what `gladhand up` makes before its first start, then serve."""
    home = Home(folder, folder / "cache")
    access = Access(home)
    access.prepare()
    certificates.provide(home)
    ensure_signing_key(home.tokens)
    with NatsServer(folder / "nats", authorization=access.authorization, tls_dir=home.secure / "nats") as server:
        asyncio.run(serve(server, home, access))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
