"""OsmAnd's form and JSON, good and dirty."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest

from gladhand.errors import InvalidArgument
from services.edge_gateway.protocols import osmand
from services.edge_gateway.report import key_of

GOOD = {"id": "T1", "lat": "39.7", "lon": "-104.9", "timestamp": "1767600000"}
AT = datetime.fromtimestamp(1767600000, UTC)


def form(**changes: str | None) -> bytes:
    return urlencode({name: value for name, value in (GOOD | changes).items() if value is not None}).encode()


@pytest.mark.parametrize(
    "stamp",
    ["1767600000", "1767600000000", "1767600000.0", "2026-01-05T08:00:00Z", "2026-01-05T01:00:00-07:00",
     "2026-01-05T08:00:00", "2026-01-05 08:00:00"],
)  # fmt: skip
def test_time_in_every_form_that_trackers_send(stamp: str) -> None:
    report = osmand.parse_form(form(timestamp=stamp))
    assert report.sample.occur_time.ToDatetime(UTC) == AT


def test_all_attributes_and_their_units() -> None:
    body = form(speed="10", bearing="370", altitude="1609.3", accuracy="5", batt="87", ignition="true",
                odometer="123456.7", driverUniqueId="D7", hdop="0.9", valid="1")  # fmt: skip
    report = osmand.parse_form(body)
    position, quality = report.sample.position, report.sample.quality
    assert (report.device.provider, report.device.device_id) == ("osmand", "T1")
    assert position.speed_mps == pytest.approx(10 * 1852 / 3600, abs=0.001)
    assert position.heading_deg == 10
    assert position.altitude_m == 1609.3
    assert quality.accuracy_m == 5
    assert position.battery_percent == 87
    assert position.ignition_on
    assert position.odometer_m == 123457
    assert report.sample.driver_reference == "D7"
    assert quality.valid


def test_what_is_unknown_stays_unset() -> None:
    position = osmand.parse_form(form(speed="-1", bearing="-1", accuracy="-1", batt="-1")).sample.position
    for field in ("speed_mps", "heading_deg", "battery_percent", "altitude_m", "odometer_m", "ignition_on"):
        assert not position.HasField(field), field


def test_other_names_of_the_same_fields() -> None:
    report = osmand.parse_form(b"deviceid=T1&location=39.7,-104.9&timestamp=1767600000&heading=90")
    assert report.sample.position.point.latitude == 39.7
    assert report.sample.position.heading_deg == 90
    assert not osmand.parse_form(form(valid="false")).sample.quality.valid


def test_places_that_do_not_exist_are_left_to_the_filters() -> None:
    assert osmand.parse_form(form(lat="123.456")).sample.position.point.latitude == 123.456


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": None}, "id"),
        ({"id": ""}, "id"),
        ({"id": "   "}, "id"),
        ({"id": "x" * 101}, "id"),
        ({"id": "a\nb"}, "id"),
        ({"lat": None}, "lat"),
        ({"lat": "north"}, "lat"),
        ({"lat": "nan"}, "lat"),
        ({"lon": "inf"}, "lon"),
        ({"lon": "1e999"}, "lon"),
        ({"lat": "١٢"}, "lat"),
        ({"timestamp": None}, "timestamp"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": "-5"}, "timestamp"),
        ({"timestamp": "99999999999999999"}, "timestamp"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "timestamp"),
        ({"speed": "fast"}, "speed"),
        ({"valid": "maybe"}, "valid"),
    ],
)
def test_malformed_forms_are_refused_by_field(changes: dict[str, str | None], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        osmand.parse_form(form(**changes))
    assert refused.value.reason == "MALFORMED_MESSAGE"
    assert refused.value.violations[0].field == field


def location(**more: Any) -> dict[str, Any]:
    coords = {"latitude": 39.7, "longitude": -104.9, "speed": 4.2, "heading": 12.5, "accuracy": 8, "altitude": 1600}
    return {"timestamp": "2026-01-05T08:00:00.000Z", "coords": coords, "is_moving": True, "odometer": 12.4} | more


def test_a_far_future_in_seconds_is_not_taken_for_milliseconds() -> None:
    assert osmand.parse_form(form(timestamp="4102444800")).sample.occur_time.seconds == 4102444800


def test_json_of_a_phone_app() -> None:
    root = {"device_id": "T1", "location": location(battery={"level": 0.5, "is_charging": True}, uuid="u-1")}
    (report,) = osmand.parse(json.dumps(root).encode(), "application/json")
    assert report.sample.position.speed_mps == 4.2
    assert report.sample.position.battery_percent == 50
    assert report.sample.position.odometer_m == 12
    assert key_of(report).name == "osmand/T1/id:u-1"


def test_json_of_many_locations_and_without_its_media_type() -> None:
    root = {"device_id": 17, "location": [location(), location(timestamp=1767600060)]}
    reports = osmand.parse(json.dumps(root).encode(), "")
    assert [report.device.device_id for report in reports] == ["17", "17"]
    assert reports[1].sample.occur_time.seconds == 1767600060


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"device_id":"T1"}', b'{"device_id":"T1","location":[]}', b"\xff\xfe{",
     b'{"device_id":"T1","location":{"timestamp":"2026-01-05T08:00:00Z"}}', b'{"device_id":"\\ud800","location":{}}',
     b'{"device_id":"T1","location":{"coords":{"latitude":NaN}}}', b"{" * 10_000,
     b'{"device_id":' + b"9" * 5000 + b"}"],
)  # fmt: skip
def test_malformed_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidArgument) as refused:
        osmand.parse(body, "application/json")
    assert refused.value.reason == "MALFORMED_MESSAGE"


def test_the_key_is_the_content_and_not_the_order_of_fields() -> None:
    first = osmand.parse_form(b"id=T1&lat=39.7&lon=-104.9&timestamp=1767600000")
    second = osmand.parse_form(b"timestamp=1767600000000&lon=-104.9&lat=39.7&id=T1")
    other = osmand.parse_form(b"id=T1&lat=39.7&lon=-104.9&timestamp=1767600001")
    assert key_of(first) == key_of(second)
    assert key_of(first).id != key_of(other).id
