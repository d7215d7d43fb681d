"""Positions over HTTP, good and dirty: each is answered clearly, kept raw, and changes nothing twice."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from gladhand.testing import eventually
from tests.adapters.edge.conftest import Edge, Start
from tests.adapters.edge.harness import Fleet, Streams, now, osmand_query, traccar_position


async def test_osmand_is_stored_raw_and_published_for_its_vehicle(edge: Edge, streams: Streams) -> None:
    answer = await edge.http.get("/osmand", params=osmand_query())
    assert answer.status_code == 200, answer.text
    assert answer.json()["results"][0]["outcome"] == "ACCEPTED"

    (raw,) = await streams.inbox()
    assert raw.subject == "logistics.inbox.us.osmand"
    assert b"id=truck-1" in raw.payload
    assert raw.headers["Gladhand-Protocol"] == "osmand"
    (position,) = await streams.positions()
    assert position.vehicle_id == "V1"
    assert position.position.speed_mps == pytest.approx(5.144)
    assert position.provenance.raw_reference == answer.json()["inbox"] == f"inbox:{raw.sequence}"
    assert position.receive_time.ToNanoseconds() > position.occur_time.ToNanoseconds()


async def test_osmand_speaks_form_and_json_too(edge: Edge, streams: Streams) -> None:
    at = now() - timedelta(minutes=5)
    form = await edge.http.post("/osmand", data=osmand_query(at=at))
    body = {
        "device_id": "truck-1",
        "location": {
            "timestamp": (at + timedelta(seconds=1)).isoformat(),
            "coords": {"latitude": 39.7393, "longitude": -104.99, "speed": 3.5, "heading": -1, "accuracy": 9},
            "battery": {"level": 0.42, "is_charging": False},
        },
    }
    other = await edge.http.post("/osmand", json=body)
    assert (form.status_code, other.status_code) == (200, 200)
    first, second = await streams.positions()
    assert first.position.speed_mps == pytest.approx(5.144)
    assert second.position.speed_mps == pytest.approx(3.5)
    assert second.position.battery_percent == pytest.approx(42)
    assert not second.position.HasField("heading_deg")


async def test_a_position_sent_again_is_answered_quietly_and_changes_nothing(edge: Edge, streams: Streams) -> None:
    at = now() - timedelta(minutes=5)
    for _ in range(3):
        assert (await edge.http.get("/osmand", params=osmand_query(at=at))).status_code == 200
    # The same fields in another order are other bytes, and the same position.
    reordered = dict(reversed(osmand_query(at=at).items()))
    answer = await edge.http.get("/osmand", params=reordered)
    assert answer.json()["results"][0]["outcome"] == "DUPLICATE"
    assert len(await streams.positions()) == 1
    assert len(await streams.inbox()) == 2
    assert await streams.quarantined() == []


async def test_the_same_id_with_other_content_is_a_conflict(edge: Edge, streams: Streams) -> None:
    at = now() - timedelta(minutes=5)
    assert (await edge.http.post("/traccar", json=traccar_position(5, at))).status_code == 200
    answer = await edge.http.post("/traccar", json=traccar_position(5, at, latitude=39.74))
    assert answer.status_code == 409
    assert answer.json()["reason"] == "MESSAGE_CONFLICT"
    assert await streams.reasons() == ["MESSAGE_CONFLICT"]
    assert len(await streams.positions()) == 1


async def test_out_of_order_and_buffered_positions_are_taken_each_with_its_own_attributes(
    edge: Edge, streams: Streams
) -> None:
    at = now() - timedelta(hours=3)
    new = traccar_position(2, at + timedelta(hours=2), attributes={"driverUniqueId": "D-new", "ignition": True})
    late = traccar_position(1, at, attributes={"archive": True})
    for message in (new, late):
        assert (await edge.http.post("/traccar", json=message)).status_code == 200
    first, second = await streams.positions()
    assert first.driver_reference == "D-new"
    assert second.driver_reference == ""
    assert not second.position.HasField("ignition_on")
    assert second.quality.buffered
    assert second.occur_time.ToNanoseconds() < first.occur_time.ToNanoseconds()


DIRTY: list[tuple[dict[str, Any], int, str]] = [
    ({"lat": 0, "lon": 0}, 400, "POSITION_IMPLAUSIBLE"),
    ({"lat": 123.456}, 400, "POSITION_IMPLAUSIBLE"),
    ({"timestamp": 3600}, 400, "POSITION_IMPLAUSIBLE"),
    ({"timestamp": int(now().timestamp()) + 86_400}, 400, "FUTURE_DATED"),
    ({"valid": "false"}, 400, "POSITION_IMPLAUSIBLE"),
    ({"accuracy": 9000}, 400, "POSITION_IMPLAUSIBLE"),
    ({"speed": 400}, 400, "POSITION_IMPLAUSIBLE"),
    ({"lat": "north"}, 400, "MALFORMED_MESSAGE"),
    ({"timestamp": None}, 400, "MALFORMED_MESSAGE"),
    ({"id": "nobody"}, 404, "DEVICE_UNKNOWN"),
]


async def test_dirty_positions_are_refused_with_a_reason_and_quarantined(edge: Edge, streams: Streams) -> None:
    for changes, status, reason in DIRTY:
        answer = await edge.http.get("/osmand", params=osmand_query(**changes))
        assert answer.status_code == status, (changes, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (problem["reason"], problem["status"]) == (reason, status)
        assert problem["detail"]
    assert await streams.positions() == []
    assert len(await streams.inbox()) == len(DIRTY)
    assert await streams.reasons() == sorted(reason for _, _, reason in DIRTY)
    letter = (await streams.quarantined())[0]
    assert (letter.stream, letter.consumer) == ("INBOX", "edge-inbox")
    assert letter.sequence > 0


async def test_malformed_json_is_refused_with_its_place_and_kept(edge: Edge, streams: Streams) -> None:
    answer = await edge.http.post("/traccar", content=b'{"position": {', headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["metadata"]["at"] == "line 1 column 15"
    (raw,) = await streams.inbox()
    assert raw.payload == b'{"position": {'
    assert await streams.reasons() == ["MALFORMED_MESSAGE"]


async def test_a_batch_is_answered_item_by_item(edge: Edge, streams: Streams) -> None:
    at = now() - timedelta(minutes=30)

    def location(seconds: int, latitude: float) -> dict[str, Any]:
        stamp = (at + timedelta(seconds=seconds)).isoformat()
        return {"timestamp": stamp, "coords": {"latitude": latitude, "longitude": -104.99}}

    body = {"device_id": "truck-1", "location": [location(0, 39.7), location(9, 95.0), location(3, 39.7001)]}
    answer = await edge.http.post("/osmand", json=body)
    assert answer.status_code == 200
    outcomes = [(item["outcome"], item.get("reason")) for item in answer.json()["results"]]
    assert outcomes == [("ACCEPTED", None), ("REFUSED", "POSITION_IMPLAUSIBLE"), ("ACCEPTED", None)]
    assert len(await streams.positions()) == 2
    (letter,) = await streams.quarantined()
    assert "1 of 3 samples" in letter.reason


async def test_a_replayed_dead_letter_goes_through_once_its_device_is_paired(
    edge: Edge, streams: Streams, fleet: Fleet
) -> None:
    assert (await edge.http.get("/osmand", params=osmand_query("late-1"))).status_code == 404
    (letter,) = await streams.quarantined()
    fleet.vehicles["osmand", "late-1"] = "V2"
    # What was unknown a moment ago is not asked for again at once; another hour is another question.
    other = osmand_query("late-1", at=now() - timedelta(hours=5))
    assert (await edge.http.get("/osmand", params=other)).status_code == 200
    await eventually(lambda: _replayed(streams, letter.letter_id))


async def _replayed(streams: Streams, letter_id: int) -> bool:
    letters = await streams.quarantined()
    for letter in letters:
        await streams.letters.replay(letter.letter_id)
    return len(await streams.positions()) == 2 and await streams.quarantined() == []


async def test_a_device_is_matched_to_the_vehicle_of_its_time(start: Start, fleet: Fleet, streams: Streams) -> None:
    fleet.paired_from = now() - timedelta(hours=1)
    edge = await start()
    assert (await edge.http.get("/osmand", params=osmand_query())).status_code == 200
    before = await edge.http.get("/osmand", params=osmand_query(at=now() - timedelta(hours=2)))
    assert before.status_code == 404
    assert before.json()["reason"] == "DEVICE_UNKNOWN"


async def test_too_large_a_body_is_turned_away(start: Start) -> None:
    edge = await start(most_telemetry_bytes=1024)
    answer = await edge.http.post("/traccar", content=json.dumps({"x": "y" * 5000}))
    assert answer.status_code == 413
    assert answer.json()["reason"] == "FILE_REFUSED"


async def test_pairings_are_asked_for_once_and_kept(edge: Edge, fleet: Fleet) -> None:
    at = now() - timedelta(minutes=20)
    for seconds in range(5):
        await edge.http.get("/osmand", params=osmand_query(at=at + timedelta(seconds=seconds)))
    assert fleet.asked == 1
