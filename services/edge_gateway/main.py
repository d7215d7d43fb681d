"""`python -m services.edge_gateway.main`: the edge gateway as a process, gRPC and HTTP in one."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from nats.aio.client import Client

from gladhand.bus.buckets import BucketSpec, open_bucket
from gladhand.bus.connection import ConnectionSettings, connected
from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.request import Patience
from gladhand.bus.warp import MeshClock
from gladhand.client import call, channel
from gladhand.clock import Clock, SystemClock
from gladhand.log.jetstream import JetStreamEventStore
from gladhand.server import ServiceProcess
from gladhand.settings import ClockKind
from logistics.dispatch.v1 import DispatchServiceStub, dispatch_service_pb2
from logistics.edge.v1 import add_EdgeIngestServiceServicer_to_server
from logistics.orchestrator.v1 import (
    OrchestratorServiceStub,
    RecordProofOfDeliveryRequest,
    RecordProofOfDeliveryResponse,
    orchestrator_service_pb2,
)
from services.edge_gateway.detector import Detector
from services.edge_gateway.http_api import build_app
from services.edge_gateway.http_server import HttpServer
from services.edge_gateway.inbox import Inbox, InHand, Protocol
from services.edge_gateway.intake import Intake
from services.edge_gateway.ledger import BUCKET, Ledger
from services.edge_gateway.pairings import FleetPairings
from services.edge_gateway.pod_desk import PodDesk, Recorder
from services.edge_gateway.redelivery import Desk, Redelivery
from services.edge_gateway.report import GATEWAY
from services.edge_gateway.servicer import EdgeIngest
from services.edge_gateway.settings import EdgeSettings

__all__ = ["build", "main"]

_LEDGER_BYTES = 64 << 20
_DOCUMENTS = "DOCUMENTS"


async def build(process: ServiceProcess[EdgeSettings]) -> None:
    """Put the service together."""
    settings = process.settings
    servers = tuple(url.strip() for url in settings.nats_url.split(","))
    connection = await process.enter(connected(ConnectionSettings(servers=servers, name=GATEWAY)))
    clock, bus = await _bus(process, connection)
    patience = Patience(deadline=settings.publish_wait_s)
    ledger_spec = BucketSpec(
        BUCKET,
        "Which inbox message brought a report first.",
        keep=timedelta(days=settings.dedupe_days),
        max_bytes=_LEDGER_BYTES,
    )
    ledger = Ledger(await open_bucket(connection, ledger_spec, patience))
    documents = await bus.objects(_DOCUMENTS)
    inbox = Inbox(bus, clock, settings.region)
    fleet = await process.enter(channel(settings.fleet_target, dispatch_service_pb2.DESCRIPTOR))
    pairings = FleetPairings(DispatchServiceStub(fleet), clock)
    intake = Intake(bus, inbox, ledger, pairings, settings.filter_rules(), settings.region)
    pods = PodDesk(
        inbox,
        documents,
        ledger,
        await _recorder(process),
        limits=settings.file_limits(),
        rules=settings.filter_rules(),
    )
    in_hand = InHand()
    process.add_servicer(
        add_EdgeIngestServiceServicer_to_server, EdgeIngest(intake, pods, in_hand), own_idempotency=True
    )
    desks: dict[Protocol, Desk] = dict.fromkeys((Protocol.OSMAND, Protocol.TRACCAR, Protocol.BATCH), intake)
    desks[Protocol.POD] = pods
    ack_wait = timedelta(seconds=settings.redeliver_after_s)
    redelivery = Redelivery(desks, in_hand, settings.region, attempts=settings.inbox_attempts, ack_wait=ack_wait)
    store = JetStreamEventStore(connection, source=GATEWAY)
    detector = Detector(
        bus,
        store,
        settings.fence_rules(),
        settings.region,
        tolerance_s=settings.correction_s,
        attempts=settings.inbox_attempts,
        ack_wait=ack_wait,
    )

    def missing() -> list[str]:
        found = [] if connection.is_connected else ["NATS does not answer"]
        return found if detector.ready else [*found, "the log of loads is still being read"]

    async def redeliver(stopping: asyncio.Event) -> None:
        consumer = await bus.subscribe(redelivery.subscription())
        await stopping.wait()
        await consumer.stop()

    app = build_app(intake, pods, in_hand, readiness=missing, most_bytes=settings.most_telemetry_bytes)
    http = HttpServer(app, settings.http_host, settings.http_port, grace_s=settings.grace_s)
    process.announce("http", http.port)
    process.add_task("inbox", redeliver)
    process.add_task("geofence detector", detector.run)
    process.add_task("http", http.run)


async def _bus(process: ServiceProcess[EdgeSettings], connection: Client) -> tuple[Clock, JetStreamBus]:
    """The clock of the mesh and the bus that goes by it."""
    patience = Patience(deadline=process.settings.publish_wait_s)
    if process.settings.clock is ClockKind.SYSTEM:
        system = SystemClock()
        return system, JetStreamBus(connection, system, patience=patience)
    warped = MeshClock()
    bus = JetStreamBus(connection, warped, patience=patience)
    await process.enter(warped.following(bus))
    return warped, bus


async def _recorder(process: ServiceProcess[EdgeSettings]) -> Recorder:
    target = process.settings.orchestrator_target
    orchestrator = OrchestratorServiceStub(await process.enter(channel(target, orchestrator_service_pb2.DESCRIPTOR)))

    async def record(request: RecordProofOfDeliveryRequest) -> RecordProofOfDeliveryResponse:
        return await call(orchestrator.RecordProofOfDelivery(request))

    return record


def main() -> int:
    """Run until asked to stop; return the exit code."""
    return ServiceProcess.main(GATEWAY, EdgeSettings, build)


if __name__ == "__main__":
    raise SystemExit(main())
