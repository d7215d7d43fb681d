"""The edge gateway as it runs, beside a real nats-server and stand-ins for its neighbours."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from nats.aio.client import Client

from gladhand.nats_server import NatsServer
from gladhand.readiness import read_ready
from gladhand.server import ServiceProcess
from gladhand.testing import eventually
from services.edge_gateway.main import build
from services.edge_gateway.settings import EdgeSettings
from tests.adapters.edge.harness import REGION, Fleet, Orchestrator, Streams, served


@dataclass
class Edge:
    """A running gateway."""

    http: httpx.AsyncClient
    target: str


Start = Callable[..., Awaitable[Edge]]


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(  # type: ignore[abstract]  # answers what is asked here
        {("osmand", "truck-1"): "V1", ("traccar", "imei-1"): "V1", ("telematics-co", "box-9"): "V9"}
    )


@pytest.fixture
def orchestrator() -> Orchestrator:
    return Orchestrator()  # type: ignore[abstract]  # answers what is asked here


@pytest.fixture
def streams(mesh_streams: Client) -> Streams:
    return Streams(mesh_streams)


@pytest.fixture
async def neighbours(fleet: Fleet, orchestrator: Orchestrator) -> AsyncGenerator[str]:
    async with served(fleet, orchestrator) as (target, _):
        yield target


@pytest.fixture
async def start(
    tmp_path: Path,
    mesh_streams: Client,
    nats_server: NatsServer,
    nats_url: str,
    neighbours: str,
    orchestrator: Orchestrator,
) -> AsyncGenerator[Start]:
    """Start a gateway in this process; settings may be given."""
    async with AsyncExitStack() as stack:

        async def begin(**more: object) -> Edge:
            ready = tmp_path / "ready.json"
            values: dict[str, object] = {
                "region": REGION,
                "nats_url": nats_url,
                "monitoring_url": nats_server.monitoring_url,
                "ready_file": ready,
                "fleet_target": neighbours,
                "orchestrator_target": neighbours,
                "grace_s": 2,
            }
            settings = EdgeSettings.model_validate(values | more)
            running = await stack.enter_async_context(ServiceProcess("edge_gateway", settings).serving(build))
            ports = read_ready(ready)
            assert ports is not None
            tls = settings.tls_dir
            client = await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=f"{'https' if tls else 'http'}://127.0.0.1:{ports.ports['http']}",
                    verify=ssl.create_default_context(cafile=tls / "ca.pem") if tls else True,
                    timeout=30,
                )
            )
            edge = Edge(client, running.target)
            await eventually(lambda: is_ready(client))
            return edge

        yield begin


async def is_ready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 200


@pytest.fixture
async def edge(start: Start) -> Edge:
    return await start()
