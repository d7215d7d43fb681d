"""A proof of delivery as a phone app fills it in: a form in JSON, and files that are what they say (pure).

    {"id": "app-17", "stop_id": "018f…", "load_id": "018f…", "captured_at": "2026-01-05T15:04:05Z",
     "driver_id": "D1", "signer": {"name": "R. Roe", "role": "clerk"}, "position": {"lat": 39.7, "lon": -104.9},
     "lines": [{"order_id": "018f…", "line_id": "1", "accepted": "4", "rejected": "1", "unit": "C62",
                "reason": "DAMAGED", "note": "wet"}],
     "temperature_celsius": 4.5, "seals": ["S-1"], "methods": ["signature", "photo"]}

`id` is the app's own number of the proof, `delivered` of a line may be left out (it is accepted and rejected
together), `unit` is a UN/ECE Rec 20 code and C62 (piece) where left out, `methods` adds to what the files show.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from uuid import UUID

from gladhand.errors import FailedPrecondition, InvalidArgument
from logistics.pod.v1 import (
    ARTIFACT_KIND_DOCUMENT,
    ARTIFACT_KIND_PHOTO,
    ARTIFACT_KIND_SIGNATURE,
    POD_METHOD_BARCODE,
    POD_METHOD_PAPER_SCAN,
    POD_METHOD_PHOTO,
    POD_METHOD_PIN,
    POD_METHOD_SIGNATURE,
    Artifact,
    ArtifactKind,
    PodLine,
    PodMethod,
    ProofOfDelivery,
)
from logistics.type.v1 import ACTOR_KIND_DEVICE, ACTOR_KIND_PERSON, Actor, Quantity
from services.edge_gateway.protocols.fields import Fields, malformed, read_json

__all__ = [
    "FileLimits",
    "PodForm",
    "attach",
    "check_file",
    "check_sums",
    "kind_of",
    "object_name",
    "parse",
    "too_large",
]

_SIGNS = (
    (b"\x89PNG\r\n\x1a\n", "image/png", "png"),
    (b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (b"%PDF-", "application/pdf", "pdf"),
)
_EXTENSIONS = {media_type: extension for _, media_type, extension in _SIGNS}
_METHODS = {
    "signature": POD_METHOD_SIGNATURE,
    "photo": POD_METHOD_PHOTO,
    "barcode": POD_METHOD_BARCODE,
    "pin": POD_METHOD_PIN,
    "paper_scan": POD_METHOD_PAPER_SCAN,
}
_SHOWN_BY = {
    ARTIFACT_KIND_SIGNATURE: POD_METHOD_SIGNATURE,
    ARTIFACT_KIND_PHOTO: POD_METHOD_PHOTO,
    ARTIFACT_KIND_DOCUMENT: POD_METHOD_PAPER_SCAN,
}
_AMOUNT = re.compile(r"-?\d{1,18}(\.\d{1,9})?", re.ASCII).fullmatch
_MOST_LINES = 1000


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What files of one proof may be."""

    file_bytes: int = 10 * 1024 * 1024
    total_bytes: int = 30 * 1024 * 1024
    files: int = 20
    form_bytes: int = 256 * 1024


@dataclass(frozen=True, slots=True)
class PodForm:
    """What a form says."""

    message_id: str
    """The app's own number of the proof; empty where it gives none."""
    pod: ProofOfDelivery
    """The proof without id, files and provenance."""


def parse(body: bytes) -> PodForm:
    """Return what a form says. Raises InvalidArgument, FailedPrecondition with POD_LINES_DO_NOT_ADD_UP."""
    form = Fields(read_json(body, "pod"), "pod")
    pod = ProofOfDelivery(stop_id=_uuid(form, "stop_id"))
    if form.has("load_id"):
        pod.load_id = _uuid(form, "load_id")
    pod.capture_time.FromDatetime(form.moment("captured_at"))
    if form.has("driver_id"):
        pod.captured_by.CopyFrom(Actor(kind=ACTOR_KIND_PERSON, id=form.text("driver_id"), role="driver"))
    elif form.has("device_id"):
        pod.captured_by.CopyFrom(Actor(kind=ACTOR_KIND_DEVICE, id=form.text("device_id")))
    signer = form.maybe_fields("signer")
    if signer is not None:
        pod.signer_name = signer.text("name")
        pod.signer_role = signer.maybe_text("role", 100)
    place = form.maybe_fields("position")
    if place is not None:
        pod.point.latitude, pod.point.longitude = _degrees(place, "lat", 90), _degrees(place, "lon", 180)
    if form.has("temperature_celsius"):
        pod.temperature_celsius = form.number("temperature_celsius")
    pod.lines.extend(_line(line) for line in form.items("lines", _MOST_LINES))
    pod.seal_numbers.extend(_texts(form, "seals"))
    add_methods(pod, (_method(form, name) for name in _texts(form, "methods")))
    check_sums(pod)
    return PodForm(form.maybe_text("id", 128), pod)


def check_sums(pod: ProofOfDelivery) -> None:
    """Raise FailedPrecondition where delivered is not accepted and rejected together, or a line is there twice.

    What was expected at the stop is checked by the orchestrator, the form of the amounts by the contract.
    """
    seen: set[tuple[str, str]] = set()
    for line in pod.lines:
        accepted, rejected, delivered = (
            Decimal(q.value or "0") for q in (line.accepted, line.rejected, line.delivered)
        )
        if accepted + rejected != delivered:
            raise FailedPrecondition(
                f"line {line.line_id}: delivered {delivered} is not accepted {accepted} plus rejected {rejected}",
                reason="POD_LINES_DO_NOT_ADD_UP",
                metadata={"line_id": line.line_id, "expected": str(delivered), "found": str(accepted + rejected)},
            )
        if (line.order_id, line.line_id) in seen:
            raise FailedPrecondition(
                f"line {line.line_id} of order {line.order_id} is there twice; send each line once",
                reason="POD_LINES_DO_NOT_ADD_UP",
                metadata={"order_id": line.order_id, "line_id": line.line_id},
            )
        seen.add((line.order_id, line.line_id))


def check_file(field: str, declared: str, content: bytes, limits: FileLimits) -> str:
    """Return the media type that a file's first bytes show. Raises InvalidArgument with FILE_REFUSED.

    A file that is declared as something else than it is gets refused, an empty or unnamed declaration is filled in.
    """
    if len(content) > limits.file_bytes:
        raise too_large(field, limits.file_bytes)
    found = next((media_type for sign, media_type, _ in _SIGNS if content.startswith(sign)), None)
    declared = declared.partition(";")[0].strip().lower().replace("image/jpg", "image/jpeg")
    if found is None or (declared not in {"", "application/octet-stream", found}):
        otherwise = "not" if declared in _EXTENSIONS else "of no kind that is taken"
        content_is = f"is {found or otherwise}"
        shown = f"declared {declared}, but its content {content_is}" if declared else "of an unknown kind"
        raise InvalidArgument(
            f"{field} is {shown}",
            field=field,
            remedy=f"send {', '.join(_EXTENSIONS)}",
            rule="media_type",
            reason="FILE_REFUSED",
            metadata={"field": field, "rule": "media_type", "media_type": declared[:100]},
        )
    return found


def too_large(field: str, limit: int, remedy: str = "send smaller images") -> InvalidArgument:
    """Return the refusal of something that is larger than its limit in bytes."""
    return InvalidArgument(
        f"{field} is larger than {limit} bytes",
        field=field,
        remedy=remedy,
        rule="size",
        reason="FILE_REFUSED",
        metadata={"field": field, "rule": "size", "limit_bytes": str(limit)},
    )


def kind_of(field: str, media_type: str) -> ArtifactKind.ValueType:
    """Return what a file shows, by the name of its form field."""
    if field.lower().startswith("signature"):
        return ARTIFACT_KIND_SIGNATURE
    if media_type == "application/pdf" or field.lower().startswith("document"):
        return ARTIFACT_KIND_DOCUMENT
    return ARTIFACT_KIND_PHOTO


def object_name(sha256: str, media_type: str) -> str:
    """Return a file's name in the object store: the same content is kept once."""
    return f"pod/{sha256}.{_EXTENSIONS[media_type]}"


def add_methods(pod: ProofOfDelivery, methods: Iterable[PodMethod.ValueType]) -> None:
    """Add ways of proving that are not there yet."""
    for method in methods:
        if method not in pod.methods:
            pod.methods.append(method)


def attach(pod: ProofOfDelivery, artifacts: Sequence[Artifact]) -> None:
    """Put the files of a proof in the place of those named in it, and add the ways of proving that they show."""
    del pod.artifacts[:]
    pod.artifacts.extend(artifacts)
    add_methods(pod, (_SHOWN_BY[artifact.kind] for artifact in artifacts))


def _line(line: Fields) -> PodLine:
    unit = line.maybe_text("unit", 3) or "C62"
    accepted, rejected = _amount(line, "accepted"), _amount(line, "rejected") if line.has("rejected") else Decimal(0)
    delivered = _amount(line, "delivered") if line.has("delivered") else accepted + rejected
    reason = line.maybe_text("reason", 100)
    if rejected and not reason:
        raise malformed(line.name("reason"), "is missing", "say why goods were rejected, for example DAMAGED")
    return PodLine(
        order_id=_uuid(line, "order_id"),
        line_id=line.text("line_id", 64),
        delivered=Quantity(value=f"{delivered:f}", unit_code=unit),
        accepted=Quantity(value=f"{accepted:f}", unit_code=unit),
        rejected=Quantity(value=f"{rejected:f}", unit_code=unit),
        reason=reason,
        note=line.maybe_text("note", 1000),
    )


def _amount(line: Fields, key: str) -> Decimal:
    raw = line.raw(key)
    text = str(raw).strip() if isinstance(raw, str | int | Decimal) and not isinstance(raw, bool) else ""
    try:
        amount = Decimal(text) if _AMOUNT(text) else None
    except InvalidOperation:
        amount = None
    if amount is None:
        raise malformed(line.name(key), "is no decimal of at most 18 digits before the point and nine behind it")
    if amount < 0:
        raise InvalidArgument(f"{line.name(key)} is negative", field=line.name(key), remedy="send what was counted")
    return amount


def _uuid(form: Fields, key: str) -> str:
    text = form.text(key, 64)
    try:
        return str(UUID(text))
    except ValueError as error:
        raise malformed(form.name(key), "is no UUID", "send the id that the mesh gave") from error


def _degrees(place: Fields, key: str, most: float) -> float:
    value = place.number(key)
    if abs(value) > most:
        raise malformed(place.name(key), f"lies outside -{most:g} to {most:g}", "send degrees of WGS 84")
    return value


def _texts(form: Fields, key: str) -> list[str]:
    if not form.has(key):
        return []
    found = form.raw(key)
    if not isinstance(found, list) or len(found) > 50:
        raise malformed(form.name(key), "must be a list of at most 50 texts")
    return [Fields({"item": item}, form.name(key)).text("item", 100) for item in found]


def _method(form: Fields, name: str) -> PodMethod.ValueType:
    method = _METHODS.get(name.strip().lower())
    if method is None:
        raise malformed(form.name("methods"), f"holds {name[:40]!a}", f"use {', '.join(_METHODS)}")
    return method
