"""`python -m services.edge_gateway.main`: the edge gateway as a process, gRPC and HTTP in one."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from starlette.applications import Starlette

from gladhand.bus.buckets import BucketSpec, open_bucket
from gladhand.bus.request import Patience
from gladhand.client import call, channel
from gladhand.log.jetstream import JetStreamEventStore
from gladhand.mesh import Joined, consuming, joined
from gladhand.security.exposure import require_loopback
from gladhand.server import ServiceProcess
from logistics.dispatch.v1 import DispatchServiceStub, dispatch_service_pb2
from logistics.edge.v1 import add_EdgeIngestServiceServicer_to_server
from logistics.orchestrator.v1 import (
    OrchestratorServiceStub,
    RecordProofOfDeliveryRequest,
    RecordProofOfDeliveryResponse,
    orchestrator_service_pb2,
)
from services.edge_gateway.cold_chain.watch import ColdChainWatch
from services.edge_gateway.detector import Detector
from services.edge_gateway.http_admission import HttpAdmission
from services.edge_gateway.http_api import build_app
from services.edge_gateway.http_server import HttpServer
from services.edge_gateway.inbox import Inbox, InHand, Protocol
from services.edge_gateway.intake import Intake
from services.edge_gateway.ledger import BUCKET, Ledger
from services.edge_gateway.pairings import FleetPairings
from services.edge_gateway.pod_desk import PodDesk, Recorder
from services.edge_gateway.redelivery import Desk, Redelivery
from services.edge_gateway.registration import REGISTRATION
from services.edge_gateway.report import GATEWAY
from services.edge_gateway.servicer import EdgeIngest
from services.edge_gateway.settings import EdgeSettings

__all__ = ["build", "main"]

_DOCUMENTS = "DOCUMENTS"


async def build(process: ServiceProcess[EdgeSettings]) -> None:
    """Put the service together."""
    settings = process.settings
    patience = Patience(deadline=settings.publish_wait_s)
    mesh = await process.enter(joined(GATEWAY, settings, part=REGISTRATION, patience=patience))
    intake, pods = await _desks(process, mesh)
    in_hand = InHand()
    process.add_servicer(
        add_EdgeIngestServiceServicer_to_server, EdgeIngest(intake, pods, in_hand), own_idempotency=True
    )
    _add_redelivery(process, mesh, intake, pods, in_hand)
    detector = Detector(
        mesh.bus,
        JetStreamEventStore(mesh.connection, source=GATEWAY),
        settings.fence_rules(),
        settings.region,
        tolerance_s=settings.correction_s,
        attempts=settings.inbox_attempts,
        ack_wait=timedelta(seconds=settings.redeliver_after_s),
    )
    process.add_task("geofence detector", detector.run)
    cold = ColdChainWatch(
        mesh.bus,
        JetStreamEventStore(mesh.connection, source=GATEWAY),
        mesh.clock,
        settings.region,
        every=timedelta(seconds=settings.cold_chain_look_s),
        attempts=settings.inbox_attempts,
        ack_wait=timedelta(seconds=settings.redeliver_after_s),
    )
    process.add_task("cold chain watch", cold.run)

    def missing() -> list[str]:
        found = [] if mesh.connection.is_connected else ["NATS does not answer"]
        return found if detector.ready and cold.ready else [*found, "the log of loads is still being read"]

    app = build_app(
        intake,
        pods,
        in_hand,
        readiness=missing,
        admission=HttpAdmission(await process.gate()),
        most_bytes=settings.most_telemetry_bytes,
    )
    _add_http(process, app)


def _add_http(process: ServiceProcess[EdgeSettings], app: Starlette) -> None:
    """HTTPS for trackers and phones, which show no certificate; clear text only on loopback and where wanted."""
    settings, own = process.settings, process.credentials
    tls = None
    if own is None:
        require_loopback("GLADHAND_HTTP_HOST", settings.http_host)
    else:
        tls = own.for_https()
        process.add_task("http certificates", own.renewing(tls))
    http = HttpServer(app, settings.http_host, settings.http_port, grace_s=settings.grace_s, tls=tls)
    process.announce("http", http.port)
    process.add_task("http", http.run)


async def _desks(process: ServiceProcess[EdgeSettings], mesh: Joined) -> tuple[Intake, PodDesk]:
    """Those who work on what came in: telemetry and proofs."""
    settings, rules = process.settings, process.settings.filter_rules()
    keys = BucketSpec(
        BUCKET,
        "Which inbox message brought a report first.",
        keep=timedelta(days=settings.dedupe_days),
        max_bytes=settings.dedupe_bytes,
    )
    ledger = Ledger(await open_bucket(mesh.connection, keys, Patience(deadline=settings.publish_wait_s)))
    inbox = Inbox(mesh.bus, mesh.clock, settings.region)
    fleet = await process.enter(
        channel(settings.fleet_target, dispatch_service_pb2.DESCRIPTOR, credentials=process.credentials)
    )
    pairings = FleetPairings(DispatchServiceStub(fleet), mesh.clock)
    intake = Intake(mesh.bus, inbox, ledger, pairings, rules, settings.region)
    documents = await mesh.bus.objects(_DOCUMENTS)
    record = await _recorder(process)
    return intake, PodDesk(inbox, documents, ledger, record, limits=settings.file_limits(), rules=rules)


def _add_redelivery(
    process: ServiceProcess[EdgeSettings], mesh: Joined, intake: Intake, pods: PodDesk, in_hand: InHand
) -> None:
    """The durable consumer that finishes what nobody waits for."""
    settings = process.settings
    desks: dict[Protocol, Desk] = dict.fromkeys((Protocol.OSMAND, Protocol.TRACCAR, Protocol.BATCH), intake)
    desks[Protocol.POD] = pods
    redelivery = Redelivery(
        desks,
        in_hand,
        settings.region,
        attempts=settings.inbox_attempts,
        ack_wait=timedelta(seconds=settings.redeliver_after_s),
    )

    async def redeliver(stopping: asyncio.Event) -> None:
        async with consuming(mesh.bus, (redelivery.subscription(),)):
            await stopping.wait()

    process.add_task("inbox", redeliver)


async def _recorder(process: ServiceProcess[EdgeSettings]) -> Recorder:
    target = process.settings.orchestrator_target
    opened = channel(target, orchestrator_service_pb2.DESCRIPTOR, credentials=process.credentials)
    orchestrator = OrchestratorServiceStub(await process.enter(opened))

    async def record(request: RecordProofOfDeliveryRequest) -> RecordProofOfDeliveryResponse:
        return await call(orchestrator.RecordProofOfDelivery(request))

    return record


def main() -> int:
    """Run until asked to stop; return the exit code."""
    return ServiceProcess.main(GATEWAY, EdgeSettings, build)


if __name__ == "__main__":
    raise SystemExit(main())
