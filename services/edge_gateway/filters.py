"""Which samples cannot be true, and by which rule (domain reference 3.7 rule 3) (pure).

A sample that is refused goes to quarantine with its reason; it is never dropped in silence and never repaired.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gladhand.errors import InvalidArgument
from logistics.fleet.v1 import TelemetrySample

__all__ = ["FilterRules", "JumpGuard", "check_place", "check_sample", "check_time", "distance_m"]

_EARTH_M = 6_371_008.8
"""Mean radius of the earth in metres."""


@dataclass(frozen=True, slots=True)
class FilterRules:
    """What is believed. Each limit is a setting of the process."""

    skew_s: float = 300.0
    """Seconds by which a sample may lie ahead of its receipt."""

    earliest: datetime = datetime(2005, 1, 1, tzinfo=UTC)
    """Before this a device's clock was not set: 1970, or the first day of its firmware."""

    null_island_deg: float = 0.001
    """Degrees around (0, 0) in which no position is believed: receivers report it without a fix."""

    accuracy_m: float = 500.0
    """Metres of uncertainty above which a position says too little. Positions that tell none pass."""

    speed_mps: float = 75.0
    """Metres per second that no truck drives; 270 km/h."""

    jump_mps: float = 100.0
    """Metres per second between two positions of one device above which one of them is wrong."""

    jump_m: float = 1000.0
    """Metres that are never a jump, however short the time."""


def check_sample(sample: TelemetrySample, received: datetime, rules: FilterRules) -> None:
    """Raise InvalidArgument with FUTURE_DATED or POSITION_IMPLAUSIBLE where a sample cannot be true by itself."""
    check_time(sample.occur_time.ToDatetime(UTC), received, rules)
    if sample.HasField("position"):
        check_place(sample, rules)


def check_time(occurred: datetime, received: datetime, rules: FilterRules) -> None:
    """Raise InvalidArgument where a moment lies after its receipt, or before clocks were set."""
    if (occurred - received).total_seconds() > rules.skew_s:
        raise InvalidArgument(
            f"the sample is dated {_stamp(occurred)}, more than {rules.skew_s:g} s after its receipt; "
            "set the device's clock",
            field="occur_time",
            reason="FUTURE_DATED",
            metadata={
                "occur_time": _stamp(occurred),
                "receive_time": _stamp(received),
                "skew_s": f"{rules.skew_s:g}",
            },
        )
    if occurred < rules.earliest:
        raise _implausible(
            "clock_not_set",
            f"the sample is dated {_stamp(occurred)}, before any device of today; set the device's clock",
            {"occur_time": _stamp(occurred)},
        )


def check_place(sample: TelemetrySample, rules: FilterRules) -> None:
    """Raise InvalidArgument where the place, speed or accuracy of a position cannot be believed."""
    position, quality = sample.position, sample.quality
    latitude, longitude = position.point.latitude, position.point.longitude
    if not (math.isfinite(latitude) and math.isfinite(longitude)) or abs(latitude) > 90 or abs(longitude) > 180:
        raise _implausible("out_of_range", "no such latitude or longitude exists; send degrees of WGS 84", {})
    if abs(latitude) <= rules.null_island_deg and abs(longitude) <= rules.null_island_deg:
        raise _implausible("null_island", "the device had no fix: it reports latitude 0, longitude 0", {})
    if sample.HasField("quality") and not quality.valid:
        raise _implausible("invalid", "the device itself calls the position invalid or outdated", {})
    if quality.HasField("accuracy_m") and not quality.accuracy_m <= rules.accuracy_m:
        raise _implausible(
            "accuracy", f"the position is uncertain by more than {rules.accuracy_m:g} m",
            {"accuracy_m": f"{quality.accuracy_m:g}"},
        )  # fmt: skip
    if position.HasField("speed_mps") and not position.speed_mps <= rules.speed_mps:
        raise _implausible(
            "speed", f"no vehicle drives faster than {rules.speed_mps:g} m/s; check the unit of speed",
            {"speed_mps": f"{position.speed_mps:g}"},
        )  # fmt: skip


def distance_m(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Return the great-circle distance between two places in metres, by the haversine formula."""
    phi, other_phi = math.radians(latitude), math.radians(other_latitude)
    half_lat = math.sin((other_phi - phi) / 2)
    half_lon = math.sin(math.radians(other_longitude - longitude) / 2)
    a = half_lat * half_lat + math.cos(phi) * math.cos(other_phi) * half_lon * half_lon
    return 2 * _EARTH_M * math.asin(math.sqrt(min(1.0, a)))


@dataclass(frozen=True, slots=True)
class _Seen:
    at: float
    latitude: float
    longitude: float


@dataclass(slots=True)
class _Memory:
    believed: deque[_Seen] = field(default_factory=lambda: deque(maxlen=32))
    doubted: list[_Seen] = field(default_factory=list)


class JumpGuard:
    """Doubts positions to which their device could not have moved from those believed nearby in time.

    A device that was wrong first would condemn all that is right afterwards, so three doubted positions in a row that
    agree with each other are believed, and what was believed before is forgotten. Bounded; holds nothing that a
    restart may not lose.
    """

    def __init__(self, rules: FilterRules, most_devices: int = 20_000) -> None:
        self._rules = rules
        self._most = most_devices
        self._memories: OrderedDict[str, _Memory] = OrderedDict()

    def check(self, device: str, sample: TelemetrySample) -> None:
        """Raise InvalidArgument with POSITION_IMPLAUSIBLE where the position is a jump, else believe it."""
        point = sample.position.point
        seen = _Seen(sample.occur_time.ToNanoseconds() / 1e9, point.latitude, point.longitude)
        memory = self._memories.pop(device, None) or _Memory()
        self._memories[device] = memory
        while len(self._memories) > self._most:
            self._memories.popitem(last=False)
        near = min(memory.believed, key=lambda other: abs(other.at - seen.at), default=None)
        if near is None or self._reachable(near, seen):
            memory.believed.append(seen)
            memory.doubted.clear()
            return
        if memory.doubted and not self._reachable(memory.doubted[-1], seen):
            memory.doubted.clear()
        memory.doubted.append(seen)
        if len(memory.doubted) < 3:
            raise _implausible("jump", "the vehicle cannot have moved so far in so short a time", {})
        memory.believed.clear()
        memory.believed.extend(memory.doubted)
        memory.doubted.clear()

    def _reachable(self, one: _Seen, other: _Seen) -> bool:
        moved = distance_m(one.latitude, one.longitude, other.latitude, other.longitude)
        return moved <= max(self._rules.jump_m, self._rules.jump_mps * abs(other.at - one.at))


def _implausible(rule: str, message: str, metadata: Mapping[str, str]) -> InvalidArgument:
    return InvalidArgument(
        message, field="position", rule=rule, reason="POSITION_IMPLAUSIBLE", metadata={"rule": rule, **metadata}
    )


def _stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
