"""What goes wrong on the road, in a whole orchestrator on memory: breakdowns, other vehicles, hours, new plans."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gladhand import ids
from gladhand.decider import Rejected
from gladhand.envelope import EnvelopeType
from logistics.dispatch.v1 import SkipReason
from logistics.exception.v1 import ExceptionKind
from logistics.fleet.v1 import HoursOfService
from logistics.load.v1 import (
    AcceptPlan,
    HandOverLoad,
    HoursVerdict,
    Load,
    Milestone,
    OverrideHours,
    ResumeLoad,
    StopState,
    StopTask,
)
from logistics.order.v1 import OrderEvent, OrderState
from services.orchestrator.journal import Cause
from services.orchestrator.processes.replanning import Wish
from tests.simulation.road import Trip, begun, trial
from tests.simulation.world import REGION, World, pieces

_ARRIVED = Milestone.MILESTONE_ARRIVED_DELIVERY
_LEFT = Milestone.MILESTONE_DEPARTED_DELIVERY


@pytest.fixture
async def trip(tmp_path: Path) -> AsyncIterator[Trip]:
    async with World.opened(tmp_path, policy=trial()) as world:
        yield await begun(world, 3)


async def test_another_vehicle_takes_over_and_late_words_of_the_old_one_move_nothing(
    trip: Trip,
) -> None:
    book = trip.world.fleet.book
    await trip.roll()
    await trip.serve(1)
    await trip.tell(_ARRIVED, await trip.stop(2))
    trip.world.clock.advance(timedelta(minutes=3))
    broke = await trip.breakdown()
    assert await trip.state() == "INTERRUPTED"

    book.broken.add("truck-9")
    await trip.take_over("truck-9")
    assert await trip.state() == "INTERRUPTED"
    assert await trip.told(ExceptionKind.EXCEPTION_KIND_REASSIGNMENT_FAILED) == "OPEN"
    assert (book.recalled[trip.load_id, 1], book.dispatched[trip.load_id, 2]) == (1, 0)
    with pytest.raises(Rejected, match="dispatch ended"):
        await trip.wish(ResumeLoad())

    trip.world.clock.advance(timedelta(minutes=10))
    book.broken.clear()
    await trip.take_over("truck-9", expected=2, name="again")
    found = await trip.load()
    assert (await trip.state(), found.assignments[-1].epoch, found.assignments[-1].dispatch_reference[-2:]) == (
        "REASSIGNING", 2, "-2",
    )  # fmt: skip
    assert (book.recalled[trip.load_id, 1], book.dispatched[trip.load_id, 2], book.most_live) == (1, 1, 1)
    assert StopState.Name((await trip.stop(2)).state) == "STOP_STATE_PLANNED"

    counted = [StopTask(order_id=order_id, line_id="1", actual=pieces(4)) for order_id in trip.orders[1:]]
    counted[1].actual.value = "3"
    await trip.wish(HandOverLoad(tasks=counted, seal_numbers=["S-77"]))
    assert await trip.state() == "IN_TRANSIT"
    assert await trip.kind_state(broke) == "RESOLVED"
    assert await trip.told(ExceptionKind.EXCEPTION_KIND_REASSIGNMENT_FAILED) == "RESOLVED"
    short = f"hand-over/2/{trip.orders[2]}/1"
    assert await trip.told(ExceptionKind.EXCEPTION_KIND_SHORTAGE, detail=short) == "OPEN"
    passed = (await trip.load()).custody[0]
    assert [(task.order_id, task.actual.value) for task in passed.tasks] == [
        (trip.orders[1], "4"),
        (trip.orders[2], "3"),
    ]

    # Three hours later the old truck's buffer is read: what it told before it was replaced, and what after.
    trip.world.clock.advance(timedelta(hours=3))
    await trip.tell(_ARRIVED, await trip.stop(3), ago=193.5)
    await trip.tell(_LEFT, await trip.stop(3), ago=193.2)
    assert (await trip.state(), StopState.Name((await trip.stop(3)).state)) == ("IN_TRANSIT", "STOP_STATE_PLANNED")
    last = (await trip.stop(3)).stop_id
    kept = [fact.name for fact in (await trip.load()).assignments[0].facts if fact.stop_id == last]
    assert kept == ["arrival", "departure"]
    await trip.tell(_ARRIVED, await trip.stop(3), ago=1, epoch=0)
    assert not (await trip.stop(3)).HasField("arrival")
    late = ids.derive(trip.load_id, Milestone.Name(_ARRIVED), "truck-1", "1", (await trip.stop(3)).stop_id)
    assert await trip.told(ExceptionKind.EXCEPTION_KIND_UNMATCHED_EVENT, late) == "OPEN"

    await trip.serve(2, epoch=2, vehicle="truck-9")
    await trip.serve(3, epoch=2, vehicle="truck-9")
    assert await trip.state() == "COMPLETED"
    assert [stop.served_epoch for stop in (await trip.load()).stops] == [1, 1, 2, 2]
    assert not trip.world.fleet.live
    await trip.world.run_until_settled(trip.orders[:2])
    for order_id in trip.orders[:2]:
        assert (await trip.world.order(order_id)).state == OrderState.ORDER_STATE_INVOICED


async def test_a_load_without_goods_goes_on_by_itself_once_another_vehicle_is_sent(trip: Trip) -> None:
    trip.world.clock.advance(timedelta(minutes=5))
    broke = await trip.breakdown()
    await trip.take_over("truck-9")
    assert await trip.state() == "DISPATCHED"
    assert (await trip.load()).custody[0].tasks == []
    assert await trip.kind_state(broke) == "RESOLVED"
    # The old truck had loaded after all: it is written down, the new one is not moved, and a person is told.
    await trip.tell(Milestone.MILESTONE_DEPARTED_PICKUP, await trip.stop(0), ago=2)
    assert await trip.state() == "DISPATCHED"
    kind = ExceptionKind.EXCEPTION_KIND_SEQUENCE_CONFLICT
    assert await trip.told(kind, (await trip.stop(0)).stop_id, "left behind") == "OPEN"


async def test_what_the_old_vehicle_delivered_is_known_late_and_ends_its_stop(trip: Trip) -> None:
    await trip.roll()
    trip.world.clock.advance(timedelta(minutes=20))
    await trip.breakdown()
    await trip.take_over("truck-9")
    left = [StopTask(order_id=order_id, line_id="1", actual=pieces(4)) for order_id in trip.orders[1:]]
    await trip.wish(HandOverLoad(tasks=left))
    trip.world.clock.advance(timedelta(minutes=30))
    # The proof of the first delivery was on the old driver's telephone; the work was done before the breakdown.
    await trip.tell(_ARRIVED, await trip.stop(1), ago=44)
    assert not (await trip.stop(1)).HasField("arrival")
    await trip.world._prove(await trip.load(), await trip.stop(1), ago=timedelta(minutes=40))
    await trip.world.quiet()
    served = await trip.stop(1)
    assert (StopState.Name(served.state), served.served_epoch) == ("STOP_STATE_DEPARTED", 1)
    assert (await trip.state(), served.HasField("arrival")) == ("IN_TRANSIT", True)
    assert not (await trip.load()).assignments[0].facts
    assert (await trip.world.order(trip.orders[0])).state != OrderState.ORDER_STATE_IN_EXECUTION


async def test_the_answer_of_a_dispatch_may_be_lost_and_still_none_is_sent_twice(tmp_path: Path) -> None:
    for seed in range(4):
        folder = tmp_path / str(seed)
        folder.mkdir()
        async with World.opened(folder, policy=trial(), seed=seed, share=0.25) as world:
            trip = await begun(world, 1)
            trip.world.clock.advance(timedelta(minutes=5))
            await trip.breakdown()
            await trip.take_over("truck-9")
            for _ in range(60):
                if await trip.state() == "DISPATCHED":
                    break
                world.clock.advance(timedelta(seconds=20))
                await world.quiet()
                await world.orchestrator.watchdog.look()
            book = world.fleet.book
            assert (await trip.state(), book.most_live) == ("DISPATCHED", 1)
            assert (book.recalled[trip.load_id, 1], book.dispatched[trip.load_id, 2]) == (1, 1)


async def test_a_vehicle_that_had_left_its_last_stop_when_it_goes_on_is_freed(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        trip = await begun(world, 1)
        await trip.roll()
        await trip.tell(_ARRIVED, await trip.stop(1))
        world.clock.advance(timedelta(minutes=10))
        await world._prove(await trip.load(), await trip.stop(1))
        await trip.breakdown()
        await trip.tell(_LEFT, await trip.stop(1))
        assert await trip.state() == "INTERRUPTED"
        await trip.wish(ResumeLoad())
        assert (await trip.state(), world.fleet.freed[trip.load_id]) == ("COMPLETED", 1)


async def test_the_same_vehicle_may_go_on_and_settles_its_breakdown(trip: Trip) -> None:
    await trip.roll()
    broke = await trip.breakdown()
    # Another word of the same standstill is the same breakdown.
    trip.world.clock.advance(timedelta(minutes=1))
    await trip.tell(Milestone.MILESTONE_BREAKDOWN, None, ago=0.5)
    second = ids.derive(trip.load_id, "MILESTONE_BREAKDOWN", "truck-1", "0.5", "")
    assert await trip.told(ExceptionKind.EXCEPTION_KIND_BREAKDOWN, detail=second) == "none"
    await trip.wish(ResumeLoad())
    assert (await trip.state(), await trip.kind_state(broke)) == ("IN_TRANSIT", "RESOLVED")


@pytest.fixture
async def strict(tmp_path: Path) -> AsyncIterator[World]:
    async with World.opened(tmp_path, policy=trial(hours=True)) as world:
        yield world


def clocks(world: World, *, shift: float, drive: float, ago: float = 1) -> HoursOfService:
    """Hours left, told some minutes ago."""
    hours = HoursOfService()
    hours.shift_remaining.FromTimedelta(timedelta(hours=shift))
    hours.drive_remaining.FromTimedelta(timedelta(hours=drive))
    hours.as_of_time.FromDatetime(world.clock.now() - timedelta(minutes=ago))
    return hours


async def look(world: World) -> None:
    world.clock.advance(timedelta(minutes=1))
    await world.watch()


@pytest.mark.parametrize(
    ("hours", "verdict"),
    [
        (None, HoursVerdict.HOURS_VERDICT_UNKNOWN),
        ((9, 8, 16), HoursVerdict.HOURS_VERDICT_STALE),
        ((2, 8, 1), HoursVerdict.HOURS_VERDICT_TOO_SHORT),
        ((9, 2, 1), HoursVerdict.HOURS_VERDICT_TOO_SHORT),
    ],
)
async def test_hours_that_are_not_known_to_be_enough_keep_a_load_until_they_are(
    strict: World, hours: tuple[float, float, float] | None, verdict: HoursVerdict.ValueType
) -> None:
    strict.fleet.hours_of_plan = timedelta(hours=3)
    if hours is not None:
        strict.fleet.hours["driver-1"] = clocks(strict, shift=hours[0], drive=hours[1], ago=hours[2])
    trip = await begun(strict, 1, until=OrderState.ORDER_STATE_PLANNED)
    await look(strict)
    found = await trip.load()
    assert (await trip.state(), found.assignments[-1].hours.verdict) == ("ASSIGNED", verdict)
    assert await trip.told(ExceptionKind.EXCEPTION_KIND_DRIVER_HOS_RISK) == "OPEN"
    strict.fleet.hours["driver-1"] = clocks(strict, shift=9, drive=8)
    await look(strict)
    assert await trip.state() == "DISPATCHED"
    assert await trip.told(ExceptionKind.EXCEPTION_KIND_DRIVER_HOS_RISK) == "RESOLVED"


async def test_who_answers_for_a_driver_is_written_down_and_the_load_goes(strict: World) -> None:
    strict.fleet.hours_of_plan = timedelta(hours=3)
    trip = await begun(strict, 1, until=OrderState.ORDER_STATE_PLANNED)
    await look(strict)
    await trip.wish(OverrideHours(epoch=1, overridden_by="dora", scope="hours.override", reason="log on paper seen"))
    found = await trip.load()
    assert await trip.state() == "DISPATCHED"
    hours = found.assignments[0].hours
    assert (hours.overridden_by, hours.override_scope) == ("dora", "hours.override")
    assert await trip.told(ExceptionKind.EXCEPTION_KIND_DRIVER_HOS_RISK) == "RESOLVED"


async def test_a_driver_without_known_hours_does_not_take_over(strict: World) -> None:
    strict.fleet.hours_of_plan = timedelta(hours=3)
    strict.fleet.hours["driver-1"] = clocks(strict, shift=9, drive=8)
    trip = await begun(strict, 1)
    strict.clock.advance(timedelta(minutes=5))
    await trip.breakdown()
    await trip.take_over("truck-9")
    assert await trip.state() == "INTERRUPTED"
    assert await trip.told(ExceptionKind.EXCEPTION_KIND_DRIVER_HOS_RISK) == "OPEN"
    assert strict.fleet.book.dispatched[trip.load_id, 2] == 0
    await trip.wish(OverrideHours(epoch=2, overridden_by="dora", scope="hours.override", reason="log on paper seen"))
    await trip.take_over("truck-9", expected=2, name="again")
    assert (await trip.state(), strict.fleet.book.most_live) == ("DISPATCHED", 1)


async def replan(trip: Trip) -> None:
    version = (await trip.load()).plan_version
    cause = Cause(request_id=ids.derive(trip.load_id, "replan", str(version)), region=REGION)
    wish = Wish(expected_plan_version=version, reason="road closed")
    await trip.world.orchestrator.desk.replanning.propose(trip.load_id, wish, cause)
    await trip.world.quiet()


def deliveries(found: Load) -> list[str]:
    return [stop.stop_id for stop in found.stops[1:]]


async def test_a_new_plan_moves_open_stops_only_and_events_are_matched_by_stop(trip: Trip) -> None:
    await trip.roll()
    await trip.tell(_ARRIVED, await trip.stop(1))
    before = await trip.load()
    await replan(trip)
    after = await trip.load()
    first, second, third = deliveries(before)
    assert (after.plan_version, deliveries(after)) == (2, [first, third, second])
    assert after.stops[1].arrival == before.stops[1].arrival
    assert not after.HasField("proposal")
    # A late word names the stop, not its place.
    await trip.tell(_ARRIVED, before.stops[2])
    assert [stop.stop_id for stop in (await trip.load()).stops if stop.HasField("arrival")] == [
        before.stops[0].stop_id, first, second,
    ]  # fmt: skip
    # The orders hear when their goods come now.
    history = [event async for event in told_orders(trip)]
    assert "eta_changed" in history


async def told_orders(trip: Trip) -> AsyncIterator[str]:
    for order_id in trip.orders[1:]:
        for recorded in await trip.world.store.read(EnvelopeType.of(OrderEvent), order_id):
            yield recorded.event.WhichOneof("body") or ""


async def test_a_plan_that_the_driver_does_not_answer_leaves_the_old_one_in_force(trip: Trip) -> None:
    await trip.roll()
    trip.world.fleet.book.asks_drivers = True
    before = await trip.load()
    await replan(trip)
    assert (await trip.load()).HasField("proposal")
    assert deliveries(await trip.load()) == deliveries(before)
    trip.world.clock.advance(timedelta(minutes=6))
    await trip.world.quiet()
    found = await trip.load()
    assert (found.HasField("proposal"), found.plan_version, deliveries(found)) == (False, 1, deliveries(before))
    with pytest.raises(Rejected, match="plan again"):
        await trip.wish(AcceptPlan(plan_version=2))


async def test_a_plan_that_the_driver_takes_is_in_force(trip: Trip) -> None:
    await trip.roll()
    trip.world.fleet.book.asks_drivers = True
    before = await trip.load()
    await replan(trip)
    trip.world.fleet.book.answer_of_driver(trip.load_id, Load(stops=(await trip.load()).proposal.stops))
    await look(trip.world)
    found = await trip.load()
    assert (found.plan_version, deliveries(found)) == (2, list(reversed(deliveries(before))))


async def test_what_a_new_plan_cannot_serve_is_told_with_the_planners_reason(tmp_path: Path) -> None:
    async with World.opened(tmp_path, policy=trial()) as world:
        trip = await begun(world, 3)
        world.clock.advance(timedelta(minutes=5))
        last = trip.orders[2]
        world.fleet.book.unserved[last] = SkipReason.SKIP_REASON_WINDOW_IMPOSSIBLE
        world.fleet.full = 10
        await replan(trip)
        found = await trip.load()
        assert found.plan_version == 2
        assert last not in {task.order_id for stop in found.stops[1:] for task in stop.tasks}
        assert (await world.order(last)).state == OrderState.ORDER_STATE_RELEASED
        assert await trip.told(ExceptionKind.EXCEPTION_KIND_NOT_PLANNABLE, last) == "OPEN"
