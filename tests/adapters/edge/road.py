"""A load on the road: its events in the log, and the positions of the vehicle that drives it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import uuid4

from google.protobuf.message import Message

from gladhand.clock import SystemClock
from gladhand.envelope import EnvelopeType, Stamp
from gladhand.ids import event_id
from gladhand.log.jetstream import JetStreamEventStore
from logistics.load.v1 import (
    STOP_KIND_DELIVERY,
    STOP_KIND_PICKUP,
    Assignment,
    Load,
    LoadAssigned,
    LoadDispatched,
    LoadEvent,
    LoadPlanned,
    LoadReassigned,
    Stop,
    StopKind,
    StopTask,
)
from logistics.type.v1 import ACTOR_KIND_SERVICE, Actor, GeoPoint, Location
from tests.adapters.edge.harness import REGION

WAREHOUSE = (39.7000, -105.0000)
CUSTOMER = (39.7200, -105.0000)
_NORTH_STEP = 0.0002
"""About 22 m in a second: 80 km/h."""


class Trip:
    """One load from the warehouse to the customer, written into the log as the orchestrator would."""

    def __init__(self, store: JetStreamEventStore, begin: datetime, vehicle: str = "V1") -> None:
        self._store = store
        self._kind = EnvelopeType.of(LoadEvent)
        self._sequence = 0
        self._version = 0
        self.begin = begin
        self.vehicle = vehicle
        self.load_id, self.pickup, self.delivery = (str(uuid4()) for _ in range(3))

    async def record(self, body: Message, at: datetime) -> None:
        self._version += 1
        request = str(uuid4())
        stamp = Stamp(
            request,
            region=REGION,
            correlation_id=self.load_id,
            actor=Actor(kind=ACTOR_KIND_SERVICE, id="test"),
            occur_time=at,
        )
        event = self._kind.stamp(
            body,
            stamp,
            aggregate_id=self.load_id,
            event_id=event_id(request, self.load_id),
            version=self._version,
            recorded=SystemClock().now(),
        )
        self._sequence = (await self._store.append(self._kind, event, expected=self._sequence)).sequence

    async def plan(self, *tasks: StopTask) -> None:
        """Plan the load; `tasks` are what it carries."""
        stops = [
            _stop(self.pickup, 1, STOP_KIND_PICKUP, WAREHOUSE),
            _stop(self.delivery, 2, STOP_KIND_DELIVERY, CUSTOMER),
        ]
        for stop in stops:
            stop.tasks.extend(tasks)
        load = Load(load_id=self.load_id, region=REGION, stops=stops, plan_version=1)
        await self.record(LoadPlanned(load=load), self.begin)

    async def dispatch(self) -> None:
        await self.record(LoadAssigned(assignment=self.turn(1, self.vehicle, self.begin)), self.begin)
        await self.record(LoadDispatched(dispatch_reference="D-1", epoch=1, plan_version=1), self.begin)

    async def reassign(self, vehicle: str, at: datetime) -> None:
        await self.record(LoadReassigned(assignment=self.turn(2, vehicle, at)), at)

    @staticmethod
    def turn(epoch: int, vehicle: str, at: datetime) -> Assignment:
        turn = Assignment(epoch=epoch, vehicle_id=vehicle)
        turn.start_time.FromDatetime(at)
        return turn


def _stop(stop_id: str, sequence: int, kind: StopKind.ValueType, place: tuple[float, float]) -> Stop:
    location = Location(name=f"stop {sequence}", point=GeoPoint(latitude=place[0], longitude=place[1]))
    return Stop(stop_id=stop_id, sequence=sequence, kind=kind, location=location)


Fix = tuple[datetime, float, float, float]
"""When, degrees north, degrees east, metres per second."""


def drive(begin: datetime, stand_s: int = 150) -> list[Fix]:
    """Come to the warehouse, stand, drive to the customer, stand, drive on. One position in five seconds."""
    fixes: list[Fix] = []
    moment, latitude = begin, WAREHOUSE[0] - 0.01
    for target, stand in ((WAREHOUSE[0], stand_s), (CUSTOMER[0], stand_s), (CUSTOMER[0] + 0.02, 0)):
        while latitude < target:
            fixes.append((moment, latitude, WAREHOUSE[1], 22.0))
            moment, latitude = moment + timedelta(seconds=5), latitude + 5 * _NORTH_STEP
        latitude = target
        for _ in range(stand // 5):
            fixes.append((moment, latitude, WAREHOUSE[1], 0.0))
            moment += timedelta(seconds=5)
    return fixes


def locations(fixes: Iterable[Fix], device: str = "truck-1") -> dict[str, object]:
    """The fixes as a phone app sends those it kept."""
    return {
        "device_id": device,
        "location": [
            {
                "timestamp": moment.isoformat(),
                "coords": {"latitude": latitude, "longitude": longitude, "speed": speed, "accuracy": 5},
            }
            for moment, latitude, longitude, speed in fixes
        ],
    }
