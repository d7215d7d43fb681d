"""Watches vehicles against the stops of their loads and tells arrivals and departures.

Three inputs: the log of loads, followed from its beginning (who is to visit what); the observations told before
(what is known already); positions, first those that TELEMETRY still holds, then live from a durable consumer. All
state is a fold of these, so a restart loses nothing, and what is told twice has the same id.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from datetime import timedelta

from google.protobuf.message import DecodeError

from gladhand.bus.port import Backoff, Bus, Delivery, Poison, Subscription
from gladhand.calls import correlated
from gladhand.envelope import EnvelopeType
from gladhand.errors import GladhandError, Unavailable
from gladhand.log.port import EventStore
from logistics.fleet.v1 import VehiclePosition
from logistics.load.v1 import DeliveryEvent, LoadEvent
from services.edge_gateway.cold_chain.findings import SUBJECT_END as COLD_CHAIN
from services.edge_gateway.geofence import FenceRules, Fix, Track
from services.edge_gateway.milestones import Told, news, subject_of
from services.edge_gateway.report import GATEWAY
from services.edge_gateway.road_book import RoadBook

__all__ = ["Detector", "fix_of"]

_log = logging.getLogger(__name__)

_LOADS, _TELEMETRY, _OBSERVATIONS = "LOADS", "TELEMETRY", "OBSERVATIONS"
DURABLE = "edge-geofence"
_MOST_TOLD = 200_000
_AT_ONCE = 64


class Detector:
    """The geofence detector of one region."""

    def __init__(
        self,
        bus: Bus,
        store: EventStore,
        rules: FenceRules,
        region: str,
        *,
        tolerance_s: float,
        attempts: int,
        ack_wait: timedelta,
    ) -> None:
        """`tolerance_s`: seconds by which a told time may move before it is corrected."""
        self._bus = bus
        self._store = store
        self._rules = rules
        self._region = region
        self._tolerance_s = tolerance_s
        self._attempts = attempts
        self._ack_wait = ack_wait
        self._book = RoadBook(radius_m=rules.radius_m)
        self._told = Told()
        self._tracks: dict[str, Track] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._loads = EnvelopeType.of(LoadEvent)
        self._read_to = 0
        self.ready = False
        """Whether the past has been read."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Read the past, then follow loads and positions until `stopping` is set."""
        past = asyncio.create_task(self._read_past())
        asked = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((past, asked), return_when=asyncio.FIRST_COMPLETED)
            if not past.done():
                return
            await past
            consumer = await self._bus.subscribe(self._subscription())
            following = asyncio.create_task(self._follow_loads())
            try:
                self.ready = True
                await asyncio.wait((following, asked), return_when=asyncio.FIRST_COMPLETED)
                if following.done():
                    await following
            finally:
                self.ready = False
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                await consumer.stop()
        finally:
            past.cancel()
            asked.cancel()
            await asyncio.gather(past, asked, return_exceptions=True)

    async def handle(self, delivery: Delivery) -> None:
        """Take in one position and tell what follows from it. Raises Poison on a payload that is no position."""
        try:
            position = VehiclePosition.FromString(delivery.payload)
        except DecodeError as error:
            raise Poison("MALFORMED_MESSAGE: no VehiclePosition") from error
        await self._observe(position)

    def _subscription(self) -> Subscription:
        return Subscription(
            stream=_TELEMETRY,
            durable=DURABLE,
            handler=self.handle,
            filters=(self._positions(),),
            concurrency=_AT_ONCE,
            max_deliver=self._attempts,
            backoff=Backoff(first=0.5, longest=30.0),
            ack_wait=self._ack_wait,
        )

    async def _read_past(self) -> None:
        await self._read_loads()
        filters = (f"logistics.observation.{self._region}.>",)
        async with aclosing(self._store.read_all(_OBSERVATIONS, filters=filters)) as told:
            async for message in told:
                if message.subject.endswith(f".{COLD_CHAIN}"):
                    continue
                self._told.learn(DeliveryEvent.FromString(message.payload))
        first = True
        async with aclosing(self._store.read_all(_TELEMETRY, filters=(self._positions(),))) as positions:
            async for message in positions:
                position = VehiclePosition.FromString(message.payload)
                if first and message.sequence > 1:
                    # Older positions are gone: what was concluded from them can no longer be put right.
                    self._told.known_from = position.receive_time.ToNanoseconds() / 1e9
                first = False
                self._track(position.vehicle_id).add(fix_of(position))
        if first:
            self._told.known_from = self._newest_told()
        for vehicle_id in self._book.vehicles():
            await self._tell(vehicle_id)
        facts = {"loads": len(self._book), "vehicles": len(self._tracks), "told": len(self._told)}
        _log.info("the past is read", extra={"facts": facts})

    def _newest_told(self) -> float:
        """Without any position left, nothing told so far can be put right."""
        return self._told.newest_received + 1e-6 if len(self._told) else float("-inf")

    async def _read_loads(self) -> None:
        async with aclosing(self._store.read_all(_LOADS, start=self._read_to + 1, filters=self._load_filters())) as log:
            async for message in log:
                self._take_load(self._loads.decode(message.payload))
                self._read_to = message.sequence

    async def _follow_loads(self) -> None:
        """Follow the log of loads without end."""
        start = self._read_to + 1
        read = self._store.read_all(_LOADS, start=start, filters=self._load_filters(), follow=True)
        async with aclosing(read) as log:
            async for message in log:
                changed = self._take_load(self._loads.decode(message.payload))
                self._read_to = message.sequence
                for vehicle_id in sorted(changed):
                    await self._tell_patiently(vehicle_id)

    def _take_load(self, event: LoadEvent) -> set[str]:
        """Take in an event of a load; return the vehicles whose fences changed by it. Raises UnknownEvent."""
        if not self._loads.knows(event):
            return set()
        touched = self._book.apply(event)
        return {vehicle_id for vehicle_id in touched if self._rewatch(vehicle_id)}

    def _rewatch(self, vehicle_id: str) -> bool:
        track = self._track(vehicle_id)
        return track.watch(self._book.fences(vehicle_id, track.reaches_back_to))

    async def _observe(self, position: VehiclePosition) -> None:
        self._track(position.vehicle_id).add(fix_of(position))
        await self._tell(position.vehicle_id)

    async def _tell(self, vehicle_id: str) -> None:
        """Publish what the vehicle's track amounts to and is not told yet. Raises Unavailable, ResourceFull."""
        lock = self._locks.setdefault(vehicle_id, asyncio.Lock())
        async with lock:
            track = self._track(vehicle_id)
            found = news(track.visits(), track.fences, self._told, region=self._region, tolerance_s=self._tolerance_s)
            for event in found:
                with correlated(event.load_id):
                    await self._publish(event)
                self._told.learn(event)
            if found and len(self._told) > _MOST_TOLD:
                self._told.keep_only(fence.key for other in self._tracks.values() for fence in other.fences)

    async def _tell_patiently(self, vehicle_id: str) -> None:
        """Tell, and where the log cannot take it now leave it to the vehicle's next position, which tells it too."""
        backoff = Backoff(first=0.5, longest=10.0, jitter=0.0)
        for attempt in range(1, self._attempts + 1):
            try:
                await self._tell(vehicle_id)
            except Unavailable as error:
                _log.warning("observations cannot be told: %s", error.message)
                await asyncio.sleep(backoff.delay(attempt, 0.0))
            except GladhandError:
                _log.exception("observations of a vehicle are refused", extra={"facts": {"vehicle_id": vehicle_id}})
                return
            else:
                return

    async def _publish(self, event: DeliveryEvent) -> None:
        headers = {
            "ce-specversion": "1.0",
            "ce-id": event.delivery_event_id,
            "ce-source": GATEWAY,
            "ce-type": DeliveryEvent.DESCRIPTOR.full_name,
        }
        await self._bus.publish(
            subject_of(event), event.SerializeToString(), message_id=event.delivery_event_id, headers=headers
        )
        facts = {"subject": subject_of(event), "stop_id": event.stop_id, "vehicle_id": event.vehicle_id}
        _log.info("observed", extra={"facts": facts})

    def _track(self, vehicle_id: str) -> Track:
        track = self._tracks.get(vehicle_id)
        if track is None:
            track = self._tracks[vehicle_id] = Track(self._rules)
        return track

    def _positions(self) -> str:
        return f"logistics.telemetry.{self._region}.*.position"

    def _load_filters(self) -> tuple[str, ...]:
        return (f"logistics.load.{self._region}.>",)


def fix_of(position: VehiclePosition) -> Fix:
    """Return a position as the geofence sees it."""
    return Fix(
        at=position.occur_time.ToNanoseconds() / 1e9,
        position_id=position.position_id,
        latitude=position.position.point.latitude,
        longitude=position.position.point.longitude,
        speed_mps=position.position.speed_mps if position.position.HasField("speed_mps") else None,
        received=position.receive_time.ToNanoseconds() / 1e9,
        evidence=position.provenance.raw_reference,
    )
