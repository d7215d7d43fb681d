"""Delivery events from visits, told once and put right where late positions change them (pure).

The id of an event follows from load, stop, assignment epoch and milestone, so that telling it again after a restart
changes nothing. A time that moves by more than a tolerance is told as a correction, a visit that later positions
deny is retracted; both name the event that they are about (domain reference 3.7 rules 5 and 7).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid5

from gladhand.enums import short_name
from logistics.load.v1 import (
    DELIVERY_EVENT_SOURCE_GEOFENCE,
    MILESTONE_ARRIVED_DELIVERY,
    MILESTONE_ARRIVED_PICKUP,
    MILESTONE_DEPARTED_DELIVERY,
    MILESTONE_DEPARTED_PICKUP,
    DeliveryEvent,
    Milestone,
)
from logistics.type.v1 import CLASSIFIER_ACTUAL, Provenance
from services.edge_gateway.filters import distance_m
from services.edge_gateway.geofence import Fence, FenceKey, Fix, Visit
from services.edge_gateway.report import EDGE_NAMESPACE, GATEWAY

__all__ = ["Telling", "Told", "news", "subject_of", "token_of"]

_MAPPING_VERSION = "geofence-1"


class Telling(NamedTuple):
    """What one event is about."""

    key: FenceKey
    milestone: Milestone.ValueType


@dataclass(frozen=True, slots=True)
class _Said:
    """What was said last about something. Times are seconds since 1970."""

    event_id: str
    at: float
    received: float
    void: bool


class Told:
    """What has been told so far; rebuilt from the stream of observations at start."""

    def __init__(self, known_from: float = float("-inf")) -> None:
        """`known_from`: positions received before this may be gone, so what rests on them is left alone."""
        self._said: dict[Telling, _Said] = {}
        self.known_from = known_from

    def __len__(self) -> int:
        return len(self._said)

    @property
    def newest_received(self) -> float:
        """The newest receipt behind anything told, minus infinity where nothing is."""
        return max((said.received for said in self._said.values()), default=float("-inf"))

    def learn(self, event: DeliveryEvent) -> None:
        """Take in an event that is published. Those of other sources are not ours to put right."""
        if event.source != DELIVERY_EVENT_SOURCE_GEOFENCE:
            return
        telling = Telling(FenceKey(event.load_id, event.stop_id, event.epoch), event.milestone)
        at, received = (stamp.ToNanoseconds() / 1e9 for stamp in (event.occur_time, event.receive_time))
        self._said[telling] = _Said(event.delivery_event_id, at, received, void=bool(event.retracts_event_id))

    def of(self, telling: Telling) -> _Said | None:
        """Return what was last said of it, or None."""
        return self._said.get(telling)

    def standing(self, keys: Iterable[FenceKey]) -> list[tuple[Telling, _Said]]:
        """Return what stands and may still be denied of these fences."""
        wanted = set(keys)
        return [
            (telling, said)
            for telling, said in self._said.items()
            if telling.key in wanted and not said.void and self.changeable(said)
        ]

    def changeable(self, said: _Said) -> bool:
        """Return whether every position behind it is still known."""
        return min(said.received, said.at) >= self.known_from

    def keep_only(self, keys: Iterable[FenceKey]) -> None:
        """Drop what concerns other fences: nothing of it can change any more."""
        wanted = set(keys)
        self._said = {telling: said for telling, said in self._said.items() if telling.key in wanted}


def news(
    visits: Iterable[Visit], fences: Sequence[Fence], told: Told, *, region: str, tolerance_s: float
) -> list[DeliveryEvent]:
    """Return the events to tell, in order of occurrence: new ones, corrections and retractions."""
    found: list[DeliveryEvent] = []
    seen: set[Telling] = set()
    for visit in visits:
        for milestone, moment, proof in _moments(visit):
            telling = Telling(visit.fence.key, milestone)
            seen.add(telling)
            said = told.of(telling)
            moved = said is not None and abs(said.at - moment.at) > tolerance_s and told.changeable(said)
            if said is None or said.void or moved:
                found.append(_event(telling, visit, moment, proof, said, region))
    by_key = {fence.key: fence for fence in fences}
    for telling, said in told.standing(by_key):
        if telling not in seen:
            found.append(_retraction(telling, by_key[telling.key], said, region))
    return sorted(found, key=lambda event: (event.occur_time.ToNanoseconds(), event.milestone))


def subject_of(event: DeliveryEvent) -> str:
    """Return where the event is published."""
    return f"logistics.observation.{event.region}.{event.load_id}.{token_of(event.milestone)}"


def token_of(milestone: Milestone.ValueType) -> str:
    """Return the milestone's name in lower case without its prefix, the last token of its subject."""
    return short_name(Milestone, milestone).lower()


def _moments(visit: Visit) -> Iterable[tuple[Milestone.ValueType, Fix, Fix]]:
    pickup = visit.fence.pickup
    yield (MILESTONE_ARRIVED_PICKUP if pickup else MILESTONE_ARRIVED_DELIVERY), visit.entered, visit.confirmed
    if visit.left is not None:
        departed = MILESTONE_DEPARTED_PICKUP if pickup else MILESTONE_DEPARTED_DELIVERY
        yield departed, visit.last_inside, visit.left


def _event(telling: Telling, visit: Visit, moment: Fix, proof: Fix, said: _Said | None, region: str) -> DeliveryEvent:
    fence = visit.fence
    event = _blank(telling, fence, region)
    name = f"{fence.load_id}/{fence.stop_id}/{fence.epoch}/{token_of(telling.milestone)}"
    if said is not None:
        # Two corrections in turn may tell the same time: the id of what they correct keeps them apart.
        name += f"/{said.event_id}/{round(moment.at * 1000)}"
        event.corrects_event_id = said.event_id
    event.delivery_event_id = str(uuid5(EDGE_NAMESPACE, name))
    event.occur_time.FromDatetime(_moment(moment.at))
    event.receive_time.FromDatetime(_moment(proof.received))
    event.place.latitude, event.place.longitude = moment.latitude, moment.longitude
    away = distance_m(fence.latitude, fence.longitude, moment.latitude, moment.longitude)
    event.distance_to_stop_m = round(away, 1)
    event.evidence.extend(dict.fromkeys(fix.evidence for fix in (moment, proof) if fix.evidence))
    event.provenance.raw_reference = moment.evidence
    return event


def _retraction(telling: Telling, fence: Fence, said: _Said, region: str) -> DeliveryEvent:
    event = _blank(telling, fence, region)
    event.delivery_event_id = str(uuid5(EDGE_NAMESPACE, f"retract/{said.event_id}"))
    event.occur_time.FromDatetime(_moment(said.at))
    event.receive_time.FromDatetime(_moment(said.received))
    event.retracts_event_id = said.event_id
    return event


def _blank(telling: Telling, fence: Fence, region: str) -> DeliveryEvent:
    return DeliveryEvent(
        milestone=telling.milestone,
        load_id=fence.load_id,
        stop_id=fence.stop_id,
        epoch=fence.epoch,
        vehicle_id=fence.vehicle_id,
        classifier=CLASSIFIER_ACTUAL,
        source=DELIVERY_EVENT_SOURCE_GEOFENCE,
        provenance=Provenance(provider="geofence", gateway=GATEWAY, mapping_version=_MAPPING_VERSION),
        region=region,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds, 6), UTC)
