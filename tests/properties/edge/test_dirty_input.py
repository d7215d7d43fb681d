"""Whatever bytes come in: a report, or a refusal that names its reason. Never anything else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gladhand import validation
from gladhand.errors import FailedPrecondition, InvalidArgument
from services.edge_gateway.filters import FilterRules, JumpGuard, check_sample
from services.edge_gateway.manifest import Manifest
from services.edge_gateway.multipart_form import read_submission
from services.edge_gateway.protocols import osmand, pod_form, traccar
from services.edge_gateway.protocols.motion import Motion
from services.edge_gateway.protocols.pod_form import FileLimits
from services.edge_gateway.report import Report, key_of

RULES = FilterRules()
RECEIVED = datetime(2026, 1, 5, 8, tzinfo=UTC)

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=20)
    | st.sampled_from(["2026-01-05T08:00:00Z", "1767600000", "39.7", "-1", "", "true", "1e400", "\ud800"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
OSMAND = ["id", "deviceid", "lat", "lon", "location", "timestamp", "speed", "bearing", "accuracy", "batt", "valid"]
COORDS = ["latitude", "longitude", "speed", "heading", "accuracy", "altitude"]
TRACCAR = ["id", "fixTime", "deviceTime", "latitude", "longitude", "speed", "course", "valid", "outdated", "attributes"]
POD = ["id", "stop_id", "captured_at", "lines", "signer", "position", "methods", "seals", "driver_id"]


def objects(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), values, max_size=len(names))


def written(root: object) -> bytes:
    return json.dumps(root).encode()


@contextmanager
def refused_as(*reasons: str) -> Iterator[None]:
    """Let refusals for these reasons pass; any other error is a finding."""
    try:
        yield
    except (InvalidArgument, FailedPrecondition) as refused:
        if refused.reason not in reasons:
            raise


def judge(reports: list[Report]) -> None:
    """What was read has a key, breaks no rule but those of places, and the filters have an opinion about it."""
    for report in reports:
        assert key_of(report) == key_of(report)
        with refused_as("POSITION_IMPLAUSIBLE", "FUTURE_DATED"):
            check_sample(report.sample, RECEIVED, RULES)
            validation.check(report.sample)
            validation.check(report.device)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
@example(b"id=1&lat=1&lon=1&timestamp=1767600000&speed=1e300")
@example(b'{"device_id": "1", "location": ' + b"[" * 2000)
def test_parsers_never_crash_on_bytes(body: bytes) -> None:
    for parse in (osmand.parse, traccar.parse):
        with refused_as("MALFORMED_MESSAGE"):
            judge(parse(body, ""))
    for read in (pod_form.parse, Manifest.decode):
        with refused_as("MALFORMED_MESSAGE"):
            read(body)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(OSMAND), st.text(max_size=20) | st.floats().map(str), max_size=11))
def test_osmand_forms(fields: dict[str, str]) -> None:
    body = "&".join(f"{name}={value}" for name, value in fields.items()).encode("utf-8", "surrogatepass")
    with refused_as("MALFORMED_MESSAGE"):
        judge([osmand.parse_form(body)])


@settings(max_examples=80, deadline=None)
@given(objects(COORDS), objects(["timestamp", "battery", "odometer", "uuid", "extras"]))
def test_osmand_json(coords: dict[str, Any], location: dict[str, Any]) -> None:
    root = {"device_id": "T1", "location": location | {"coords": coords}}
    with refused_as("MALFORMED_MESSAGE"):
        judge(osmand.parse(written(root), "application/json"))


@settings(max_examples=200, deadline=None)
@given(
    objects(TRACCAR), objects(["odometer", "temp1", "hours", "ignition", "driverUniqueId", "batteryLevel", "archive"])
)
def test_traccar_json(position: dict[str, Any], attributes: dict[str, Any]) -> None:
    good = {"fixTime": "2026-01-05T08:00:00Z", "latitude": 39.7, "longitude": -104.9, "attributes": attributes}
    for body in ({"position": position}, {"position": good}, {"event": position}):
        with refused_as("MALFORMED_MESSAGE"):
            judge(traccar.parse(written(body | {"device": {"uniqueId": "T1"}})))


@settings(max_examples=80, deadline=None)
@given(objects(POD), objects(["order_id", "line_id", "accepted", "rejected", "delivered", "unit", "reason"]))
def test_pod_forms(form: dict[str, Any], line: dict[str, Any]) -> None:
    for root in (form, form | {"lines": [line]}):
        with refused_as("MALFORMED_MESSAGE", "CONTRACT_VIOLATION", "POD_LINES_DO_NOT_ADD_UP"):
            pod_form.parse(written(root))


numbers = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(numbers, numbers, numbers, numbers, st.integers(0, 10**10)), max_size=8))
def test_filters_never_raise_anything_but_refusals(rows: list[tuple[float, float, float, float, int]]) -> None:
    guard = JumpGuard(RULES, most_devices=2)
    for latitude, longitude, speed, accuracy, second in rows:
        sample = Motion(
            occurred=datetime.fromtimestamp(second, UTC),
            latitude=latitude,
            longitude=longitude,
            speed_mps=speed,
            accuracy_m=accuracy,
        ).sample()
        with refused_as("POSITION_IMPLAUSIBLE", "FUTURE_DATED"):
            check_sample(sample, RECEIVED, RULES)
            guard.check(f"d{second % 3}", sample)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400), st.integers(1, 50))
@example(b"--b\r\nContent-Disposition: form-data; name=pod\r\n\r\n{}\r\n--b--\r\n", 3)
@pytest.mark.asyncio
async def test_multipart_bytes_are_read_or_refused(body: bytes, step: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), step):
            yield body[start : start + step]

    found = await read_submission("multipart/form-data; boundary=b", chunks(), FileLimits(file_bytes=50))
    assert found.broken is None or found.broken.reason in {"MALFORMED_MESSAGE", "FILE_REFUSED"}
