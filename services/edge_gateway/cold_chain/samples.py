"""The temperatures, setpoints and doors of vehicles, as far as they are still known (pure)."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from typing import Final

from logistics.fleet.v1 import (
    METRIC_CARGO_TEMPERATURE,
    METRIC_RETURN_AIR_TEMPERATURE,
    METRIC_SETPOINT_TEMPERATURE,
    METRIC_SUPPLY_AIR_TEMPERATURE,
    STATE_SUBJECT_DOOR,
    VehicleSample,
)
from services.edge_gateway.cold_chain.judging import Kind, Sample

__all__ = ["ALWAYS", "Samples", "sample_of"]

ALWAYS: Final = -(1 << 62)
"""Before every moment, in nanoseconds since 1970."""

_CELSIUS = "CEL"
_KINDS = {
    METRIC_CARGO_TEMPERATURE: Kind.CARGO,
    METRIC_RETURN_AIR_TEMPERATURE: Kind.RETURN_AIR,
    METRIC_SUPPLY_AIR_TEMPERATURE: Kind.SUPPLY_AIR,
    METRIC_SETPOINT_TEMPERATURE: Kind.SETPOINT,
}
_BY_TIME = attrgetter("at")


def sample_of(told: VehicleSample) -> Sample | None:
    """Return what a stored sample tells about temperatures, None where that is nothing that can be believed."""
    sample = told.sample
    if sample.HasField("quality") and not sample.quality.valid:
        return None
    if sample.HasField("state_change") and sample.state_change.subject == STATE_SUBJECT_DOOR:
        return _sample(told, Kind.DOOR, "", Decimal(int(sample.state_change.on)))
    kind = _KINDS.get(sample.reading.metric) if sample.HasField("reading") else None
    if kind is None or sample.reading.value.unit_code != _CELSIUS:
        return None
    try:
        celsius = Decimal(sample.reading.value.value)
    except InvalidOperation:
        return None
    return _sample(told, kind, sample.reading.sensor_id or sample.reading.zone, celsius)


class Samples:
    """Samples by vehicle, in order of occurrence, each once. Bounded: of each vehicle the newest stay."""

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._kept: dict[str, list[Sample]] = {}
        self._ids: dict[str, set[str]] = {}
        self._known_from: dict[str, int] = {}
        self.lost_before = ALWAYS
        """Samples that were taken before this may be gone from the stream."""

    def add(self, vehicle_id: str, sample: Sample) -> bool:
        """Take in a sample; return whether it is new."""
        ids = self._ids.setdefault(vehicle_id, set())
        if sample.sample_id in ids:
            return False
        kept = self._kept.setdefault(vehicle_id, [])
        ids.add(sample.sample_id)
        insort(kept, sample, key=_BY_TIME)
        if len(kept) > self._most:
            gone = kept.pop(0)
            ids.discard(gone.sample_id)
            self._known_from[vehicle_id] = gone.at + 1
        return True

    def between(self, vehicle_id: str, start: int, end: int | None) -> Iterable[Sample]:
        """Return what a vehicle told between two moments, both included."""
        kept = self._kept.get(vehicle_id, [])
        for index in range(bisect_left(kept, start, key=_BY_TIME), len(kept)):
            if end is not None and kept[index].at > end:
                return
            yield kept[index]

    def known_from(self, vehicle_id: str) -> int:
        """Return since when every sample of a vehicle is still known."""
        return max(self.lost_before, self._known_from.get(vehicle_id, ALWAYS))


def _sample(told: VehicleSample, kind: Kind, sensor: str, celsius: Decimal) -> Sample:
    device = told.device.device_id
    return Sample(
        at=told.sample.occur_time.ToNanoseconds(),
        sample_id=told.sample_id,
        kind=kind,
        sensor=f"{device}:{sensor}" if sensor else device,
        celsius=celsius,
        received=told.sample.receive_time.ToNanoseconds(),
        evidence=told.provenance.raw_reference,
    )
