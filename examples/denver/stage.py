"""Everything that the demo is connected to: the mesh's services, its log and clock, and the ERP's own RPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
from nats.aio.client import Client

from deploy.tryton.credentials import Credentials
from deploy.tryton.layout import DATABASE
from deploy.tryton.order_desk import OrderDesk
from gladhand.bus.connection import connected
from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.warp import MeshClock
from gladhand.cli.ask import Orchestrator, orchestrator
from gladhand.cli.home import Home
from gladhand.cli.mesh.certificates import operator
from gladhand.cli.mesh.state import MeshState
from gladhand.client import channel
from gladhand.clock import SystemClock
from gladhand.security.authentication import AUTHORIZATION
from gladhand.security.names import ISSUER
from gladhand.security.signing import Grant, SigningKey
from logistics.dispatch.v1 import dispatch_service_pb2, dispatch_service_pb2_grpc

_HTTP_S = 20.0
_DEVICES_FOR = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Stage:
    """Open connections. `edge` is an HTTP client of the edge gateway, which trackers and phones report to."""

    mesh: MeshState
    home: Home
    orchestrator: Orchestrator
    fleet: dispatch_service_pb2_grpc.DispatchServiceAsyncStub
    desk: OrderDesk
    log: Client
    clock: MeshClock
    edge: httpx.AsyncClient

    @property
    def story_file(self) -> Path:
        """Where an unfinished run is remembered."""
        return self.home.root / "demo" / "story.json"


@asynccontextmanager
async def set_up(home: Home, mesh: MeshState) -> AsyncIterator[Stage]:
    """Connect to a mesh that is ready. Raises StartRefused, OSError, GladhandError."""
    async with AsyncExitStack() as stack:
        own = operator(mesh)
        trust = None if own is None else own.trusting()
        passwords = Credentials.load(home.data("tryton") / "credentials.json")
        desk = await stack.enter_async_context(
            OrderDesk(mesh.url("tryton"), DATABASE, passwords.order_clerk, trust=trust)
        )
        log = await stack.enter_async_context(connected(mesh.bus("gladhand-demo")))
        clock = MeshClock()
        await stack.enter_async_context(clock.following(JetStreamBus(log, clock)))
        fleet = await stack.enter_async_context(
            channel(mesh.target("fleet_gateway"), dispatch_service_pb2.DESCRIPTOR, credentials=own)
        )
        yield Stage(
            mesh=mesh,
            home=home,
            orchestrator=await stack.enter_async_context(orchestrator(mesh.target("orchestrator"), own)),
            fleet=dispatch_service_pb2_grpc.DispatchServiceStub(fleet),
            desk=desk,
            log=log,
            clock=clock,
            edge=await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=mesh.url("edge_http"),
                    headers=_devices_proof(home) if mesh.secure is not None else {},
                    timeout=_HTTP_S,
                    verify=trust or True,
                )
            ),
        )


def _devices_proof(home: Home) -> dict[str, str]:
    """What trackers and phones send along: a partner's token, as `gladhand token create` would make it."""
    grant = Grant("denver-devices", ("telemetry.write", "pods.write"), ("gladhand.partner",), _DEVICES_FOR)
    return {AUTHORIZATION: f"Bearer {SigningKey.load(home.tokens).issue(grant, ISSUER, SystemClock().now())}"}
