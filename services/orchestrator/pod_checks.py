"""What a proof of delivery must fulfil before billing may stand on it (pure).

The rules are those of domain reference 2.8, their limits the policy's. What nobody knows is not held against a proof,
with one exception: that the vehicle was there must be known from somebody, by an arrival that was seen or by the place
that the proof itself names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from logistics.load.v1 import Load, LoadState, Stop, StopKind, StopState
from logistics.order.v1 import CheckResult
from logistics.pod.v1 import (
    Artifact,
    ArtifactKind,
    PodCheck,
    PodCheckKind,
    PodLine,
    PodMethod,
    ProofOfDelivery,
)
from logistics.process.v1 import ProcessPolicy
from logistics.type.v1 import Classifier, GeoPoint
from services.orchestrator.quantities import ZERO, decimal_of, total

_BEFORE_ARRIVAL = timedelta(minutes=15)
_AFTER_DEPARTURE = timedelta(hours=24)
_DISTANCE_M = 500
_EARTH_RADIUS_M = 6_371_008.8
_METHODS = frozenset({PodMethod.POD_METHOD_SIGNATURE, PodMethod.POD_METHOD_PHOTO})
_SHOWN_BY = {
    PodMethod.POD_METHOD_SIGNATURE: ArtifactKind.ARTIFACT_KIND_SIGNATURE,
    PodMethod.POD_METHOD_PHOTO: ArtifactKind.ARTIFACT_KIND_PHOTO,
    PodMethod.POD_METHOD_PAPER_SCAN: ArtifactKind.ARTIFACT_KIND_DOCUMENT,
}
_GIVEN_UP = frozenset({StopState.STOP_STATE_CANCELLED, StopState.STOP_STATE_SKIPPED, StopState.STOP_STATE_FAILED})
_NOT_DRIVING = frozenset(
    {
        LoadState.LOAD_STATE_DRAFT,
        LoadState.LOAD_STATE_PLANNED,
        LoadState.LOAD_STATE_TENDERED,
        LoadState.LOAD_STATE_TENDER_DECLINED,
        LoadState.LOAD_STATE_TENDER_EXPIRED,
        LoadState.LOAD_STATE_COUNTERED,
        LoadState.LOAD_STATE_ACCEPTED,
        LoadState.LOAD_STATE_ASSIGNED,
        LoadState.LOAD_STATE_CANCELLED,
    }
)


def check_pod(pod: ProofOfDelivery, load: Load, policy: ProcessPolicy) -> list[PodCheck]:
    """Return every check of a proof against its load, passed or failed; the stop's own checks need the stop."""
    stop = next((stop for stop in load.stops if stop.stop_id == pod.stop_id), None)
    checks = [_check(PodCheckKind.POD_CHECK_KIND_STOP_EXPECTED, _unexpected(load, stop))]
    if stop is not None:
        checks += [
            _check(PodCheckKind.POD_CHECK_KIND_LINES_ADD_UP, _wrong_lines(pod, stop)),
            _check(PodCheckKind.POD_CHECK_KIND_CAPTURE_TIME, _untimely(pod, stop, policy)),
            _check(PodCheckKind.POD_CHECK_KIND_PLACE, _misplaced(pod, stop, policy)),
        ]
    return [
        *checks,
        _check(PodCheckKind.POD_CHECK_KIND_SIGNER, _unsigned(pod, policy)),
        _check(PodCheckKind.POD_CHECK_KIND_ARTIFACTS, _missing_files(pod)),
        _check(PodCheckKind.POD_CHECK_KIND_METHOD, _weak_method(pod, policy)),
    ]


def distance_m(one: GeoPoint, other: GeoPoint) -> float:
    """Return the great-circle distance of two points, in metres."""
    north, south = math.radians(one.latitude), math.radians(other.latitude)
    half_height = math.sin((south - north) / 2) ** 2
    half_width = math.sin(math.radians(other.longitude - one.longitude) / 2) ** 2
    return 2 * _EARTH_RADIUS_M * math.asin(math.sqrt(half_height + math.cos(north) * math.cos(south) * half_width))


def _check(kind: PodCheckKind.ValueType, wrong: str) -> PodCheck:
    result = CheckResult.CHECK_RESULT_FAIL if wrong else CheckResult.CHECK_RESULT_PASS
    return PodCheck(kind=kind, result=result, message=wrong[:2000])


def _unexpected(load: Load, stop: Stop | None) -> str:
    if stop is None:
        return f"load {load.load_id} has no such stop; name the stop of the delivery"
    if stop.kind != StopKind.STOP_KIND_DELIVERY:
        return f"stop {stop.stop_id} is no delivery; name the stop of the delivery"
    if stop.state in _GIVEN_UP:
        return f"stop {stop.stop_id} is {StopState.Name(stop.state)}; nothing is delivered there"
    if load.state in _NOT_DRIVING:
        return f"load {load.load_id} is {LoadState.Name(load.state)}; nothing can have been delivered yet"
    return ""


def _wrong_lines(pod: ProofOfDelivery, stop: Stop) -> str:
    expected = {(task.order_id, task.line_id): task.expected for task in stop.tasks}
    seen = [(line.order_id, line.line_id) for line in pod.lines]
    wrong = [f"line {line_id} is named twice" for _, line_id in _repeated(seen)]
    wrong += [f"line {key[1]} is not told of" for key in expected if key not in set(seen)]
    for line in pod.lines:
        task = expected.get((line.order_id, line.line_id))
        if task is None:
            wrong.append(f"line {line.line_id} of order {line.order_id} is not delivered here")
            continue
        if line.delivered.unit_code != task.unit_code:
            wrong.append(f"line {line.line_id} is counted in {task.unit_code}, not {line.delivered.unit_code}")
        wrong += _wrong_sums(line)
    return "; ".join(wrong)


def _wrong_sums(line: PodLine) -> list[str]:
    parts = (decimal_of(line.accepted), decimal_of(line.rejected))
    wrong = []
    if min(*parts, decimal_of(line.delivered)) < ZERO:
        wrong.append(f"line {line.line_id} has a negative quantity")
    if total(parts) != decimal_of(line.delivered):
        told = f"{line.delivered.value} delivered, {line.accepted.value} accepted, {line.rejected.value} rejected"
        wrong.append(f"line {line.line_id} does not add up: {told}")
    if parts[1] > ZERO and not line.reason:
        wrong.append(f"line {line.line_id} is refused without a reason")
    return wrong


def _repeated(keys: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    seen: set[tuple[str, str]] = set()
    twice = []
    for key in keys:
        if key in seen:
            twice.append(key)
        seen.add(key)
    return twice


def _untimely(pod: ProofOfDelivery, stop: Stop, policy: ProcessPolicy) -> str:
    captured = pod.capture_time.ToNanoseconds()
    # An arrival inferred from the departure says nothing about when the vehicle really came.
    if stop.HasField("arrival") and stop.arrival.classifier != Classifier.CLASSIFIER_INFERRED:
        early = _span(policy.pod_before_arrival, _BEFORE_ARRIVAL)
        if captured < stop.arrival.time.ToNanoseconds() - early:
            return f"captured at {pod.capture_time.ToJsonString()}, long before the arrival at the stop"
    if stop.HasField("departure"):
        late = _span(policy.pod_after_departure, _AFTER_DEPARTURE)
        if captured > stop.departure.time.ToNanoseconds() + late:
            return f"captured at {pod.capture_time.ToJsonString()}, long after the departure from the stop"
    return ""


def _span(told: Duration, otherwise: timedelta) -> int:
    """Return a span of the policy in nanoseconds; an unset one is the default."""
    return told.ToNanoseconds() or int(otherwise.total_seconds()) * 1_000_000_000


def _misplaced(pod: ProofOfDelivery, stop: Stop, policy: ProcessPolicy) -> str:
    if not stop.location.HasField("point"):
        return ""
    if not pod.HasField("point"):
        if PodMethod.POD_METHOD_EDI_ONLY in pod.methods and PodMethod.POD_METHOD_EDI_ONLY in policy.pod_methods:
            # A carrier's message names no place; whether its word is enough, the policy has said.
            return ""
        seen = stop.HasField("arrival") and stop.arrival.classifier != Classifier.CLASSIFIER_INFERRED
        return "" if seen else "nobody saw the vehicle arrive, and the proof names no place; send where it was captured"
    limit = policy.pod_distance_m or _DISTANCE_M
    away = distance_m(pod.point, stop.location.point)
    return f"captured {away:.0f} m from the stop, more than {limit} m" if away > limit else ""


def _unsigned(pod: ProofOfDelivery, policy: ProcessPolicy) -> str:
    return "nobody is named who signed" if policy.signer_required and not pod.signer_name.strip() else ""


def _missing_files(pod: ProofOfDelivery) -> str:
    shown = {artifact.kind for artifact in pod.artifacts}
    wrong = [
        f"{artifact.object_name or 'a file'} has no digest or no bytes"
        for artifact in pod.artifacts
        if _hollow(artifact)
    ]
    for method in pod.methods:
        needed = _SHOWN_BY.get(method)
        if needed is not None and needed not in shown:
            wrong.append(f"{PodMethod.Name(method)} is claimed without its file")
    return "; ".join(wrong)


def _hollow(artifact: Artifact) -> bool:
    return not artifact.object_name or not artifact.sha256 or artifact.size_bytes < 1


def _weak_method(pod: ProofOfDelivery, policy: ProcessPolicy) -> str:
    enough = frozenset(policy.pod_methods) or _METHODS
    if enough & frozenset(pod.methods):
        return ""
    return "the policy asks for one of " + ", ".join(sorted(PodMethod.Name(method) for method in enough))
