"""The orchestrator as it runs, on a real nats-server, between an ERP and a fleet that keep ledgers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from gladhand.nats_server import NatsServer
from gladhand.server import ServiceProcess
from gladhand.settings import LogLevel
from logistics.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceStub
from services.orchestrator.main import build
from services.orchestrator.settings import OrchestratorSettings
from tests.adapters.orchestrator.gateways import Gateways

if TYPE_CHECKING:
    from logistics.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceAsyncStub


@pytest.fixture
async def gateways() -> AsyncIterator[Gateways]:
    """An ERP gateway and a fleet gateway over gRPC."""
    async with Gateways.serving() as served:
        yield served


@pytest.fixture
def settings(
    nats_url: str, nats_connection: object, nats_server: NatsServer, gateways: Gateways, tmp_path: Path
) -> OrchestratorSettings:
    """Settings of an orchestrator that asks for no proof."""
    return OrchestratorSettings(
        port=0,
        region="us",
        nats_url=nats_url,
        monitoring_url=nats_server.monitoring_url,
        data_dir=tmp_path,
        erp_target=gateways.target,
        fleet_target=gateways.fleet_target,
        wave_delay_s=0.2,
        log_level=LogLevel.WARNING,
        grace_s=1.0,
    )


@pytest.fixture
async def orchestrator(settings: OrchestratorSettings) -> AsyncIterator[OrchestratorServiceAsyncStub]:
    """A client of a running orchestrator."""
    async with (
        ServiceProcess("orchestrator", settings).serving(build) as running,
        grpc.aio.insecure_channel(running.target) as channel,
    ):
        yield OrchestratorServiceStub(channel)
