"""How the parts of the orchestrator hang together; the ports behind them are the caller's choice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from gladhand.bus.port import Backoff, Bus, Delivery, Handler, Subscription
from gladhand.bus.timers import due_of
from gladhand.clock import Clock
from gladhand.envelope import EnvelopeType
from gladhand.execute import Executor
from gladhand.log.port import EventStore
from gladhand.validation import check
from logistics.order.v1 import OrderEvent
from services.orchestrator.erps import ErpGateways
from services.orchestrator.gateways import FleetGateway
from services.orchestrator.journal import Journal
from services.orchestrator.policies import Policies
from services.orchestrator.processes import (
    accessorials,
    cold_chain,
    escalations,
    haulage,
    holds,
    milestones,
    observations,
    payables,
    quarantine,
    reassignments,
    resolutions,
    ripple,
    road_news,
)
from services.orchestrator.processes.accessorials import Accessorials
from services.orchestrator.processes.cold_chain import ColdChain
from services.orchestrator.processes.compliance import Compliance
from services.orchestrator.processes.escalations import Escalations
from services.orchestrator.processes.excursion_rounds import ExcursionRounds
from services.orchestrator.processes.fulfilment import TIMER as FULFILMENT_TIMER
from services.orchestrator.processes.fulfilment import FulfilmentDriver
from services.orchestrator.processes.haulage import HaulageDriver
from services.orchestrator.processes.holds import Blocks, HoldRipple
from services.orchestrator.processes.inside import InsideSteps
from services.orchestrator.processes.milestone_rounds import MilestoneRounds
from services.orchestrator.processes.milestones import MilestoneWatch
from services.orchestrator.processes.observations import Observations
from services.orchestrator.processes.outside import OutsideActions
from services.orchestrator.processes.payables import PayableDriver
from services.orchestrator.processes.planning import TIMER as WAVE_TIMER
from services.orchestrator.processes.planning import Planning
from services.orchestrator.processes.proofs import Proofs
from services.orchestrator.processes.quarantine import Quarantine
from services.orchestrator.processes.reassignments import Reassignments
from services.orchestrator.processes.replanning import Replanning
from services.orchestrator.processes.resolutions import Resolutions
from services.orchestrator.processes.ripple import LoadRipple
from services.orchestrator.processes.road_news import RoadNews
from services.orchestrator.processes.tendering import TIMER as TENDER_TIMER
from services.orchestrator.processes.tendering import Tendering
from services.orchestrator.processes.waivers import Waivers
from services.orchestrator.processes.watchdog import Watchdog
from services.orchestrator.read_model import ReadModel
from services.orchestrator.servicer.desk import Desk

_WAKES_FULFILMENT = (
    "received", "amended", "resumed", "dispatched", "delivered", "hold_lifted", "cancel_requested", "cancelled",
    "turned_back", "remainder_cancelled", "cancel_reversed", "picked_up", "disposition_decided", "disposition_unlaid",
    "returned", "claimed", "claim_decided", "amendment_refused",
    "cold_chain_recorded", "excursion_decided",
    "gate_check_waived",
)  # fmt: skip
"""Order events that other parts record and that may give the process of the order something to do."""

_WAKES_HAULAGE = ("planned", "hold_lifted")
"""Order events after which a load that waited for the order may be dispatched."""

_WAKES_PLANNING = ("released", "unplanned", "hold_lifted")

_PATIENT = Backoff(first=0.25, factor=2.0, longest=60.0)


@dataclass(frozen=True, slots=True)
class Ports:
    """What the orchestrator stands on."""

    store: EventStore
    bus: Bus
    clock: Clock
    erps: ErpGateways
    fleet: FleetGateway
    read_model: ReadModel


@dataclass(frozen=True, slots=True)
class Orchestrator:
    """The parts, put together and not yet running."""

    desk: Desk
    haulage: HaulageDriver
    watchdog: Watchdog
    subscriptions: tuple[Subscription, ...]


def compose(
    ports: Ports, policies: Policies, *, workers: int = 16, watchdog_every: timedelta = timedelta(seconds=10)
) -> Orchestrator:
    """Put the orchestrator together. `workers`: aggregates that each consumer handles at once."""
    bus, clock = ports.bus, ports.clock
    journal = Journal(Executor(ports.store, clock, validate=check), clock, policies)
    outside = OutsideActions(journal, ports.erps, ports.fleet)
    driver = FulfilmentDriver(journal, outside, InsideSteps(journal, bus), bus, clock, policies)
    planning = Planning(journal, ports.fleet, bus, clock, ports.read_model, policies)
    tendering = Tendering(journal, ports.fleet, bus, clock, policies)
    road = Reassignments(journal, ports.fleet, bus, clock, policies)
    hauling = HaulageDriver(journal, ports.fleet, planning.on_vehicle_free, road, tendering)
    resolving = Resolutions(journal, driver)
    holding = HoldRipple(journal, bus, driver.drive)
    watching = MilestoneWatch(journal, bus)
    proving = Proofs(journal, ports.read_model, policies, holding)
    paying = PayableDriver(journal, ports.erps, ports.read_model, bus, clock, policies)
    seeing = Observations(journal, policies, proving)
    escalating = Escalations(journal, bus, ports.read_model)
    cold = ColdChain(journal, bus, clock, policies, Compliance(journal, holding))
    desk = Desk(
        journal=journal,
        store=ports.store,
        read_model=ports.read_model,
        fulfilment=driver,
        planning=planning,
        proofs=proving,
        holds=holding,
        blocks=Blocks(journal),
        waivers=Waivers(journal, driver),
        resolutions=resolving,
        payables=paying,
        clock=clock,
        cold_chain=cold,
        policies=policies,
        replanning=Replanning(journal, ports.fleet, bus, clock, policies),
        tendering=tendering,
        erps=ports.erps,
    )
    subscriptions = (
        *_order_subscriptions(driver, hauling, planning, workers),
        _subscription("LOADS", "ripple", ripple.FILTERS, LoadRipple(journal, driver.drive).handle, workers),
        _subscription("LOADS", "haulage", haulage.FILTERS, hauling.handle, workers),
        _subscription("LOADS", "road", road_news.FILTERS, RoadNews(journal, policies).handle, workers),
        _subscription("TIMERS", "haulage-due", (f"logistics.due.{reassignments.TIMER}.>",), hauling.on_due, workers),
        _subscription("TIMERS", "tender-due", (f"logistics.due.{TENDER_TIMER}.>",), hauling.on_due, workers),
        _subscription("OBSERVATIONS", "observations", observations.FILTERS, seeing.handle, workers),
        _subscription("EXCEPTIONS", "holds", holds.FILTERS, holding.handle, workers),
        _subscription("TIMERS", "hold-due", (f"logistics.due.{holds.TIMER}.>",), holding.expire, workers),
        _subscription("OBSERVATIONS", "cold-chain", cold_chain.FINDINGS, cold.found, workers),
        _subscription("EXCURSIONS", "excursions", cold_chain.EVENTS, cold.changed, workers),
        _subscription("TIMERS", "excursion-due", (f"logistics.due.{cold_chain.TIMER}.>",), cold.due, workers),
        _subscription("EXCEPTIONS", "resolutions", resolutions.FILTERS, resolving.handle, workers),
        *_payable_subscriptions(paying, workers),
        _subscription("LOADS", "accessorials", accessorials.FILTERS, Accessorials(journal, policies).handle, workers),
        *_exception_subscriptions(escalating, workers),
        *_milestone_subscriptions(watching, workers),
        _subscription("DEADLETTER", "quarantine", quarantine.FILTERS, Quarantine(journal).handle, workers),
    )
    rounds = MilestoneRounds(journal, ports.read_model, watching, driver)
    further = (escalating.look_all, rounds.look_all, ExcursionRounds(cold, ports.read_model, clock).look_all)
    watchdog = Watchdog(ports.read_model, driver, hauling, planning, clock, every=watchdog_every, further=further)
    return Orchestrator(desk, hauling, watchdog, subscriptions)


def _order_subscriptions(
    driver: FulfilmentDriver, hauling: HaulageDriver, planning: Planning, workers: int
) -> list[Subscription]:
    async def wake(delivery: Delivery) -> None:
        event = EnvelopeType.of(OrderEvent).decode(delivery.payload)
        await driver.drive(event.order_id, event.event_id)

    async def wake_loads(delivery: Delivery) -> None:
        event = EnvelopeType.of(OrderEvent).decode(delivery.payload)
        situation = await driver.situation(event.order_id)
        for load in situation.loads if situation is not None else ():
            await hauling.drive(load.load_id, event.event_id)

    async def wake_by_timer(delivery: Delivery) -> None:
        await driver.drive(due_of(delivery).key)

    def orders(*tokens: str) -> tuple[str, ...]:
        return tuple(f"logistics.order.*.*.{token}" for token in tokens)

    return [
        _subscription("ORDERS", "fulfilment", orders(*_WAKES_FULFILMENT), wake, workers),
        _subscription("ORDERS", "haulage-orders", orders(*_WAKES_HAULAGE), wake_loads, workers),
        _subscription("ORDERS", "planning", orders(*_WAKES_PLANNING), planning.on_released, workers),
        _subscription("TIMERS", "fulfilment-due", (f"logistics.due.{FULFILMENT_TIMER}.>",), wake_by_timer, workers),
        _subscription("TIMERS", "wave-due", (f"logistics.due.{WAVE_TIMER}.>",), planning.on_due, workers),
    ]


def _payable_subscriptions(driver: PayableDriver, workers: int) -> list[Subscription]:
    return [
        _subscription("PAYABLES", "payables", payables.FILTERS, driver.handle, workers),
        _subscription("LOADS", "payable-facts", payables.LOAD_FILTERS, driver.on_load, workers),
        _subscription("EXCEPTIONS", "payable-resolutions", payables.RESOLVED_FILTERS, driver.on_resolved, workers),
        _subscription("TIMERS", "payable-due", (f"logistics.due.{payables.TIMER}.>",), driver.on_due, workers),
    ]


def _exception_subscriptions(escalating: Escalations, workers: int) -> list[Subscription]:
    due = (f"logistics.due.{escalations.TIMER}.>",)
    return [
        _subscription("EXCEPTIONS", "escalations", escalations.FILTERS, escalating.handle, workers),
        _subscription("TIMERS", "exception-due", due, escalating.on_due, workers),
    ]


def _milestone_subscriptions(watching: MilestoneWatch, workers: int) -> list[Subscription]:
    due = (f"logistics.due.{milestones.TIMER}.>",)
    return [
        _subscription("LOADS", "milestones", milestones.LOAD_FILTERS, watching.on_load, workers),
        _subscription("ORDERS", "order-milestones", milestones.ORDER_FILTERS, watching.on_order, workers),
        _subscription("INVOICES", "invoice-milestones", milestones.INVOICE_FILTERS, watching.on_invoice, workers),
        _subscription("TIMERS", "milestone-due", due, watching.on_due, workers),
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
