"""Follows loads and temperatures and tells what becomes of goods that must be kept cold.

Three inputs, as for the geofence: the log of loads, the findings told before, and what TELEMETRY still holds, then
live. All state is a fold of these, so a restart loses nothing. What no message brings, a sensor that falls silent, is
found by looking again and again at what is under way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from google.protobuf.message import DecodeError

from gladhand.bus.port import Backoff, Bus, Delivery, Poison, Subscription
from gladhand.calls import correlated
from gladhand.clock import Clock
from gladhand.envelope import EnvelopeType
from gladhand.errors import GladhandError
from gladhand.log.port import EventStore, StoredMessage
from logistics.exception.v1 import ColdChainFinding
from logistics.fleet.v1 import VehicleSample
from logistics.load.v1 import LoadEvent
from services.edge_gateway.cold_chain.findings import SUBJECT_END, Told, news, subject_of
from services.edge_gateway.cold_chain.judging import Judgement, Rules, Span, judge
from services.edge_gateway.cold_chain.rides import Leg, Ride, Rides
from services.edge_gateway.cold_chain.samples import ALWAYS, Samples, sample_of
from services.edge_gateway.report import GATEWAY

__all__ = ["DURABLE", "ColdChainWatch"]

_log = logging.getLogger(__name__)

_LOADS, _TELEMETRY, _OBSERVATIONS = "LOADS", "TELEMETRY", "OBSERVATIONS"
DURABLE = "edge-cold-chain"
_AT_ONCE = 32


class _Question(NamedTuple):
    """What a judgement depends on; lines that ride together have the same one."""

    rules: Rules
    span: Span
    legs: tuple[Leg, ...]


class ColdChainWatch:
    """The cold chain watch of one region."""

    def __init__(
        self,
        bus: Bus,
        store: EventStore,
        clock: Clock,
        region: str,
        *,
        every: timedelta,
        attempts: int,
        ack_wait: timedelta,
    ) -> None:
        """`every`: how often what is under way is looked at for sensors that fell silent."""
        self._bus = bus
        self._store = store
        self._clock = clock
        self._region = region
        self._every = every
        self._attempts = attempts
        self._ack_wait = ack_wait
        self._rides = Rides()
        self._samples = Samples()
        self._told = Told()
        self._events = EnvelopeType.of(LoadEvent)
        self._read_to = 0
        self._turn = asyncio.Lock()
        self.ready = False
        """Whether the past has been read."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Read the past, then follow loads and samples until `stopping` is set."""
        working = asyncio.create_task(self._work())
        asked = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((working, asked), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                await working
        finally:
            self.ready = False
            working.cancel()
            asked.cancel()
            await asyncio.gather(working, asked, return_exceptions=True)

    async def look(self, now: datetime) -> None:
        """Tell what the passing of time alone makes true of what is under way. Raises Unavailable, ResourceFull."""
        for load_id in self._rides.under_way():
            await self._tell(self._rides.of_load(load_id), now)

    async def handle(self, delivery: Delivery) -> None:
        """Take in one sample and tell what follows from it. Raises Poison on a payload that is no sample."""
        try:
            told = VehicleSample.FromString(delivery.payload)
        except DecodeError as error:
            raise Poison("MALFORMED_MESSAGE: no VehicleSample") from error
        sample = sample_of(told)
        if sample is None:
            return
        self._samples.add(told.vehicle_id, sample)
        # Known samples are told about too: an attempt that failed to publish is made good by the next.
        touched = [
            ride
            for ride in self._rides.of_vehicle(told.vehicle_id)
            if any(leg.vehicle_id == told.vehicle_id and leg.holds(sample.at) for leg in ride.legs)
        ]
        await self._tell(touched, self._clock.now())

    async def _work(self) -> None:
        await self._read_past()
        consumer = await self._bus.subscribe(self._subscription())
        following = asyncio.create_task(self._follow_loads())
        looking = asyncio.create_task(self._keep_looking())
        try:
            self.ready = True
            await asyncio.wait((following, looking), return_when=asyncio.FIRST_COMPLETED)
            for ended in (following, looking):
                if ended.done():
                    await ended
        finally:
            following.cancel()
            looking.cancel()
            await asyncio.gather(following, looking, return_exceptions=True)
            await consumer.stop()

    async def _read_past(self) -> None:
        async with aclosing(self._read_loads(follow=False)) as log:
            async for message in log:
                self._take_load(message.payload)
                self._read_to = message.sequence
        async with aclosing(self._store.read_all(_OBSERVATIONS, filters=(self._findings(),))) as told:
            async for message in told:
                self._told.learn(ColdChainFinding.FromString(message.payload))
        self._samples.lost_before = await self._lost_before()
        async with aclosing(self._store.read_all(_TELEMETRY, filters=self._readings())) as samples:
            async for message in samples:
                stored = VehicleSample.FromString(message.payload)
                sample = sample_of(stored)
                if sample is not None:
                    self._samples.add(stored.vehicle_id, sample)
        now = self._clock.now()
        for load_id in self._rides.loads():
            await self._tell_patiently(self._rides.of_load(load_id), now)
        _log.info(
            "the past is read", extra={"facts": {"cold loads": len(self._rides.loads()), "told": len(self._told)}}
        )

    async def _lost_before(self) -> int:
        """Return the moment before which samples may be gone: the stream drops its oldest messages."""
        async with aclosing(self._store.read_all(_TELEMETRY)) as messages:
            async for message in messages:
                return ALWAYS if message.sequence == 1 else _nanoseconds(message.stored_time)
        return ALWAYS if not await self._store.last_sequence(_TELEMETRY) else _nanoseconds(self._clock.now())

    async def _follow_loads(self) -> None:
        async with aclosing(self._read_loads(follow=True)) as log:
            async for message in log:
                load_id = self._take_load(message.payload)
                self._read_to = message.sequence
                if load_id:
                    await self._tell_patiently(self._rides.of_load(load_id), self._clock.now())

    def _read_loads(self, *, follow: bool) -> AsyncGenerator[StoredMessage]:
        filters = (f"logistics.load.{self._region}.>",)
        return self._store.read_all(_LOADS, start=self._read_to + 1, filters=filters, follow=follow)

    def _take_load(self, payload: bytes) -> str:
        """Take in an event of a load; return the load where its rides may differ now. Raises UnknownEvent."""
        event = self._events.decode(payload)
        return event.load_id if self._events.knows(event) and self._rides.apply(event) else ""

    async def _keep_looking(self) -> None:
        while True:
            try:
                await self.look(self._clock.now())
            except GladhandError as error:
                _log.warning("cold goods under way could not be looked at: %s", error.message)
            await asyncio.sleep(self._every.total_seconds())

    async def _tell_patiently(self, rides: Iterable[Ride], now: datetime) -> None:
        """Tell, and where the log cannot take it now leave it to the next sample or look, which tell it too."""
        with suppress(GladhandError):
            await self._tell(rides, now)

    async def _tell(self, rides: Iterable[Ride], now: datetime) -> None:
        """Publish what is new of rides. Raises Unavailable, ResourceFull."""
        judged: dict[_Question, Judgement] = {}
        at = _nanoseconds(now)
        async with self._turn:
            for ride in rides:
                question = _Question(Rules.of(ride.profile), ride.span, ride.legs)
                if question not in judged:
                    judged[question] = self._judge(question, at)
                complete = all(leg.start >= self._samples.known_from(leg.vehicle_id) for leg in ride.legs)
                finding = news(
                    ride, judged[question], self._told.of(ride.key), now=at, region=self._region, complete=complete
                )
                if finding is not None:
                    with correlated(finding.load_id):
                        await self._publish(finding)
                    self._told.learn(finding)

    def _judge(self, question: _Question, now: int) -> Judgement:
        samples = (
            sample for leg in question.legs for sample in self._samples.between(leg.vehicle_id, leg.start, leg.end)
        )
        return judge(question.rules, question.span, samples, now)

    async def _publish(self, finding: ColdChainFinding) -> None:
        headers = {
            "ce-specversion": "1.0",
            "ce-id": finding.finding_id,
            "ce-source": GATEWAY,
            "ce-type": ColdChainFinding.DESCRIPTOR.full_name,
        }
        subject = subject_of(finding)
        await self._bus.publish(subject, finding.SerializeToString(), message_id=finding.finding_id, headers=headers)
        _log.info("found", extra={"facts": {"subject": subject, "line_id": finding.line_id}})

    def _subscription(self) -> Subscription:
        return Subscription(
            stream=_TELEMETRY,
            durable=DURABLE,
            handler=self.handle,
            filters=self._readings(),
            concurrency=_AT_ONCE,
            max_deliver=self._attempts,
            backoff=Backoff(first=0.5, longest=30.0),
            ack_wait=self._ack_wait,
        )

    def _readings(self) -> tuple[str, ...]:
        return tuple(f"logistics.telemetry.{self._region}.*.{token}" for token in ("reading", "state_change"))

    def _findings(self) -> str:
        return f"logistics.observation.{self._region}.*.{SUBJECT_END}"


def _nanoseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000_000) * 1000
