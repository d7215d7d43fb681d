"""The watch on the memory bus: what it tells, once, and what a restart knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from google.protobuf.message import Message

from gladhand import ids
from gladhand.bus.port import Delivery, Poison
from gladhand.envelope import EnvelopeType, Stamp
from gladhand.testing import MemoryBroker, MemoryBus, MemoryEventStore, VirtualClock, eventually
from logistics.exception.v1 import ColdChainFinding, ColdChainVerdict, CurvePointKind
from logistics.fleet.v1 import (
    METRIC_CARGO_TEMPERATURE,
    METRIC_SETPOINT_TEMPERATURE,
    STATE_SUBJECT_DOOR,
    Metric,
    Reading,
    SampleQuality,
    StateChange,
    TelemetrySample,
    VehicleSample,
)
from logistics.load.v1 import (
    STOP_KIND_DELIVERY,
    STOP_KIND_PICKUP,
    Assignment,
    Load,
    LoadAssigned,
    LoadEvent,
    LoadPlanned,
    Stop,
    StopCompleted,
    StopDeparted,
    StopTask,
    StopTime,
)
from logistics.type.v1 import ACTOR_KIND_SERVICE, Actor, Quantity, TemperatureProfile
from services.edge_gateway.cold_chain.watch import ColdChainWatch

REGION, ORDER = "us", ids.derive("018f0000-0000-7000-8000-000000000001", "order")
LOAD, PICKUP, DELIVERY = (ids.derive(ORDER, name) for name in ("load", "pickup", "delivery"))
KIND = EnvelopeType.of(LoadEvent)
IN_RANGE, NEAR_MISS, OUT, BREACH = (
    ColdChainVerdict.COLD_CHAIN_VERDICT_IN_RANGE,
    ColdChainVerdict.COLD_CHAIN_VERDICT_NEAR_MISS,
    ColdChainVerdict.COLD_CHAIN_VERDICT_OUT_OF_RANGE,
    ColdChainVerdict.COLD_CHAIN_VERDICT_BREACH,
)


class Yard:
    """A bus with a log of loads and the samples of one truck. Minutes count from when the goods came on board."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.broker = MemoryBroker(self.clock)
        self.bus, self.store = MemoryBus(self.broker, self.clock), MemoryEventStore(self.broker)
        self.begin = self.clock.now()
        self._version = self._sequence = self._samples = 0

    async def record(self, body: Message, minute: float = 0) -> None:
        self._version += 1
        stamp = Stamp(
            ids.derive(LOAD, str(self._version)),
            region=REGION,
            correlation_id=LOAD,
            actor=Actor(kind=ACTOR_KIND_SERVICE, id="test"),
            occur_time=self.begin + timedelta(minutes=minute),
        )
        event = KIND.stamp(
            body,
            stamp,
            aggregate_id=LOAD,
            event_id=ids.derive(LOAD, "event", str(self._version)),
            version=self._version,
            recorded=self.clock.now(),
        )
        self._sequence = (await self.store.append(KIND, event, expected=self._sequence)).sequence

    async def board(self) -> None:
        """Let two lines of cold goods come on board of V1."""
        profile = TemperatureProfile(min_celsius=2, max_celsius=8)
        tasks = [StopTask(order_id=ORDER, line_id=line, profile=profile) for line in ("1", "2")]
        stops = [
            Stop(stop_id=PICKUP, kind=STOP_KIND_PICKUP, tasks=tasks),
            Stop(stop_id=DELIVERY, kind=STOP_KIND_DELIVERY, tasks=tasks),
        ]
        await self.record(LoadPlanned(load=Load(load_id=LOAD, region=REGION, stops=stops)), -20)
        turn = Assignment(epoch=1, vehicle_id="V1")
        turn.start_time.FromDatetime(self.begin - timedelta(minutes=15))
        await self.record(LoadAssigned(assignment=turn), -15)
        await self.record(StopDeparted(stop_id=PICKUP, time=self.at(0)))

    async def unload(self, minute: float) -> None:
        await self.record(StopCompleted(stop_id=DELIVERY, time=self.at(minute)), minute)

    def at(self, minute: float) -> StopTime:
        time = StopTime()
        time.time.FromDatetime(self.begin + timedelta(minutes=minute))
        return time

    async def tell(self, minute: float, sample: TelemetrySample, vehicle: str = "V1", *, name: str = "") -> None:
        self._samples += 1
        told = VehicleSample(
            sample_id=name or ids.derive(LOAD, f"sample {self._samples}"),
            vehicle_id=vehicle,
            sample=sample,
            region=REGION,
        )
        told.sample.occur_time.FromDatetime(self.begin + timedelta(minutes=minute))
        told.sample.receive_time.FromDatetime(self.clock.now())
        token = sample.WhichOneof("value")
        subject = f"logistics.telemetry.{REGION}.{vehicle}.{token}"
        await self.bus.publish(subject, told.SerializeToString(), message_id=f"{told.sample_id}{self._samples}")

    async def celsius(
        self, minute: float, value: float, metric: Metric.ValueType = METRIC_CARGO_TEMPERATURE, *, name: str = ""
    ) -> None:
        reading = Reading(metric=metric, value=Quantity(value=str(value), unit_code="CEL"))
        await self.tell(minute, TelemetrySample(reading=reading), name=name)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[ColdChainWatch]:
        watch = ColdChainWatch(
            self.bus,
            self.store,
            self.clock,
            REGION,
            every=timedelta(hours=1),
            attempts=3,
            ack_wait=timedelta(seconds=30),
        )
        stopping = asyncio.Event()
        running = asyncio.create_task(watch.run(stopping))
        try:
            await eventually(lambda: watch.ready)
            yield watch
        finally:
            stopping.set()
            await running

    async def findings(self, line: str = "1") -> list[ColdChainFinding]:
        messages = [each async for each in self.store.read_all("OBSERVATIONS")]
        assert all(each.subject == f"logistics.observation.{REGION}.{LOAD}.cold_chain" for each in messages)
        found = [ColdChainFinding.FromString(each.payload) for each in messages]
        return [each for each in found if each.line_id == line]

    async def until(self, *verdicts: int) -> list[ColdChainFinding]:
        """Wait for findings about a line with these verdicts, and no others."""

        async def told() -> list[ColdChainFinding]:
            found = await self.findings()
            return found if len(found) >= len(verdicts) else []

        found = await eventually(told)
        assert [each.verdict for each in found] == list(verdicts)
        assert [each.revision for each in found] == list(range(1, len(verdicts) + 1))
        return found

    def pass_to(self, minute: float) -> None:
        self.clock.advance(self.begin + timedelta(minutes=minute) - self.clock.now())


async def test_a_good_ride_is_told_once_at_its_end() -> None:
    yard = Yard()
    await yard.board()
    async with yard.watching() as watch:
        for minute in range(0, 60, 5):
            yard.pass_to(minute)
            await yard.celsius(minute, 5)
            await watch.look(yard.clock.now())
        assert await yard.findings() == []
        await yard.unload(58)
        yard.pass_to(60)
        (told,) = await yard.until(IN_RANGE)
        assert (told.ride_over, told.sensor_lost, told.figures.coverage_percent) == (True, False, 100)
        assert len(await yard.findings("2")) == 1


async def test_changes_are_told_and_samples_are_not() -> None:
    yard = Yard()
    await yard.board()
    async with yard.watching():
        for minute in range(0, 60, 5):
            yard.pass_to(minute)
            await yard.celsius(minute, 12 if 10 <= minute < 50 else 5)
            await asyncio.sleep(0.002)
        out, breach, back = await yard.until(OUT, BREACH, BREACH)
        assert not out.figures.HasField("out_end_time")
        assert breach.figures.breach_time.ToDatetime() == (yard.begin + timedelta(minutes=40)).replace(tzinfo=None)
        assert back.figures.cumulative.seconds == 40 * 60
        assert back.figures.peak_celsius == 12


async def test_a_restart_tells_nothing_anew_and_late_samples_are_judged_all_the_same() -> None:
    yard = Yard()
    await yard.board()
    async with yard.watching():
        for minute in (0, 10, 20, 30, 40, 50):
            yard.pass_to(minute)
            await yard.celsius(minute, 12 if minute in {10, 20} else 5)
            await asyncio.sleep(0.002)
        await yard.unload(52)
        yard.pass_to(60)
        await yard.until(OUT, NEAR_MISS, NEAR_MISS)
    async with yard.watching() as watch:
        await watch.look(yard.clock.now())
        assert len(await yard.findings()) == 3
        # What the device kept back: it was warm when nobody heard of it.
        for minute in (29, 30, 40, 49, 50):
            await yard.celsius(minute, 13)
        (*_, last) = await eventually(lambda: _breached(yard))
        assert (last.verdict, last.ride_over) == (BREACH, True)


async def _breached(yard: Yard) -> list[ColdChainFinding]:
    found = await yard.findings()
    return found if found[-1].verdict == BREACH else []


async def test_what_a_stream_no_longer_holds_makes_nothing_better() -> None:
    yard = Yard()
    await yard.board()
    async with yard.watching():
        for minute in range(0, 50, 5):
            yard.pass_to(minute)
            await yard.celsius(minute, 12)
            await asyncio.sleep(0.002)
        await yard.until(OUT, BREACH)
    stream = yard.broker.stream("TELEMETRY")
    for message in list(stream.on("logistics.telemetry.>"))[:9]:
        stream.remove(message.sequence)
    async with yard.watching() as watch:
        await yard.celsius(46, 5)
        await yard.unload(50)
        yard.pass_to(60)
        *_, last = await eventually(lambda: _ended(yard))
        assert (last.verdict, last.figures.peak_celsius) == (BREACH, 12)
        await watch.look(yard.clock.now())
        count = len(await yard.findings())
    async with yard.watching() as watch:
        await watch.look(yard.clock.now())
        assert len(await yard.findings()) == count


async def _ended(yard: Yard) -> list[ColdChainFinding]:
    found = await yard.findings()
    return found if found[-1].ride_over else []


async def test_a_silent_sensor_is_found_by_looking() -> None:
    yard = Yard()
    await yard.board()
    async with yard.watching() as watch:
        await yard.celsius(0, 5)
        yard.pass_to(20)
        await watch.look(yard.clock.now())
        assert await yard.findings() == []
        yard.pass_to(21)
        await watch.look(yard.clock.now())
        (lost,) = await yard.until(IN_RANGE)
        assert (lost.sensor_lost, lost.figures.gaps[0].HasField("end_time")) == (True, False)
        await watch.look(yard.clock.now())
        assert len(await yard.findings()) == 1


async def test_the_curve_shows_setpoint_and_doors_and_only_samples_of_the_vehicle_on_the_ride_count() -> None:
    yard = Yard()
    await yard.board()
    hot = TelemetrySample(reading=Reading(metric=METRIC_CARGO_TEMPERATURE, value=Quantity(value="30", unit_code="CEL")))
    invalid = TelemetrySample(quality=SampleQuality(valid=False))
    invalid.reading.CopyFrom(hot.reading)
    async with yard.watching():
        yard.pass_to(10)
        await yard.celsius(-5, 30)
        await yard.tell(5, hot, vehicle="V2")
        await yard.tell(6, invalid)
        await yard.celsius(0, 5, METRIC_SETPOINT_TEMPERATURE)
        await yard.tell(3, TelemetrySample(state_change=StateChange(subject=STATE_SUBJECT_DOOR, on=True)))
        await yard.celsius(4, 9)
        (told,) = await yard.until(OUT)
        kinds = [point.kind for point in told.figures.curve]
        assert kinds == [
            CurvePointKind.CURVE_POINT_KIND_SETPOINT,
            CurvePointKind.CURVE_POINT_KIND_DOOR_OPENED,
            CurvePointKind.CURVE_POINT_KIND_TEMPERATURE,
        ]
        assert told.figures.peak_celsius == 9


async def test_what_is_no_sample_is_poison() -> None:
    yard = Yard()
    async with yard.watching() as watch:
        delivery = Delivery("logistics.telemetry.us.V1.reading", b"\xff", {}, "TELEMETRY", 1, yard.clock.now())
        with pytest.raises(Poison, match="no VehicleSample"):
            await watch.handle(delivery)
