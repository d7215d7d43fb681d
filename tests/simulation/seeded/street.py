"""Vehicles and drivers: they drive what is dispatched, and tell of it late, twice and in disorder."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.message import Message

from gladhand import ids
from logistics.load.v1 import DeliveryEvent, DeliveryEventSource, Load, LoadEvent, LoadState, Milestone, Stop, StopKind
from logistics.orchestrator.v1 import (
    RecordProofOfDeliveryRequest,
)
from logistics.order.v1 import Order, OrderEvent
from logistics.pod.v1 import Artifact, ArtifactKind, PodLine, PodMethod, ProofOfDelivery
from logistics.type.v1 import Classifier
from services.orchestrator.deciders import load, order
from tests.simulation.outside import YardFleet
from tests.simulation.seeded.broker import Chaos, SeededBroker, SkewedClock
from tests.simulation.seeded.scheduler import Scheduler
from tests.simulation.world import REGION, pieces

_OVER = frozenset({LoadState.LOAD_STATE_CANCELLED, LoadState.LOAD_STATE_COMPLETED})


class Street:
    """What the world does beside the orchestrator, and what the log says."""

    dice: random.Random
    scheduler: Scheduler
    chaos: Chaos
    broker: SeededBroker
    fleet: YardFleet
    driving: set[str]
    ask: Callable[[str, Message], Awaitable[Any]]
    _clock: Callable[[float], SkewedClock]

    # ---- the road ------------------------------------------------------------------------------------------------

    async def dispatch_drivers(self) -> None:
        """Let a vehicle set out for every load that is dispatched."""
        while True:
            await asyncio.sleep(20 + self.dice.random() * 20)
            for load_id in self._ids("LOADS", "load"):
                if load_id not in self.driving:
                    found = self._load(load_id)
                    if found is not None and found.state >= LoadState.LOAD_STATE_DISPATCHED and found.assignments:
                        self.driving.add(load_id)
                        self.scheduler.create_task(self.drive(load_id))

    async def drive(self, load_id: str) -> None:
        """Drive the stops of a load in their order, telling of it late, twice, in disorder, on a clock of its own."""
        clock = self._clock(30)
        for _ in range(20):
            await asyncio.sleep(60 + self.dice.random() * 600)
            found = self._load(load_id)
            if found is not None and found.state in _OVER:
                return
            if found is None or load_id not in self.fleet.live:
                continue
            waiting = [s for s in found.stops if (load_id, s.stop_id) not in self._visited]
            if not waiting:
                return
            self._visited.add((load_id, waiting[0].stop_id))
            await self._visit(found, waiting[0], clock)

    _visited: set[tuple[str, str]]

    async def _visit(self, found: Load, stop: Stop, clock: SkewedClock) -> None:
        pickup = stop.kind == StopKind.STOP_KIND_PICKUP
        arrived = Milestone.MILESTONE_ARRIVED_PICKUP if pickup else Milestone.MILESTONE_ARRIVED_DELIVERY
        departed = Milestone.MILESTONE_DEPARTED_PICKUP if pickup else Milestone.MILESTONE_DEPARTED_DELIVERY
        self.tell(found, stop, arrived, clock)
        await asyncio.sleep(60 + self.dice.random() * 300)
        proving = None
        if not pickup:
            proving = self.scheduler.create_task(self.prove(found, stop, clock))
            if self.dice.random() < 0.8:
                await proving
        await asyncio.sleep(10 + self.dice.random() * 60)
        self.tell(found, stop, departed, clock)

    def tell(self, found: Load, stop: Stop, milestone: Milestone.ValueType, clock: SkewedClock) -> None:
        """Send a milestone on its way: it may be late, and come more than once."""
        crew = found.assignments[-1]
        fact = DeliveryEvent(
            delivery_event_id=ids.derive(stop.stop_id, Milestone.Name(milestone)),
            milestone=milestone,
            load_id=found.load_id,
            stop_id=stop.stop_id,
            vehicle_id=crew.vehicle_id,
            epoch=crew.epoch,
            classifier=Classifier.CLASSIFIER_ACTUAL,
            source=DeliveryEventSource.DELIVERY_EVENT_SOURCE_GEOFENCE,
            region=REGION,
        )
        # A vehicle's clock may be off, yet it was on the road after it was sent there.
        moment = max(clock.now(), crew.start_time.ToDatetime(tzinfo=clock.now().tzinfo))
        fact.occur_time.FromDatetime(moment)
        fact.receive_time.FromDatetime(self.broker.clock.now())
        for copy in range(1 + self.chaos.strikes("milestone twice", 10)):
            late = self.dice.random() * (900 if self.chaos.strikes("milestone late", 10) else 1)
            self.scheduler.create_task(self._publish(fact, late, copy))

    async def _publish(self, fact: DeliveryEvent, late: float, copy: int) -> None:
        await asyncio.sleep(late)
        subject = f"logistics.observation.{REGION}.{fact.load_id}.{Milestone.Name(fact.milestone).lower()}"
        while self.broker.outage:
            await asyncio.sleep(5)
        self.broker.put(subject, fact.SerializeToString(), {}, f"{fact.delivery_event_id}/{copy}")

    async def prove(self, found: Load, stop: Stop, clock: SkewedClock) -> None:
        """Hand in a proof, perhaps twice, perhaps hours late."""
        pod_id = ids.derive(stop.stop_id, "pod")
        back = {task.order_id: self.dice.choice([0, 0, 0, 1]) for task in stop.tasks}
        proof = ProofOfDelivery(
            pod_id=pod_id, load_id=found.load_id, stop_id=stop.stop_id, signer_name="R. Ruiz",
            methods=[PodMethod.POD_METHOD_SIGNATURE], point=stop.location.point,
            artifacts=[Artifact(
                kind=ArtifactKind.ARTIFACT_KIND_SIGNATURE, object_name="signature", media_type="image/png",
                sha256="0" * 64, size_bytes=1,
            )],
            lines=[PodLine(
                order_id=task.order_id, line_id=task.line_id, delivered=task.expected,
                accepted=pieces(int(task.expected.value) - back[task.order_id]),
                rejected=pieces(back[task.order_id]), reason="DAMAGED" if back[task.order_id] else "",
            ) for task in stop.tasks],
        )  # fmt: skip
        proof.capture_time.FromDatetime(
            max(clock.now(), found.assignments[-1].start_time.ToDatetime(tzinfo=clock.now().tzinfo))
        )
        await asyncio.sleep(self.dice.random() * (3600 if self.chaos.strikes("proof late", 10) else 5))
        for attempt in range(1 + self.chaos.strikes("proof twice", 10)):
            request_id = ids.derive(pod_id, "request", str(attempt))
            await self.ask("RecordProofOfDelivery", RecordProofOfDeliveryRequest(request_id=request_id, pod=proof))

    # ---- what the log says ---------------------------------------------------------------------------------------

    def _ids(self, stream: str, aggregate: str) -> list[str]:
        wanted = f"logistics.{aggregate}."
        return [name.split(".")[3] for name in self.broker.stream(stream).histories if name.startswith(wanted)]

    def _fold(self, decider: Any, envelope: Any, stream: str, aggregate: str, name: str) -> Any:
        messages = self.broker.stream(stream).on(f"logistics.{aggregate}.*.{name}.>")
        return decider.fold([envelope.FromString(message.payload) for message in messages])

    def _load(self, load_id: str) -> Load | None:
        return self._fold(load.DECIDER, LoadEvent, "LOADS", "load", load_id).load  # type: ignore[no-any-return]

    def order_state(self, order_id: str) -> Order | None:
        """Return an order as its own history tells it."""
        return self._fold(order.DECIDER, OrderEvent, "ORDERS", "order", order_id).order  # type: ignore[no-any-return]
