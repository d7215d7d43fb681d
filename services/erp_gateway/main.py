"""The ERP gateway as a process: ``python -m services.erp_gateway.main``."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from gladhand.client import channel
from gladhand.idempotency import BucketIdempotency
from gladhand.mesh import consuming, joined
from gladhand.passage import opened
from gladhand.security.credentials import TlsCredentials
from gladhand.server import ServiceProcess
from logistics.erp.v1 import erp_gateway_service_pb2_grpc as erp_grpc
from logistics.orchestrator.v1 import orchestrator_service_pb2
from logistics.orchestrator.v1 import orchestrator_service_pb2_grpc as orchestrator_grpc
from services.erp_gateway.adapters.tryton import TrytonAdapter, TrytonOptions
from services.erp_gateway.adapters.tryton_press import PressPolicy
from services.erp_gateway.adapters.tryton_rpc import MOST_CALLS, TrytonLogin
from services.erp_gateway.registration import REGISTRATION
from services.erp_gateway.sales_feed import FeedOptions
from services.erp_gateway.servicer import ErpGatewayServicer
from services.erp_gateway.settings import ErpSettings
from services.erp_gateway.submitter import RemoteOrders, SalesSubmitter
from services.erp_gateway.watcher import CursorStore, SalesWatcher


@asynccontextmanager
async def _adapter(settings: ErpSettings, own: TlsCredentials | None) -> AsyncIterator[TrytonAdapter]:
    login = TrytonLogin(
        base_url=str(settings.tryton_url).rstrip("/"),
        database=settings.tryton_database,
        user=settings.tryton_user,
        password=settings.tryton_password(),
        timeout_s=settings.tryton_timeout_s,
        trust=None if own is None else own.trusting(),
    )
    options = TrytonOptions(
        instance=settings.erp_instance,
        region=settings.region,
        overlap=timedelta(seconds=settings.overlap_s),
        press=PressPolicy(warnings=settings.tryton_warnings, doubt_s=settings.tryton_timeout_s),
    )
    with opened(settings.erp_instance, MOST_CALLS) as passage:
        adapter = TrytonAdapter(login, options, passage=passage)
        try:
            yield adapter
        finally:
            await adapter.close()


async def build(process: ServiceProcess[ErpSettings]) -> None:
    """Put the service together: bus, adapter, watcher, submitter, servicer."""
    settings = process.settings
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would tell every poll
    mesh = await process.enter(joined(process.name, settings, part=REGISTRATION))
    adapter = await process.enter(_adapter(settings, process.credentials))
    cursors = CursorStore(await mesh.bus.key_value("CURSORS"), settings.erp_instance)
    feed = FeedOptions(interval_s=settings.poll_interval_s, settle_s=settings.settle_s)
    orders = await process.enter(
        channel(settings.orchestrator_target, orchestrator_service_pb2.DESCRIPTOR, credentials=process.credentials)
    )
    submitter = SalesSubmitter(RemoteOrders(orchestrator_grpc.OrchestratorServiceStub(orders)), settings.erp_instance)
    await process.enter(consuming(mesh.bus, (submitter.subscription(settings.region),)))
    watcher = SalesWatcher(
        adapter,
        mesh.bus,
        cursors,
        region=settings.region,
        options=feed,
        redrive_after=timedelta(seconds=settings.redrive_after_s),
    )
    process.use_idempotency(BucketIdempotency(await mesh.bus.key_value("IDEMPOTENCY")))
    process.add_servicer(
        erp_grpc.add_ErpGatewayServiceServicer_to_server, ErpGatewayServicer(adapter, mesh.clock, feed, cursors.read)
    )
    process.add_task("sales watcher", watcher.run)


if __name__ == "__main__":
    raise SystemExit(ServiceProcess.main("erp_gateway", ErpSettings, build))
