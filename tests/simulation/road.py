"""A load that is driven by hand: what its vehicles tell, what people do about it, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from gladhand import ids
from logistics.exception.v1 import ExceptionKind, ExceptionState
from logistics.load.v1 import (
    DeliveryEvent,
    Load,
    LoadState,
    Milestone,
    Reassignment,
    RequestReassignment,
    Stop,
)
from logistics.order.v1 import OrderState
from logistics.process.v1 import DriverHoursPolicy, MilestonePolicy, ProcessPolicy, ReplanPolicy
from services.orchestrator.deciders import exception, load
from services.orchestrator.exceptions import exception_id_of
from services.orchestrator.journal import Cause
from tests.simulation.world import REGION, World, an_order

_ARRIVED = Milestone.MILESTONE_ARRIVED_DELIVERY
_LEFT = Milestone.MILESTONE_DEPARTED_DELIVERY


def trial(*, hours: bool = False) -> ProcessPolicy:
    """The policy of these worlds; stops a quarter of an hour away are frozen."""
    return ProcessPolicy(
        name="road",
        version=1,
        wave_delay=Duration(seconds=2),
        milestones=MilestonePolicy(eta_change=Duration(seconds=600)),
        driver_hours=DriverHoursPolicy(required=hours, margin=Duration(seconds=1800)),
        replan=ReplanPolicy(freeze_horizon=Duration(seconds=900), acknowledge_within=Duration(seconds=300)),
    )


@dataclass
class Trip:
    """One load with an order at each of its deliveries, driven by hand."""

    world: World
    load_id: str = ""
    orders: list[str] = field(default_factory=list)

    async def load(self) -> Load:
        found = (await self.world.orchestrator.desk.journal.find(load.DECIDER, self.load_id)).state.load
        assert found is not None
        return found

    async def state(self) -> str:
        return LoadState.Name((await self.load()).state).removeprefix("LOAD_STATE_")

    async def stop(self, position: int) -> Stop:
        return (await self.load()).stops[position]

    async def wish(self, wish: Message, name: str = "") -> None:
        cause = Cause(request_id=ids.derive(self.load_id, "person", wish.DESCRIPTOR.name, name), region=REGION)
        await self.world.orchestrator.desk.journal.load(self.load_id, wish, cause)
        await self.world.quiet()

    async def tell(
        self,
        milestone: Milestone.ValueType,
        stop: Stop | None,
        *,
        ago: float = 0,
        epoch: int = 1,
        vehicle: str = "truck-1",
    ) -> None:
        """Let a vehicle tell of a milestone that happened some minutes ago."""
        seen = DeliveryEvent(
            delivery_event_id=ids.derive(
                self.load_id, Milestone.Name(milestone), vehicle, str(ago), stop.stop_id if stop else ""
            ),
            milestone=milestone,
            load_id=self.load_id,
            stop_id=stop.stop_id if stop else "",
            vehicle_id=vehicle,
            epoch=epoch,
            region=REGION,
        )
        seen.occur_time.FromDatetime(self.world.clock.now() - timedelta(minutes=ago))
        seen.receive_time.FromDatetime(self.world.clock.now())
        await self.world.bus.publish(
            f"logistics.observation.{REGION}.{self.load_id}.told",
            seen.SerializeToString(),
            message_id=seen.delivery_event_id,
        )
        await self.world.quiet()

    async def serve(self, position: int, *, epoch: int = 1, vehicle: str = "truck-1") -> None:
        """Let a vehicle arrive at a delivery, hand in the proof, and leave."""
        await self.tell(_ARRIVED, await self.stop(position), epoch=epoch, vehicle=vehicle)
        self.world.clock.advance(timedelta(minutes=10))
        await self.world._prove(await self.load(), await self.stop(position))
        await self.tell(_LEFT, await self.stop(position), epoch=epoch, vehicle=vehicle)
        self.world.clock.advance(timedelta(minutes=5))

    async def roll(self) -> None:
        """Let the vehicle leave its pickup."""
        self.world.clock.advance(timedelta(minutes=20))
        await self.tell(Milestone.MILESTONE_DEPARTED_PICKUP, await self.stop(0))
        self.world.clock.advance(timedelta(minutes=30))

    async def take_over(self, vehicle: str, *, expected: int = 1, name: str = "") -> None:
        wish = Reassignment(
            expected_epoch=expected, vehicle_id=vehicle, driver_id=f"{vehicle}-driver", reason="breakdown"
        )
        await self.wish(RequestReassignment(reassignment=wish), name)

    async def told(self, kind: ExceptionKind.ValueType, subject: str = "", detail: str = "") -> str:
        exception_id = exception_id_of(kind, subject or self.load_id, detail)
        found = (await self.world.orchestrator.desk.journal.find(exception.DECIDER, exception_id)).state.exception
        return ExceptionState.Name(found.state).removeprefix("EXCEPTION_STATE_") if found is not None else "none"

    async def breakdown(self, *, epoch: int = 1, vehicle: str = "truck-1") -> str:
        """Let a vehicle break down; return the exception."""
        await self.tell(Milestone.MILESTONE_BREAKDOWN, None, epoch=epoch, vehicle=vehicle)
        state = (await self.world.orchestrator.desk.journal.find(load.DECIDER, self.load_id)).state
        return state.interruptions[-1] if state.interruptions else ""

    async def kind_state(self, exception_id: str) -> str:
        found = (await self.world.orchestrator.desk.journal.find(exception.DECIDER, exception_id)).state.exception
        assert found is not None
        return ExceptionState.Name(found.state).removeprefix("EXCEPTION_STATE_")


async def begun(world: World, count: int, *, until: OrderState.ValueType = OrderState.ORDER_STATE_DISPATCHED) -> Trip:
    orders = [await world.submit(an_order(f"SO-{number}")) for number in range(1, count + 1)]
    for order_id in orders:
        await world.reach(order_id, until)
    [load_id] = (await world.order(orders[0])).load_ids
    trip = Trip(world, load_id)
    # In the order of the deliveries of their load.
    trip.orders = [stop.tasks[0].order_id for stop in (await trip.load()).stops[1:]]
    return trip
