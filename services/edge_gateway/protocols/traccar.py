"""What a Traccar server forwards as JSON: positions, and events of devices (pure).

Speed is in knots, `hours` in milliseconds, temperatures in degrees Celsius, `fuelLevel` in percent; `fuel` is left
out, since Traccar's own units for it differ by device. `outdated` marks a copy of an older place: it counts as
invalid, so that no attribute of one moment is ever joined to the place of another (domain reference 3.7 rule 8).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gladhand.errors import InvalidArgument
from logistics.fleet.v1 import (
    METRIC_AMBIENT_TEMPERATURE,
    METRIC_BATTERY_VOLTAGE,
    METRIC_CARGO_TEMPERATURE,
    METRIC_ENGINE_HOURS,
    METRIC_ENGINE_SPEED,
    METRIC_FUEL_LEVEL,
    METRIC_FUEL_USED,
    METRIC_HUMIDITY,
    SAMPLE_SOURCE_ECM,
    SAMPLE_SOURCE_SENSOR,
    STATE_SUBJECT_ALARM,
    STATE_SUBJECT_CONNECTION,
    STATE_SUBJECT_IGNITION,
    STATE_SUBJECT_MOTION,
    STATE_SUBJECT_OTHER,
    DeviceReference,
    Metric,
    Reading,
    SampleQuality,
    SampleSource,
    StateChange,
    StateSubject,
    TelemetrySample,
)
from services.edge_gateway.protocols.fields import Fields, device_id_of, malformed, read_json
from services.edge_gateway.protocols.motion import Motion
from services.edge_gateway.report import Report
from services.edge_gateway.units import knots_to_mps, quantity

__all__ = ["PROVIDER", "parse"]

PROVIDER = "traccar"

_Measure = tuple["Metric.ValueType", str, float, "SampleSource.ValueType"]
_MEASURES: Mapping[str, _Measure] = {
    "hours": (METRIC_ENGINE_HOURS, "SEC", 0.001, SAMPLE_SOURCE_ECM),
    "fuelLevel": (METRIC_FUEL_LEVEL, "P1", 1.0, SAMPLE_SOURCE_ECM),
    "fuelUsed": (METRIC_FUEL_USED, "LTR", 1.0, SAMPLE_SOURCE_ECM),
    "rpm": (METRIC_ENGINE_SPEED, "RPM", 1.0, SAMPLE_SOURCE_ECM),
    "power": (METRIC_BATTERY_VOLTAGE, "VLT", 1.0, SAMPLE_SOURCE_ECM),
    "humidity": (METRIC_HUMIDITY, "P1", 1.0, SAMPLE_SOURCE_SENSOR),
    "deviceTemp": (METRIC_AMBIENT_TEMPERATURE, "CEL", 1.0, SAMPLE_SOURCE_SENSOR),
    **{f"temp{n}": (METRIC_CARGO_TEMPERATURE, "CEL", 1.0, SAMPLE_SOURCE_SENSOR) for n in range(1, 9)},
}
"""Attribute -> metric, unit code, factor into that unit, source."""

_SWITCHES: Mapping[str, tuple[StateSubject.ValueType, bool]] = {
    "deviceOnline": (STATE_SUBJECT_CONNECTION, True),
    "deviceOffline": (STATE_SUBJECT_CONNECTION, False),
    "deviceMoving": (STATE_SUBJECT_MOTION, True),
    "deviceStopped": (STATE_SUBJECT_MOTION, False),
    "ignitionOn": (STATE_SUBJECT_IGNITION, True),
    "ignitionOff": (STATE_SUBJECT_IGNITION, False),
}


def parse(body: bytes, media_type: str = "application/json") -> list[Report]:
    """Return the reports in a forwarded message: the position first, then the readings that came with it.

    Raises InvalidArgument with reason MALFORMED_MESSAGE.
    """
    del media_type  # Traccar forwards nothing but JSON
    root = Fields(read_json(body))
    owner = root.fields("device")
    name = device_id_of(owner.raw("uniqueId"), owner.name("uniqueId"))
    device = DeviceReference(provider=PROVIDER, device_id=name)
    if root.has("event"):
        return [Report(device, _event(root.fields("event")))]
    if not root.has("position"):
        raise malformed("position", "is missing", "forward positions or events as JSON")
    return [Report(device, sample) for sample in _samples(root.fields("position"))]


def _samples(position: Fields) -> Iterator[TelemetrySample]:
    message_id = _own_id(position)
    attributes = position.maybe_fields("attributes") or Fields({})
    outdated = position.maybe_boolean("outdated") or False
    valid = position.maybe_boolean("valid")
    speed = position.maybe_number("speed")
    motion = Motion(
        occurred=position.moment("fixTime" if position.has("fixTime") else "deviceTime"),
        latitude=position.number("latitude"),
        longitude=position.number("longitude"),
        speed_mps=None if speed is None else knots_to_mps(speed),
        heading=position.maybe_number("course"),
        altitude_m=position.maybe_number("altitude"),
        accuracy_m=position.maybe_number("accuracy"),
        odometer_m=_maybe(attributes, "odometer"),
        battery_percent=_maybe(attributes, "batteryLevel"),
        ignition_on=_switch(attributes, "ignition"),
        valid=valid is not False and not outdated,
        buffered=_switch(attributes, "archive") or False,
        message_id=message_id,
        recorded=position.maybe_moment("serverTime" if position.has("serverTime") else "deviceTime"),
        driver=_driver(attributes),
    )
    place = motion.sample()
    yield place
    for name, measure in _MEASURES.items():
        value = _maybe(attributes, name)
        if value is not None:
            yield from _reading(place, position, name, value, measure)


def _reading(
    place: TelemetrySample, position: Fields, name: str, value: float, measure: _Measure
) -> Iterator[TelemetrySample]:
    metric, unit, factor, source = measure
    amount = quantity(value * factor, unit)
    if amount is None:
        return
    sample = TelemetrySample(
        provider_message_id=f"{place.provider_message_id}/{name}" if place.provider_message_id else "",
        driver_reference=place.driver_reference,
        quality=SampleQuality(valid=True, source=source, buffered=place.quality.buffered),
        reading=Reading(metric=metric, value=amount, sensor_id=name if name.startswith("temp") else ""),
    )
    # The sensor was read when the device reported, which is later than an outdated fix.
    sample.occur_time.FromDatetime(position.moment("deviceTime" if position.has("deviceTime") else "fixTime"))
    if place.HasField("record_time"):
        sample.record_time.CopyFrom(place.record_time)
    yield sample


def _event(event: Fields) -> TelemetrySample:
    kind = event.text("type", 100)
    subject, on = _SWITCHES.get(kind, (STATE_SUBJECT_OTHER, True))
    change = StateChange(subject=subject, on=on, raw_subject=kind if subject == STATE_SUBJECT_OTHER else "")
    if kind == "alarm":
        attributes = event.maybe_fields("attributes") or Fields({})
        change = StateChange(
            subject=STATE_SUBJECT_ALARM, on=True, raw_subject=attributes.maybe_text("alarm", 100) or "alarm"
        )
    own_id = _own_id(event)
    sample = TelemetrySample(
        provider_message_id=f"event/{own_id}" if own_id else "",
        quality=SampleQuality(valid=True),
        state_change=change,
    )
    sample.occur_time.FromDatetime(event.moment("eventTime" if event.has("eventTime") else "serverTime"))
    return sample


def _own_id(stored: Fields) -> str:
    """Traccar's number of a stored record; it sends 0 for what it has not stored."""
    number = stored.maybe_text("id", 40)
    return "" if number == "0" else number


def _maybe(attributes: Fields, name: str) -> float | None:
    """Attributes differ by device: one that is no number must not cost the position."""
    try:
        return attributes.maybe_number(name)
    except InvalidArgument:
        return None


def _switch(attributes: Fields, name: str) -> bool | None:
    try:
        return attributes.maybe_boolean(name)
    except InvalidArgument:
        return None


def _driver(attributes: Fields) -> str:
    try:
        return attributes.maybe_text("driverUniqueId", 128)
    except InvalidArgument:
        return ""
