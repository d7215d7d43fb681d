"""The whole orchestrator on memory: real deciders, processes and read model; virtual clock; seeded road and faults."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from gladhand import ids
from gladhand.bus.port import Consumer
from gladhand.errors import GladhandError
from gladhand.log.port import StoredMessage
from gladhand.testing import MemoryBroker, MemoryBus, MemoryEventStore, VirtualClock, eventually
from logistics.exception.v1 import ExceptionState, Gate, Hold, HoldKind, LiftHold, SetHold, SettleException
from logistics.load.v1 import (
    DeliveryEvent,
    DeliveryEventSource,
    Load,
    LoadState,
    Milestone,
    Stop,
    StopKind,
    StopState,
    StopTask,
)
from logistics.order.v1 import LineQuantities, Order, OrderLine, OrderState, ReceiveOrder
from logistics.pod.v1 import Artifact, ArtifactKind, PodLine, PodMethod, ProofOfDelivery
from logistics.process.v1 import ProcessPolicy
from logistics.type.v1 import (
    Classifier,
    ExternalReference,
    GeoPoint,
    Location,
    Party,
    Quantity,
    ReferenceType,
)
from services.orchestrator.billing import invoice_id_of
from services.orchestrator.composition import Orchestrator, Ports, compose
from services.orchestrator.deciders import fulfilment, invoice, load, order
from services.orchestrator.erps import ErpGateways
from services.orchestrator.journal import Cause
from services.orchestrator.policies import FixedPolicies
from services.orchestrator.read_model import Projector, ReadModel
from services.orchestrator.submission import content_sha256, order_id_of
from tests.simulation.outside import Faults, LedgerErp, YardFleet

REGION = "us"
_A_MOMENT_AGO = timedelta(minutes=2)
_ENDED = frozenset({OrderState.ORDER_STATE_INVOICED, OrderState.ORDER_STATE_CLOSED, OrderState.ORDER_STATE_CANCELLED})


def pieces(value: int) -> Quantity:
    return Quantity(value=str(value), unit_code="C62")


def an_order(number: str, *lines: tuple[str, int], erp: str = "books") -> Order:
    """Return an order as an ERP gateway submits it; each line a product and a number of pieces."""
    order = Order(
        erp_instance=erp,
        region=REGION,
        currency="USD",
        customer=Party(name="Alpine Foods"),
        ship_from=Location(name="Warehouse", point=GeoPoint(latitude=39.7, longitude=-105.0)),
        ship_to=Location(name="Dock", point=GeoPoint(latitude=39.8, longitude=-104.9)),
        lines=[
            OrderLine(line_id=str(n), sku=sku, quantities=LineQuantities(ordered=pieces(count)))
            for n, (sku, count) in enumerate(lines or (("CRATE", 4),), 1)
        ],
    )
    order.references.append(ExternalReference(system=erp, type=ReferenceType.REFERENCE_TYPE_SALES_ORDER, value=number))
    return order


def trial() -> ProcessPolicy:
    """Return the policy of worlds that ask for no other."""
    return ProcessPolicy(name="trial", version=3, bill_accepted_after_rejection=True, wave_delay=Duration(seconds=2))


@dataclass
class World:
    """One mesh in memory."""

    orchestrator: Orchestrator
    bus: MemoryBus
    store: MemoryEventStore
    clock: VirtualClock
    erp: LedgerErp
    fleet: YardFleet
    read_model: ReadModel
    dice: random.Random
    refused: dict[str, int] = field(default_factory=dict)
    """Pieces of each line that the consignee refuses, by order id."""
    missing: dict[str, int] = field(default_factory=dict)
    """Pieces of each line that are not there at the door, by order id; fewer than none are too many."""
    silent: set[str] = field(default_factory=set)
    """Orders of which no proof is handed in at the door."""
    others: dict[str, LedgerErp] = field(default_factory=dict)
    """Further ERPs, each with faults of its own, by name."""
    _told: set[tuple[str, str]] = field(default_factory=set)
    _consumers: list[Consumer] = field(default_factory=list)
    _projector: Projector | None = None

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        folder: Path,
        *,
        seed: int = 0,
        share: float = 0.0,
        policy: ProcessPolicy | None = None,
        further_erps: tuple[str, ...] = (),
    ) -> AsyncIterator[World]:
        """Run a world; `share` is how many outside calls fail, half of them after they happened."""
        clock = VirtualClock()
        broker = MemoryBroker(clock)
        bus, store = MemoryBus(broker, clock), MemoryEventStore(broker)
        faults = Faults(seed, share)
        erp, fleet = LedgerErp(faults), YardFleet(clock, faults)
        if further_erps:
            fleet = YardFleet(clock, Faults(seed + 100, share))  # an ERP that is down takes no fleet with it
        others = {name: LedgerErp(Faults(seed + at, share), name) for at, name in enumerate(further_erps, 1)}
        erps = ErpGateways({"books": erp, **others}) if others else ErpGateways.only(erp)
        policy = policy or trial()
        async with AsyncExitStack() as stack:
            read_model = await stack.enter_async_context(
                ReadModel.opened(f"sqlite+aiosqlite:///{folder / 'read_model.sqlite'}")
            )
            ports = Ports(store=store, bus=bus, clock=clock, erps=erps, fleet=fleet, read_model=read_model)
            orchestrator = compose(ports, FixedPolicies(policy))
            dice = random.Random(seed)
            world = cls(orchestrator, bus, store, clock, erp, fleet, read_model, dice, others=others)
            stopping = asyncio.Event()
            world._projector = Projector(store, read_model)
            projector = asyncio.create_task(world._projector.run(stopping))
            await world.start()
            try:
                yield world
            finally:
                await world.stop()
                stopping.set()
                await asyncio.wait({projector}, timeout=10)
                projector.result()

    async def start(self) -> None:
        """Start every consumer."""
        self._consumers = [await self.bus.subscribe(s) for s in self.orchestrator.subscriptions]

    async def stop(self) -> None:
        """Stop every consumer."""
        for consumer in self._consumers:
            await consumer.stop()
        self._consumers = []

    async def submit(self, submitted: Order) -> str:
        """Hand an order over, as often as one likes; return its id."""
        order_id = order_id_of(submitted.erp_instance, submitted.references[0].value)
        whole = Order()
        whole.CopyFrom(submitted)
        whole.order_id = order_id
        digest = content_sha256(submitted)
        cause = Cause(request_id=ids.derive(order_id, digest), region=REGION)
        await self.orchestrator.desk.journal.order(order_id, ReceiveOrder(order=whole, content_sha256=digest), cause)
        return order_id

    async def order(self, order_id: str) -> Order:
        """Return an order as it is."""
        found = (await self.orchestrator.desk.journal.find(order.DECIDER, order_id)).state.order
        assert found is not None
        return found

    async def invoice_state(self, order_id: str) -> int:
        """Return the state of an order's invoice, 0 where it has none."""
        found = (await self.orchestrator.desk.journal.find(invoice.DECIDER, invoice_id_of(order_id))).state.invoice
        return found.state if found is not None else 0

    async def parked(self, order_id: str) -> str:
        """Return why an order's process waits for a person, empty where it does not."""
        return (await self.orchestrator.desk.journal.find(fulfilment.DECIDER, order_id)).state.parked

    async def open_exception(self, order_id: str) -> str:
        """Return the id of an open exception about an order as the read model shows it, empty where there is none."""
        page = await self.read_model.exceptions(
            page_size=1, page_token="", states=[ExceptionState.EXCEPTION_STATE_OPEN], order_id=order_id
        )
        return page.items[0].exception_id if page.items else ""

    async def settle(self, exception_id: str) -> None:
        """Let a person put an exception right."""
        cause = Cause(request_id=ids.derive(exception_id, "settle"))
        wish = SettleException(code="DONE", note="put right")
        outcome = await self.orchestrator.desk.journal.exception(exception_id, wish, cause)
        assert outcome.state.exception is not None
        await self.orchestrator.desk.resolutions.go_on(outcome.state.exception, cause)

    async def run_until_settled(self, order_ids: list[str], *, rounds: int = 600) -> None:
        """Let time pass and vehicles drive until every order has ended, waits for a person, or was rejected."""
        for _ in range(rounds):
            await self.quiet()
            if all([await self._settled(order_id) for order_id in order_ids]):
                return
            await self._road(order_ids)
            self.clock.advance(timedelta(seconds=5))
            await self.orchestrator.watchdog.look()
        states = {i: OrderState.Name((await self.order(i)).state) for i in order_ids}
        raise AssertionError(f"not settled after {rounds} rounds: {states}")

    async def run_for(self, span: timedelta, order_ids: list[str]) -> None:
        """Let a span of time pass in steps, with vehicles driving."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            await self.quiet()
            await self._road(order_ids)
            self.clock.advance(timedelta(minutes=5))
            await self.orchestrator.watchdog.look()
        await self.quiet()

    async def reach(self, order_id: str, state: OrderState.ValueType, *, rounds: int = 100) -> Order:
        """Let time pass, without anybody driving, until an order is in a state."""
        for _ in range(rounds):
            await self.quiet()
            found = await self.order(order_id)
            if found.state == state:
                return found
            self.clock.advance(timedelta(seconds=1))
        raise AssertionError(f"never {OrderState.Name(state)}")

    async def run_while(self, order_id: str, going: Callable[[Order], bool], *, rounds: int = 400) -> Order:
        """Let time pass and vehicles drive as long as an order is as told, and return it as it then is."""
        for _ in range(rounds):
            await self.quiet()
            found = await self.order(order_id)
            if not going(found):
                return found
            await self._road([order_id])
            self.clock.advance(timedelta(seconds=5))
            await self.orchestrator.watchdog.look()
        raise AssertionError(f"still {OrderState.Name((await self.order(order_id)).state)} after {rounds} rounds")

    async def pass_time(self, span: timedelta) -> None:
        """Let a span of time pass without anybody driving."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            await self.quiet()
            self.clock.advance(timedelta(minutes=1))
            await self.orchestrator.watchdog.look()
        await self.quiet()

    async def wish(self, order_id: str, wish: Message) -> None:
        """Command an order as a person would."""
        version = (await self.orchestrator.desk.journal.find(order.DECIDER, order_id)).version
        cause = Cause(request_id=ids.derive(order_id, "wish", wish.DESCRIPTOR.name, str(version)))
        await self.orchestrator.desk.journal.order(order_id, wish, cause)

    async def hold(self, order_id: str, gate: Gate.ValueType, span: timedelta) -> None:
        """Let a hold block a gate of an order for a while."""
        held = Hold(
            hold_id=ids.derive(order_id, "hold"),
            kind=HoldKind.HOLD_KIND_FINANCE,
            gates=[gate],
            order_id=order_id,
            reason="credit is looked at",
            placed_by="ines",
            region=REGION,
        )
        held.expire_time.FromDatetime(self.clock.now() + span)
        cause = Cause(request_id=ids.derive(held.hold_id, "place"), region=REGION)
        await self.orchestrator.desk.journal.hold(held.hold_id, SetHold(hold=held), cause)
        await self.quiet()

    async def _settled(self, order_id: str) -> bool:
        state = (await self.order(order_id)).state
        if state == OrderState.ORDER_STATE_REJECTED or await self.parked(order_id):
            return True
        process = await self.orchestrator.desk.journal.find(fulfilment.DECIDER, order_id)
        return state in _ENDED and process.state.finished

    async def quiet(self) -> None:
        """Let everything that can run now, run."""
        for _ in range(200):
            await asyncio.sleep(0)
        for _ in range(400):
            lags = [await consumer.lag() for consumer in self._consumers]
            if not any(lag.waiting + lag.in_flight for lag in lags):
                return
            await asyncio.sleep(0.001)

    async def watch(self) -> None:
        """Let the watchdog look at all that the log holds."""
        await self.quiet()
        await eventually(self._shown, what="a read model that shows the whole log")
        await self.orchestrator.watchdog.look()
        await self.quiet()

    async def _shown(self) -> bool:
        assert self._projector is not None
        return not any(lag.behind for lag in (await self._projector.lag()).values())

    async def _road(self, order_ids: list[str]) -> None:
        """Move every dispatched load by one stop, with the duplicates and the disorder that trackers make."""
        loads = {load_id for order_id in order_ids for load_id in (await self.order(order_id)).load_ids}
        for load_id in sorted(loads):
            found = (await self.orchestrator.desk.journal.find(load.DECIDER, load_id)).state.load
            if found is None or not found.assignments or found.state == LoadState.LOAD_STATE_ASSIGNED:
                continue
            waiting = [
                s
                for s in found.stops
                if (load_id, s.stop_id) not in self._told and s.state != StopState.STOP_STATE_CANCELLED
            ]
            if waiting:
                self._told.add((load_id, waiting[0].stop_id))
                await self._visit(found, waiting[0])

    async def _visit(self, found: Load, stop: Stop) -> None:
        pickup = stop.kind == StopKind.STOP_KIND_PICKUP
        arrived = Milestone.MILESTONE_ARRIVED_PICKUP if pickup else Milestone.MILESTONE_ARRIVED_DELIVERY
        departed = Milestone.MILESTONE_DEPARTED_PICKUP if pickup else Milestone.MILESTONE_DEPARTED_DELIVERY
        facts = [self._milestone(found, stop, arrived, 0), self._milestone(found, stop, departed, 4)]
        facts += self.dice.choices(facts, k=self.dice.randrange(3))
        self.dice.shuffle(facts)
        for fact in facts:
            subject = f"logistics.observation.{REGION}.{found.load_id}.{Milestone.Name(fact.milestone).lower()}"
            # A new message id lets the duplicate through the bus: only the fact itself can tell it apart.
            await self.bus.publish(subject, fact.SerializeToString(), message_id=str(self.dice.random()))
        self.clock.advance(timedelta(minutes=5))
        if not pickup and not any(task.order_id in self.silent for task in stop.tasks):
            for _ in range(1 + self.dice.randrange(2)):
                await self._prove(found, stop)

    def _milestone(self, found: Load, stop: Stop, milestone: Milestone.ValueType, minute: int) -> DeliveryEvent:
        fact = DeliveryEvent(
            delivery_event_id=ids.derive(stop.stop_id, Milestone.Name(milestone)),
            milestone=milestone,
            load_id=found.load_id,
            stop_id=stop.stop_id,
            vehicle_id=found.assignments[-1].vehicle_id,
            epoch=found.assignments[-1].epoch,
            classifier=Classifier.CLASSIFIER_ACTUAL,
            source=DeliveryEventSource.DELIVERY_EVENT_SOURCE_GEOFENCE,
            region=REGION,
        )
        fact.occur_time.FromDatetime(self.clock.now() + timedelta(minutes=minute))
        fact.receive_time.FromDatetime(self.clock.now() + timedelta(minutes=minute))
        return fact

    async def prove_again(self, order_id: str, name: str) -> None:
        """Hand in another proof of every delivery of an order, with what is refused by now."""
        for load_id in (await self.order(order_id)).load_ids:
            found = (await self.orchestrator.desk.journal.find(load.DECIDER, load_id)).state.load
            assert found is not None
            for stop in found.stops:
                if stop.kind == StopKind.STOP_KIND_DELIVERY:
                    await self._prove(found, stop, name)

    async def release(self, hold_id: str, person: str) -> None:
        """Let a person release a hold."""
        released = Cause(request_id=ids.derive(hold_id, "release"))
        wish = LiftHold(released_by=person, evidence="looked at")
        outcome = await self.orchestrator.desk.journal.hold(hold_id, wish, released)
        assert outcome.state.hold is not None
        await self.orchestrator.desk.holds.apply(outcome.state.hold, released)
        await self.quiet()

    def lose_timers(self, kind: str) -> None:
        """Lose every timer of a kind that is set."""
        self.bus.timers.forget(kind)

    def messages(self, stream: str) -> list[StoredMessage]:
        """Return what stands in a stream."""
        return list(self.bus.broker.stream(stream).messages.values())

    async def prove_late(self, order_id: str) -> None:
        """Hand in what was not handed in at the door."""
        self.silent.discard(order_id)
        for load_id in (await self.order(order_id)).load_ids:
            found = (await self.orchestrator.desk.journal.find(load.DECIDER, load_id)).state.load
            assert found is not None
            for stop in found.stops:
                if stop.kind == StopKind.STOP_KIND_DELIVERY:
                    await self._prove(found, stop)

    def _there(self, stop: Stop, task: StopTask) -> int:
        return int(task.expected.value) - (0 if stop.disposition_id else self.missing.get(task.order_id, 0))

    def _refuses(self, stop: Stop, order_id: str) -> int:
        """Return the pieces that are refused at a stop: never where goods come back or are brought once more."""
        return 0 if stop.disposition_id else self.refused.get(order_id, 0)

    async def _prove(self, found: Load, stop: Stop, name: str = "", ago: timedelta = _A_MOMENT_AGO) -> None:
        artifact = Artifact(
            kind=ArtifactKind.ARTIFACT_KIND_SIGNATURE,
            object_name="signature",
            media_type="image/png",
            sha256="0" * 64,
            size_bytes=1,
        )
        proof = ProofOfDelivery(
            pod_id=ids.derive(stop.stop_id, "pod", *([name] if name else [])),
            load_id=found.load_id,
            stop_id=stop.stop_id,
            methods=[PodMethod.POD_METHOD_SIGNATURE],
            signer_name="R. Ruiz",
            point=stop.location.point,
            artifacts=[artifact],
            lines=[
                PodLine(
                    order_id=task.order_id,
                    line_id=task.line_id,
                    delivered=pieces(self._there(stop, task)),
                    accepted=pieces(self._there(stop, task) - self._refuses(stop, task.order_id)),
                    rejected=pieces(self._refuses(stop, task.order_id)),
                    reason="DAMAGED" if self._refuses(stop, task.order_id) else "",
                )
                for task in stop.tasks
            ],
        )
        proof.capture_time.FromDatetime(self.clock.now() - ago)
        try:
            await self.orchestrator.desk.proofs.record(proof, Cause(request_id=ids.derive(proof.pod_id, "request")))
        except GladhandError:
            self._told.discard((found.load_id, stop.stop_id))
