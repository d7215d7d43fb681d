"""What Traccar forwards, good and dirty."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gladhand.errors import InvalidArgument
from logistics.fleet.v1 import (
    METRIC_CARGO_TEMPERATURE,
    METRIC_ENGINE_HOURS,
    STATE_SUBJECT_ALARM,
    STATE_SUBJECT_IGNITION,
    STATE_SUBJECT_OTHER,
)
from services.edge_gateway.protocols import traccar
from services.edge_gateway.report import key_of

POSITION: dict[str, Any] = {
    "id": 9007199254740993,
    "protocol": "teltonika",
    "serverTime": "2026-01-05T08:00:05.000+00:00",
    "deviceTime": "2026-01-05T08:00:01.000+00:00",
    "fixTime": "2026-01-05T08:00:00.000+00:00",
    "outdated": False,
    "valid": True,
    "latitude": 39.7,
    "longitude": -104.9,
    "altitude": 1609.0,
    "speed": 20.0,
    "course": 359.9,
    "accuracy": 0.0,
    "attributes": {"odometer": 1000, "ignition": True, "batteryLevel": 55},
}
DEVICE = {"id": 3, "uniqueId": "860000000000001", "name": "Truck"}


def parse(changes: dict[str, Any] | None = None, attributes: dict[str, Any] | None = None) -> list[Any]:
    position = POSITION | (changes or {})
    if attributes is not None:
        position["attributes"] = attributes
    return traccar.parse(json.dumps({"position": position, "device": DEVICE}).encode())


def test_a_position_with_its_clocks_and_units() -> None:
    (report,) = parse()
    sample, position = report.sample, report.sample.position
    assert report.device.device_id == "860000000000001"
    assert position.speed_mps == pytest.approx(10.289, abs=0.001)
    assert (position.odometer_m, position.battery_percent, position.ignition_on) == (1000, 55, True)
    assert sample.occur_time.ToJsonString() == "2026-01-05T08:00:00Z"
    assert sample.record_time.ToJsonString() == "2026-01-05T08:00:05Z"
    assert not sample.quality.HasField("accuracy_m"), "Traccar's 0 means that nobody told"
    assert key_of(report).name == "traccar/860000000000001/id:9007199254740993"


def test_an_outdated_position_is_no_position_of_this_moment() -> None:
    assert not parse({"outdated": True})[0].sample.quality.valid
    assert not parse({"valid": False})[0].sample.quality.valid


def test_a_buffered_position_says_so_and_has_its_own_driver() -> None:
    (report,) = parse(attributes={"archive": True, "driverUniqueId": "D1"})
    assert report.sample.quality.buffered
    assert report.sample.driver_reference == "D1"
    assert parse(attributes={})[0].sample.driver_reference == ""


def test_measurements_become_readings_in_canonical_units() -> None:
    _, hours, temperature = parse(attributes={"hours": 3_600_500, "temp1": -18.25, "fuel": 80, "rpm": "broken"})
    assert hours.sample.reading.metric == METRIC_ENGINE_HOURS
    assert (hours.sample.reading.value.value, hours.sample.reading.value.unit_code) == ("3600.5", "SEC")
    reading = temperature.sample.reading
    assert (reading.metric, reading.value.value, reading.sensor_id) == (METRIC_CARGO_TEMPERATURE, "-18.25", "temp1")
    assert key_of(hours).id != key_of(temperature).id


def test_a_position_without_an_id_is_known_by_its_content() -> None:
    (first,), (again,), (other,) = parse({"id": 0}), parse({"id": 0}), parse({"id": 0, "latitude": 39.8})
    assert key_of(first) == key_of(again)
    assert key_of(first).name != key_of(other).name


@pytest.mark.parametrize(
    ("event", "subject", "on", "raw"),
    [
        ({"type": "ignitionOff"}, STATE_SUBJECT_IGNITION, False, ""),
        ({"type": "alarm", "attributes": {"alarm": "sos"}}, STATE_SUBJECT_ALARM, True, "sos"),
        ({"type": "geofenceEnter"}, STATE_SUBJECT_OTHER, True, "geofenceEnter"),
    ],
)
def test_events_become_state_changes(event: dict[str, Any], subject: int, on: bool, raw: str) -> None:
    body = {"event": {"id": 4, "eventTime": "2026-01-05T08:00:00Z"} | event, "device": DEVICE, "position": POSITION}
    (report,) = traccar.parse(json.dumps(body).encode())
    change = report.sample.state_change
    assert (change.subject, change.on, change.raw_subject) == (subject, on, raw)
    assert key_of(report).name.endswith("id:event/4")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"position": POSITION},
        {"device": DEVICE},
        {"position": POSITION, "device": {"id": 3}},
        {"position": [POSITION], "device": DEVICE},
        {"position": POSITION | {"latitude": None}, "device": DEVICE},
        {"position": POSITION | {"fixTime": "soon"}, "device": DEVICE},
        {"position": POSITION | {"speed": True}, "device": DEVICE},
        {"position": POSITION | {"attributes": []}, "device": DEVICE},
    ],
)
def test_malformed_messages_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        traccar.parse(json.dumps(body).encode())
    assert refused.value.reason == "MALFORMED_MESSAGE"
    assert refused.value.violations
