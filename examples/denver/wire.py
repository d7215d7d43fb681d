"""What trackers and phones put on the wire: OsmAnd's query, Traccar's forwarded JSON, and the app's form (pure)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from examples.denver.roads import Place
from examples.denver.trip import Fix

_KNOTS_PER_MPS: Final = 3600 / 1852


@dataclass(frozen=True, slots=True)
class Tracker:
    """A device in a vehicle: the protocol it speaks, its own id, and its number at the Traccar server."""

    protocol: str
    device_id: str
    number: int


@dataclass(frozen=True, slots=True)
class Handover:
    """One line at the door, as counted by the driver."""

    order_id: str
    line_id: str
    expected: Decimal
    unit: str
    rejected: Decimal = Decimal(0)
    reason: str = ""


def osmand_query(tracker: Tracker, fix: Fix, moment: dt.datetime) -> dict[str, str]:
    """The query of the OsmAnd protocol: seconds since 1970, knots, degrees."""
    return {
        "id": tracker.device_id,
        "timestamp": str(int(moment.timestamp())),
        "lat": f"{fix.place.latitude:.7f}",
        "lon": f"{fix.place.longitude:.7f}",
        "speed": f"{fix.speed_mps * _KNOTS_PER_MPS:.2f}",
        "bearing": f"{fix.course:.1f}",
        "accuracy": "4.0",
        "batt": "87",
    }


def traccar_json(tracker: Tracker, fix: Fix, moment: dt.datetime, *, buffered: bool) -> dict[str, Any]:
    """What a Traccar server forwards for one position. Its id of a position is the same when it is sent again."""
    when = moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    attributes: dict[str, Any] = {"batteryLevel": 87, "motion": fix.speed_mps > 0.5, "ignition": True}
    if buffered:
        attributes["archive"] = True
    return {
        "device": {"id": tracker.number, "uniqueId": tracker.device_id, "name": tracker.device_id, "status": "online"},
        "position": {
            "id": int(moment.timestamp() * 1000) * 100 + tracker.number,
            "deviceId": tracker.number,
            "protocol": "teltonika",
            "serverTime": when,
            "deviceTime": when,
            "fixTime": when,
            "outdated": False,
            "valid": True,
            "latitude": fix.place.latitude,
            "longitude": fix.place.longitude,
            "altitude": 1609.0,
            "speed": round(fix.speed_mps * _KNOTS_PER_MPS, 3),
            "course": fix.course,
            "accuracy": 4.0,
            "attributes": attributes,
        },
    }


def pod_form(
    stop_id: str, load_id: str, driver_id: str, moment: dt.datetime, place: Place, lines: Sequence[Handover]
) -> str:
    """The form of the driver's app. Its own number of the proof is the stop's: sent again it is the same proof."""
    form: dict[str, Any] = {
        "id": f"app-{stop_id}",
        "stop_id": stop_id,
        "load_id": load_id,
        "captured_at": moment.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "signer": {"name": "R. Roe", "role": "receiving clerk"},
        "position": {"lat": place.latitude, "lon": place.longitude},
        "lines": [_line(line) for line in lines],
        "methods": ["signature", "photo"],
    }
    if driver_id:
        form["driver_id"] = driver_id
    return json.dumps(form)


def _line(line: Handover) -> Mapping[str, str]:
    told = {
        "order_id": line.order_id,
        "line_id": line.line_id,
        "accepted": f"{line.expected - line.rejected:f}",
        "rejected": f"{line.rejected:f}",
        "unit": line.unit,
    }
    return told | ({"reason": line.reason, "note": "torn bags"} if line.rejected else {})
