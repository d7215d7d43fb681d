"""From samples to a decision: the edge gateway's watch and the whole orchestrator on one bus (domain reference S6)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from gladhand import ids
from gladhand.decider import Rejected
from gladhand.testing import eventually
from logistics.exception.v1 import (
    ColdChainVerdict,
    ExceptionKind,
    ExceptionState,
    Excursion,
    ExcursionDecision,
    ExcursionOutcome,
    ExcursionState,
    Gate,
    HoldState,
    LiftHold,
)
from logistics.fleet.v1 import METRIC_CARGO_TEMPERATURE, Reading, TelemetrySample, VehicleSample
from logistics.invoice.v1 import InvoiceState
from logistics.load.v1 import Load
from logistics.order.v1 import Disposition, Order, OrderEvent, OrderState, TemperatureRange
from logistics.process.v1 import ColdChainPolicy, ProcessPolicy
from logistics.type.v1 import Money, Quantity
from services.edge_gateway.cold_chain.watch import ColdChainWatch
from services.orchestrator.deciders import exception, excursion, hold, load
from services.orchestrator.deciders.excursion import excursion_id_of
from services.orchestrator.exceptions import exception_id_of
from services.orchestrator.journal import Cause
from tests.simulation.world import REGION, World, an_order

STATE, VERDICT = ExcursionState, ColdChainVerdict
EXCURSION, OVERDUE, LOST = (
    ExceptionKind.EXCEPTION_KIND_TEMPERATURE_EXCURSION,
    ExceptionKind.EXCEPTION_KIND_REVIEW_OVERDUE,
    ExceptionKind.EXCEPTION_KIND_SENSOR_LOST,
)
OPEN, RESOLVED = ExceptionState.EXCEPTION_STATE_OPEN, ExceptionState.EXCEPTION_STATE_RESOLVED
POLICY = ProcessPolicy(
    name="cold",
    version=1,
    bill_accepted_after_rejection=True,
    wave_delay=Duration(seconds=2),
    cold_chain=ColdChainPolicy(blocks_delivery=True, review_due=Duration(seconds=3600)),
)


@dataclass
class Truck:
    """A cold order on the road, with the watch over it."""

    world: World
    watch: ColdChainWatch
    order_id: str
    load_id: str = ""
    vehicle_id: str = ""
    start: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    sent: int = 0

    async def sample(self, minute: float, celsius: float, sensor: str = "") -> None:
        """Let the sensor tell a temperature, minutes after the goods came on board."""
        self.sent += 1
        told = VehicleSample(
            sample_id=ids.derive(self.order_id, f"sample {self.sent}"),
            vehicle_id=self.vehicle_id,
            sample=TelemetrySample(
                reading=Reading(
                    metric=METRIC_CARGO_TEMPERATURE,
                    value=Quantity(value=f"{celsius}", unit_code="CEL"),
                    sensor_id=sensor,
                )
            ),
            region=REGION,
        )
        told.sample.occur_time.FromDatetime(self.start + timedelta(minutes=minute))
        told.sample.receive_time.FromDatetime(self.world.clock.now())
        subject = f"logistics.telemetry.{REGION}.{self.vehicle_id}.reading"
        await self.world.bus.publish(subject, told.SerializeToString(), message_id=told.sample_id)

    async def drive(self, minutes: int, celsius: float | Callable[[int], float | None], *, pace: int = 5) -> None:
        """Let time pass with a sample every few minutes; None is a sensor that does not tell."""
        begun = round((self.world.clock.now() - self.start).total_seconds() / 60)
        for minute in range(begun, begun + minutes, pace):
            told = celsius(minute) if callable(celsius) else celsius
            self.world.clock.advance(timedelta(minutes=pace))
            if told is not None:
                await self.sample(minute, told)
            await self.watch.look(self.world.clock.now())
            await asyncio.sleep(0)

    async def excursion(self) -> Excursion | None:
        name = excursion_id_of(self.load_id, self.order_id, "1")
        return (await self.world.orchestrator.desk.journal.find(excursion.DECIDER, name)).state.excursion

    async def until(self, state: ExcursionState.ValueType) -> Excursion:
        async def there() -> Excursion | None:
            found = await self.excursion()
            return found if found is not None and found.state == state else None

        found = await eventually(there)
        assert found is not None
        return found

    async def decide(
        self,
        outcome: ExcursionOutcome.ValueType,
        *,
        by: str = "quinn",
        dispatched_by: tuple[str, ...] = (),
        **more: object,
    ) -> Excursion:
        shown = await self.excursion()
        assert shown is not None
        decision = ExcursionDecision(outcome=outcome, decided_by=by, evidence="budget: 6 hours left", **more)  # type: ignore[arg-type]
        cause = Cause(request_id=ids.derive(shown.excursion_id, "decide", str(shown.version)))
        return (await self.world.orchestrator.desk.cold_chain.decide(shown, decision, list(dispatched_by), cause))[0]

    async def exception_state(self, kind: ExceptionKind.ValueType, review: int = 1) -> int:
        name = exception_id_of(kind, excursion_id_of(self.load_id, self.order_id, "1"), str(review))
        found = (await self.world.orchestrator.desk.journal.find(exception.DECIDER, name)).state.exception
        return found.state if found is not None else 0

    async def order(self) -> Order:
        return await self.world.order(self.order_id)

    async def deliver(self) -> None:
        """Let the truck drive to the door and hand over."""
        await self.world.quiet()
        await self.world._road([self.order_id])
        await self.world.quiet()
        assert (await self.order()).state >= OrderState.ORDER_STATE_DELIVERED

    async def explain_the_door(self) -> None:
        """Let a person find out how goods came over a blocked door, and release the billing held for that alone."""
        journal = self.world.orchestrator.desk.journal
        found = [(await journal.find(hold.DECIDER, each)).state.hold for each in (await self.order()).hold_ids]
        (held,) = (each for each in found if each is not None and each.reason.startswith("delivered under hold"))
        wish = LiftHold(released_by="ines", evidence="the receiver asked for the goods before the seal was checked")
        await journal.hold(held.hold_id, wish, Cause(ids.derive(held.hold_id, "lift")))

    async def billed(self) -> Order:
        await self.world.run_until_settled([self.order_id])
        return await self.order()


def cold_order(number: str) -> Order:
    sold = an_order(number, ("CHEESE", 4))
    sold.lines[0].temperature.CopyFrom(TemperatureRange(min_celsius=2, max_celsius=8))
    sold.lines[0].unit_price.CopyFrom(Money(currency="USD", units=10))
    return sold


@asynccontextmanager
async def on_the_road(folder: Path, sold: Order) -> AsyncIterator[Truck]:
    async with World.opened(folder, policy=POLICY) as world:
        watch = ColdChainWatch(
            world.bus,
            world.store,
            world.clock,
            REGION,
            every=timedelta(hours=1),
            attempts=3,
            ack_wait=timedelta(seconds=30),
        )
        stopping = asyncio.Event()
        watching = asyncio.create_task(watch.run(stopping))
        try:
            await eventually(lambda: watch.ready)
            truck = Truck(world, watch, await world.submit(sold))
            await world.reach(truck.order_id, OrderState.ORDER_STATE_DISPATCHED)
            await world._road([truck.order_id])
            ordered = await world.reach(truck.order_id, OrderState.ORDER_STATE_IN_EXECUTION)
            truck.load_id = ordered.load_ids[0]
            found = (await world.orchestrator.desk.journal.find(load.DECIDER, truck.load_id)).state.load
            assert found is not None
            truck.vehicle_id, truck.start = found.assignments[-1].vehicle_id, left_at(found)
            await eventually(lambda: truck.load_id in watch._rides.under_way())
            yield truck
        finally:
            stopping.set()
            await watching


def left_at(found: Load) -> datetime:
    stop = found.stops[0]
    return (stop.completion if stop.HasField("completion") else stop.departure).time.ToDatetime(UTC)


async def test_what_was_cold_all_the_way_is_billed_and_opens_nothing(tmp_path: Path) -> None:
    async with on_the_road(tmp_path, cold_order("C1")) as truck:
        await truck.drive(40, 5)
        await truck.deliver()
        await truck.watch.look(truck.world.clock.now())
        assert (await truck.billed()).state == OrderState.ORDER_STATE_INVOICED
        assert await truck.excursion() is None
        (watch,) = (await truck.order()).cold_chain
        assert (watch.verdict, watch.ride_over, watch.coverage_percent) == (
            VERDICT.COLD_CHAIN_VERDICT_IN_RANGE,
            True,
            100,
        )


async def test_a_breach_blocks_until_somebody_else_releases_it_with_credit(tmp_path: Path) -> None:
    async with on_the_road(tmp_path, cold_order("C2")) as truck:
        journal = truck.world.orchestrator.desk.journal
        await truck.drive(10, 5)
        await truck.drive(20, 12)
        await truck.until(STATE.EXCURSION_STATE_OBSERVING)
        await truck.drive(20, 12)
        shown = await truck.until(STATE.EXCURSION_STATE_IN_REVIEW)
        assert (shown.verdict, shown.figures.peak_celsius) == (VERDICT.COLD_CHAIN_VERDICT_BREACH, 12)
        assert shown.figures.longest.seconds > 30 * 60
        placed = (await journal.find(hold.DECIDER, shown.hold_id)).state.hold
        assert placed is not None
        assert set(placed.gates) == {Gate.GATE_DELIVERY, Gate.GATE_BILLING}
        assert await truck.exception_state(EXCURSION) == OPEN

        await truck.drive(20, 5)
        await truck.deliver()
        assert (await truck.until(STATE.EXCURSION_STATE_IN_REVIEW)).was_breached, "back in range does not close it"
        await truck.world.quiet()
        assert await truck.world.invoice_state(truck.order_id) in {
            0,
            InvoiceState.INVOICE_STATE_NOT_READY,
            InvoiceState.INVOICE_STATE_BLOCKED,
        }
        assert (await truck.order()).state == OrderState.ORDER_STATE_DELIVERED

        with pytest.raises(Rejected, match="dispatched load"):
            await truck.decide(ExcursionOutcome.EXCURSION_OUTCOME_RELEASED, by="dora", dispatched_by=("dora",))
        with pytest.raises(Rejected, match="amount or a share"):
            await truck.decide(ExcursionOutcome.EXCURSION_OUTCOME_RELEASED_WITH_CREDIT)
        # Whoever lifts the hold has not decided: the gate still stays shut.
        await journal.hold(
            shown.hold_id, LiftHold(released_by="ines", evidence="hurry"), Cause(ids.derive(shown.hold_id, "lift"))
        )
        await truck.world.run_for(timedelta(minutes=10), [truck.order_id])
        assert (await truck.order()).state == OrderState.ORDER_STATE_DELIVERED

        await truck.decide(ExcursionOutcome.EXCURSION_OUTCOME_RELEASED_WITH_CREDIT, credit_permille=150)
        await truck.explain_the_door()
        assert (await truck.billed()).state == OrderState.ORDER_STATE_INVOICED
        await truck.until(STATE.EXCURSION_STATE_RELEASED_WITH_CREDIT)
        (watch,) = (await truck.order()).cold_chain
        assert (watch.decision.credit_permille, watch.decision.decided_by) == (150, "quinn")
        settled = await truck.exception_state(EXCURSION)
        assert settled == RESOLVED


async def test_a_decision_releases_the_hold_with_a_reference_to_itself(tmp_path: Path) -> None:
    async with on_the_road(tmp_path, cold_order("C3")) as truck:
        await truck.drive(45, 12)
        shown = await truck.until(STATE.EXCURSION_STATE_IN_REVIEW)
        await truck.decide(ExcursionOutcome.EXCURSION_OUTCOME_REJECTED, destroy=True)
        lifted = (await truck.world.orchestrator.desk.journal.find(hold.DECIDER, shown.hold_id)).state.hold
        assert lifted is not None
        assert lifted.state == HoldState.HOLD_STATE_RELEASED
        assert shown.excursion_id in lifted.release_evidence
        assert lifted.released_by == "quinn"
        history = await truck.world.orchestrator.desk.journal._executor.history(OrderEvent, truck.order_id)
        told = [each.event.excursion_decided for each in history if each.event.HasField("excursion_decided")]
        assert [(each.disposition, each.decision.destroy) for each in told] == [(Disposition.DISPOSITION_DESTROY, True)]


async def test_late_samples_make_a_breach_of_a_near_miss(tmp_path: Path) -> None:
    async with on_the_road(tmp_path, cold_order("C4")) as truck:
        await truck.drive(60, lambda minute: 12 if minute in range(10, 30) else 5)
        await truck.deliver()
        ended = await truck.until(STATE.EXCURSION_STATE_ENDED)
        assert ended.verdict == VERDICT.COLD_CHAIN_VERDICT_NEAR_MISS
        assert await truck.exception_state(EXCURSION) == 0
        before = ended.figures.newest_receive_time.ToNanoseconds()
        # A second probe had kept back what it measured meanwhile.
        for minute in range(12, 50, 5):
            await truck.sample(minute, 13, sensor="by the door")
        shown = await truck.until(STATE.EXCURSION_STATE_IN_REVIEW)
        assert shown.verdict == VERDICT.COLD_CHAIN_VERDICT_BREACH
        assert shown.figures.newest_receive_time.ToNanoseconds() >= before
        assert await truck.exception_state(EXCURSION) == OPEN


async def test_a_silent_sensor_is_found_and_its_late_samples_end_the_review(tmp_path: Path) -> None:
    async with on_the_road(tmp_path, cold_order("C5")) as truck:
        await truck.drive(10, 5)
        await truck.drive(30, lambda _minute: None)
        shown = await truck.until(STATE.EXCURSION_STATE_IN_REVIEW)
        assert (shown.verdict, shown.sensor_lost) == (VERDICT.COLD_CHAIN_VERDICT_IN_RANGE, True)
        assert await truck.exception_state(LOST) == OPEN
        for minute in range(10, 40, 5):
            await truck.sample(minute, 5)
        await truck.until(STATE.EXCURSION_STATE_OBSERVING)
        await truck.world.quiet()
        assert await truck.exception_state(LOST) == RESOLVED
        await truck.deliver()
        await truck.until(STATE.EXCURSION_STATE_ENDED)
        assert (await truck.billed()).state == OrderState.ORDER_STATE_INVOICED


async def test_a_sensor_that_never_spoke_keeps_the_order_from_billing(tmp_path: Path) -> None:
    async with on_the_road(tmp_path, cold_order("C6")) as truck:
        await truck.drive(30, lambda _minute: None)
        await truck.until(STATE.EXCURSION_STATE_IN_REVIEW)
        await truck.deliver()
        await truck.world.run_for(timedelta(minutes=20), [truck.order_id])
        assert (await truck.order()).state == OrderState.ORDER_STATE_DELIVERED
        await truck.decide(ExcursionOutcome.EXCURSION_OUTCOME_RELEASED)
        # The goods are fit; that they were handed over although a hold blocked the door is a question of its own.
        await truck.world.run_for(timedelta(minutes=10), [truck.order_id])
        assert (await truck.order()).state == OrderState.ORDER_STATE_DELIVERED
        await truck.explain_the_door()
        assert (await truck.billed()).state == OrderState.ORDER_STATE_INVOICED


async def test_a_review_that_nobody_decides_becomes_overdue_once(tmp_path: Path) -> None:
    async with on_the_road(tmp_path, cold_order("C7")) as truck:
        await truck.drive(45, 12)
        await truck.until(STATE.EXCURSION_STATE_IN_REVIEW)
        await truck.world.quiet()
        assert await truck.exception_state(OVERDUE) == 0
        truck.world.clock.advance(timedelta(minutes=61))

        async def overdue() -> bool:
            return bool(await truck.exception_state(OVERDUE))

        await eventually(overdue)
        shown = await truck.excursion()
        assert shown is not None
        assert shown.overdue
        version = shown.version
        await truck.world.orchestrator.desk.cold_chain.look(shown.excursion_id)
        again = await truck.excursion()
        assert again is not None
        assert again.version == version
        await truck.decide(ExcursionOutcome.EXCURSION_OUTCOME_RELEASED)
        assert await truck.exception_state(OVERDUE) == RESOLVED


async def test_a_lost_timer_costs_time_only(tmp_path: Path) -> None:
    async with on_the_road(tmp_path, cold_order("C8")) as truck:
        await truck.drive(45, 12)
        shown = await truck.until(STATE.EXCURSION_STATE_IN_REVIEW)
        await truck.world.bus.timers.cancel("excursion", shown.excursion_id)
        truck.world.clock.advance(timedelta(minutes=61))

        async def listed() -> bool:
            return shown.excursion_id in await truck.world.read_model.open_excursions(truck.world.clock.now(), 10)

        await eventually(listed)
        await truck.world.orchestrator.watchdog.look()
        assert await truck.exception_state(OVERDUE) == OPEN


async def test_a_breach_after_a_decision_on_less_is_decided_again(tmp_path: Path) -> None:
    async with on_the_road(tmp_path, cold_order("C9")) as truck:
        await truck.drive(10, 5)
        await truck.drive(60, lambda _minute: None)
        await truck.until(STATE.EXCURSION_STATE_IN_REVIEW)
        await truck.decide(ExcursionOutcome.EXCURSION_OUTCOME_RELEASED)
        for minute in range(10, 70, 5):
            await truck.sample(minute, 14)
        shown = await truck.until(STATE.EXCURSION_STATE_IN_REVIEW)
        assert (shown.reviews, shown.HasField("decision")) == (2, False)
        await truck.world.quiet()
        (watch,) = (await truck.order()).cold_chain
        assert watch.in_review
        assert not watch.HasField("decision")
