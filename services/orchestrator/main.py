"""The orchestrator as a process: `python -m services.orchestrator.main`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from nats.aio.client import Client

from gladhand.bus.connection import ConnectionSettings, connected
from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.port import Backoff, Bus, Delivery, Handler, Subscription
from gladhand.bus.streams import ensure_streams, standard_streams
from gladhand.bus.timers import due_of
from gladhand.bus.warp import MeshClock
from gladhand.client import channel
from gladhand.clock import Clock, SystemClock
from gladhand.envelope import EnvelopeType
from gladhand.execute import Executor
from gladhand.idempotency import BucketIdempotency
from gladhand.log.durability import require_durable
from gladhand.log.jetstream import JetStreamEventStore
from gladhand.server import ServiceProcess
from gladhand.settings import ClockKind
from gladhand.validation import check
from logistics.dispatch.v1 import dispatch_service_pb2
from logistics.erp.v1 import erp_gateway_service_pb2
from logistics.orchestrator.v1.orchestrator_service_pb2_grpc import add_OrchestratorServiceServicer_to_server
from logistics.order.v1 import OrderEvent
from logistics.process.v1 import ProcessPolicy
from services.orchestrator.gateways import GrpcErpGateway, GrpcFleetGateway
from services.orchestrator.journal import Journal
from services.orchestrator.processes import haulage, holds, observations, resolutions, ripple
from services.orchestrator.processes.fulfilment import TIMER as FULFILMENT_TIMER
from services.orchestrator.processes.fulfilment import FulfilmentDriver
from services.orchestrator.processes.haulage import HaulageDriver
from services.orchestrator.processes.holds import HoldRipple
from services.orchestrator.processes.inside import InsideSteps
from services.orchestrator.processes.observations import Observations
from services.orchestrator.processes.outside import OutsideActions
from services.orchestrator.processes.planning import TIMER as WAVE_TIMER
from services.orchestrator.processes.planning import Planning
from services.orchestrator.processes.proofs import Proofs
from services.orchestrator.processes.resolutions import Resolutions
from services.orchestrator.processes.ripple import LoadRipple
from services.orchestrator.processes.watchdog import Watchdog
from services.orchestrator.read_model import Projector, ReadModel
from services.orchestrator.servicer import OWN_IDEMPOTENCY, OrchestratorServicer
from services.orchestrator.servicer.desk import Desk
from services.orchestrator.settings import OrchestratorSettings

_WAKES_FULFILMENT = (
    "received", "amended", "resumed", "dispatched", "delivered", "hold_lifted", "cancel_requested", "cancelled",
)  # fmt: skip
"""Order events that other parts record and that may give the process of the order something to do."""

_WAKES_PLANNING = ("released", "unplanned")

_PATIENT = Backoff(first=0.25, factor=2.0, longest=60.0)


@asynccontextmanager
async def _consuming(bus: Bus, subscriptions: Sequence[Subscription]) -> AsyncIterator[None]:
    consumers = [await bus.subscribe(subscription) for subscription in subscriptions]
    try:
        yield
    finally:
        for consumer in consumers:
            await consumer.stop()


async def build(process: ServiceProcess[OrchestratorSettings]) -> None:
    """Put the service together: log, bus, gateways, processes, read model, servicer."""
    settings = process.settings
    servers = tuple(settings.nats_url.split(","))
    connection = await process.enter(connected(ConnectionSettings(servers=servers, name=process.name)))
    await require_durable(connection, settings.monitoring_url, allow_unsynced=settings.allow_unsynced)
    await ensure_streams(connection, standard_streams())
    clock, bus = await _clock_and_bus(process, connection)
    store = JetStreamEventStore(connection, source=process.name)
    journal = Journal(Executor(store, clock, validate=check), clock)
    erp = GrpcErpGateway(await process.enter(channel(settings.erp_target, erp_gateway_service_pb2.DESCRIPTOR)))
    fleet = GrpcFleetGateway(await process.enter(channel(settings.fleet_target, dispatch_service_pb2.DESCRIPTOR)))
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    read_model = await process.enter(ReadModel.opened(settings.read_model_url))
    policy = _policy(settings)

    driver = FulfilmentDriver(
        journal, OutsideActions(journal, erp, fleet), InsideSteps(journal, bus), bus, clock, policy
    )
    planning = Planning(journal, fleet, bus, clock, read_model, policy)
    hauling = HaulageDriver(journal, fleet, planning.on_vehicle_free)
    resolving = Resolutions(journal, driver)
    holding = HoldRipple(journal)
    desk = Desk(
        journal=journal,
        store=store,
        read_model=read_model,
        fulfilment=driver,
        planning=planning,
        proofs=Proofs(journal, read_model, policy),
        holds=holding,
        resolutions=resolving,
        clock=clock,
    )
    process.use_idempotency(BucketIdempotency(await bus.key_value("IDEMPOTENCY")))
    process.add_servicer(
        add_OrchestratorServiceServicer_to_server, OrchestratorServicer(desk), own_idempotency=OWN_IDEMPOTENCY
    )
    process.add_task("projector", Projector(store, read_model).run)
    every = timedelta(seconds=settings.watchdog_s)
    process.add_task("watchdog", Watchdog(read_model, driver, hauling, planning, clock, every=every).run)
    subscriptions = [
        *_order_subscriptions(driver, hauling, planning, settings.workers),
        _subscription("LOADS", "ripple", ripple.FILTERS, LoadRipple(journal).handle, settings.workers),
        _subscription("LOADS", "haulage", haulage.FILTERS, hauling.handle, settings.workers),
        _subscription(
            "OBSERVATIONS", "observations", observations.FILTERS, Observations(journal).handle, settings.workers
        ),
        _subscription("EXCEPTIONS", "holds", holds.FILTERS, holding.handle, settings.workers),
        _subscription("EXCEPTIONS", "resolutions", resolutions.FILTERS, resolving.handle, settings.workers),
    ]
    await process.enter(_consuming(bus, subscriptions))


async def _clock_and_bus(
    process: ServiceProcess[OrchestratorSettings], connection: Client
) -> tuple[Clock, JetStreamBus]:
    if process.settings.clock is not ClockKind.WARP:
        system = SystemClock()
        return system, JetStreamBus(connection, system)
    warped = MeshClock()
    bus = JetStreamBus(connection, warped)
    await process.enter(warped.following(bus))
    return warped, bus


def _order_subscriptions(
    driver: FulfilmentDriver, hauling: HaulageDriver, planning: Planning, workers: int
) -> list[Subscription]:
    async def wake(delivery: Delivery) -> None:
        event = EnvelopeType.of(OrderEvent).decode(delivery.payload)
        await driver.drive(event.order_id, event.event_id)
        if event.WhichOneof("body") == "hold_lifted":
            situation = await driver.situation(event.order_id)
            for load in situation.loads if situation is not None else ():
                await hauling.drive(load.load_id, event.event_id)

    async def wake_by_timer(delivery: Delivery) -> None:
        await driver.drive(due_of(delivery).key)

    def orders(*tokens: str) -> tuple[str, ...]:
        return tuple(f"logistics.order.*.*.{token}" for token in tokens)

    return [
        _subscription("ORDERS", "fulfilment", orders(*_WAKES_FULFILMENT), wake, workers),
        _subscription("ORDERS", "planning", orders(*_WAKES_PLANNING), planning.on_released, workers),
        _subscription("TIMERS", "fulfilment-due", (f"logistics.due.{FULFILMENT_TIMER}.>",), wake_by_timer, workers),
        _subscription("TIMERS", "wave-due", (f"logistics.due.{WAVE_TIMER}.>",), planning.on_due, workers),
    ]


def _subscription(stream: str, name: str, filters: tuple[str, ...], handler: Handler, workers: int) -> Subscription:
    return Subscription(
        stream=stream,
        durable=f"orchestrator-{name}",
        filters=filters,
        handler=handler,
        concurrency=workers,
        max_deliver=12,
        backoff=_PATIENT,
    )


def _policy(settings: OrchestratorSettings) -> ProcessPolicy:
    """Return the built-in policy; policies by region come from configuration later."""
    delay = Duration()
    delay.FromTimedelta(settings.wave_delay)
    return ProcessPolicy(name="default", version=1, bill_accepted_after_rejection=True, wave_delay=delay)


if __name__ == "__main__":
    raise SystemExit(ServiceProcess.main("orchestrator", OrchestratorSettings, build))
