"""The form of a proof and its files."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest

from gladhand import validation
from gladhand.errors import FailedPrecondition, GladhandError, InvalidArgument
from logistics.pod.v1 import (
    ARTIFACT_KIND_DOCUMENT,
    ARTIFACT_KIND_PHOTO,
    ARTIFACT_KIND_SIGNATURE,
    POD_METHOD_PIN,
    POD_METHOD_SIGNATURE,
)
from services.edge_gateway.manifest import FORM_MEDIA_TYPE, KeptFile, Manifest
from services.edge_gateway.protocols import pod_form
from services.edge_gateway.protocols.pod_form import FileLimits, check_file

STOP, ORDER = str(uuid4()), str(uuid4())
LINE: dict[str, Any] = {"order_id": ORDER, "line_id": "1", "accepted": "4", "rejected": 1, "reason": "DAMAGED"}


def form(**changes: Any) -> bytes:
    fields = {
        "stop_id": STOP,
        "captured_at": "2026-01-05T15:04:05Z",
        "driver_id": "D1",
        "signer": {"name": "R. Roe", "role": "clerk"},
        "position": {"lat": 39.7, "lon": -104.9},
        "lines": [LINE],
        "methods": ["signature", "pin"],
        "seals": ["S-1"],
        "temperature_celsius": 4.5,
    } | changes
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def test_a_whole_form() -> None:
    pod = pod_form.parse(form(id="app-1")).pod
    (line,) = pod.lines
    assert (line.delivered.value, line.accepted.value, line.rejected.value) == ("5", "4", "1")
    assert {line.delivered.unit_code} == {"C62"}
    assert (pod.signer_name, pod.captured_by.id, list(pod.seal_numbers)) == ("R. Roe", "D1", ["S-1"])
    assert list(pod.methods) == [POD_METHOD_SIGNATURE, POD_METHOD_PIN]
    assert pod.temperature_celsius == 4.5


@pytest.mark.parametrize(
    ("amount", "kept"), [("1.5", "1.5"), (2, "2"), (0.1, "0.1"), ("0.100000001", "0.100000001"), ("7.0", "7.0")]
)
def test_amounts_stay_decimals(amount: object, kept: str) -> None:
    line = pod_form.parse(form(lines=[LINE | {"accepted": amount, "rejected": 0}])).pod.lines[0]
    assert line.accepted.value == kept


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"stop_id": None}, "MALFORMED_MESSAGE", "pod.stop_id"),
        ({"stop_id": "17"}, "MALFORMED_MESSAGE", "pod.stop_id"),
        ({"captured_at": None}, "MALFORMED_MESSAGE", "pod.captured_at"),
        ({"lines": []}, "MALFORMED_MESSAGE", "pod.lines"),
        ({"lines": "all"}, "MALFORMED_MESSAGE", "pod.lines"),
        ({"lines": [LINE | {"accepted": "-4"}]}, "CONTRACT_VIOLATION", "pod.lines[0].accepted"),
        ({"lines": [LINE | {"accepted": "four"}]}, "MALFORMED_MESSAGE", "pod.lines[0].accepted"),
        ({"lines": [LINE | {"accepted": True}]}, "MALFORMED_MESSAGE", "pod.lines[0].accepted"),
        ({"lines": [LINE | {"accepted": "1e3"}]}, "MALFORMED_MESSAGE", "pod.lines[0].accepted"),
        ({"lines": [LINE | {"reason": None}]}, "MALFORMED_MESSAGE", "pod.lines[0].reason"),
        ({"position": {"lat": 95, "lon": 0}}, "MALFORMED_MESSAGE", "pod.position.lat"),
        ({"methods": ["handshake"]}, "MALFORMED_MESSAGE", "pod.methods"),
        ({"signer": "R. Roe"}, "MALFORMED_MESSAGE", "pod.signer"),
    ],
)
def test_malformed_forms_are_refused_by_field(changes: dict[str, Any], reason: str, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        pod_form.parse(form(**changes))
    assert (refused.value.reason, refused.value.violations[0].field) == (reason, field)


@pytest.mark.parametrize("lines", [[LINE | {"delivered": 6}], [LINE, LINE]])
def test_lines_that_do_not_add_up(lines: list[dict[str, Any]]) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        pod_form.parse(form(lines=lines))
    assert refused.value.reason == "POD_LINES_DO_NOT_ADD_UP"


PNG, JPEG, PDF = b"\x89PNG\r\n\x1a\n..", b"\xff\xd8\xff..", b"%PDF-1.7"


@pytest.mark.parametrize(
    ("content", "declared", "found"),
    [
        (PNG, "image/png", "image/png"),
        (PNG, "", "image/png"),
        (JPEG, "image/jpg", "image/jpeg"),
        (PDF, "application/octet-stream", "application/pdf"),
        (JPEG, "image/png", None),
        (b"<svg>", "image/svg+xml", None),
        (b"", "image/png", None),
    ],
)
def test_files_are_what_their_first_bytes_say(content: bytes, declared: str, found: str | None) -> None:
    if found is not None:
        assert check_file("photo", declared, content, FileLimits()) == found
        return
    with pytest.raises(InvalidArgument) as refused:
        check_file("photo", declared, content, FileLimits())
    assert refused.value.reason == "FILE_REFUSED"


def test_a_file_above_the_limit_is_refused_with_the_limit() -> None:
    with pytest.raises(InvalidArgument) as refused:
        check_file("photo", "image/png", PNG + b"x" * 100, FileLimits(file_bytes=50))
    assert refused.value.metadata["limit_bytes"] == "50"


def test_files_show_what_they_are() -> None:
    assert pod_form.kind_of("signature", "image/png") == ARTIFACT_KIND_SIGNATURE
    assert pod_form.kind_of("photo2", "image/jpeg") == ARTIFACT_KIND_PHOTO
    assert pod_form.kind_of("note", "application/pdf") == ARTIFACT_KIND_DOCUMENT


def kept(field: str = "signature", sha256: str = "a" * 64) -> KeptFile:
    return KeptFile(field, "image/png", sha256, 10, f"pod/{sha256}.png")


def test_a_manifest_reads_back_into_a_proof_that_keeps_the_contract() -> None:
    manifest = Manifest(FORM_MEDIA_TYPE, form(), [kept()])
    reading = Manifest.decode(manifest.encode()).read("pod-app")
    validation.check(reading.pod)
    assert reading.pod.pod_id == reading.key.id
    assert reading.pod.artifacts[0].sha256 == "a" * 64


def test_the_key_is_the_own_number_or_the_content_with_its_files() -> None:
    def key(body: bytes, *files: KeptFile) -> Any:
        return Manifest(FORM_MEDIA_TYPE, body, files).read("pod-app").key

    spaced = json.dumps(json.loads(form()), indent=2).encode()
    assert key(form(), kept()) == key(spaced, kept())
    assert key(form(), kept()).name != key(form(), kept(sha256="b" * 64)).name
    numbered, other = key(form(id="7"), kept()), key(form(id="7"))
    assert numbered.name == other.name == "pod/pod-app/id:7"
    assert numbered.digest != other.digest


def test_a_refused_file_refuses_the_proof_again() -> None:
    told = {"message": "photo is too large", "field": "photo", "rule": "size", "reason": "FILE_REFUSED", "metadata": {}}
    with pytest.raises(InvalidArgument, match="too large") as refused:
        Manifest.decode(Manifest(FORM_MEDIA_TYPE, form(), refusal=told).encode()).read("pod-app")
    assert refused.value.violations[0].rule == "size"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"form": 3}', b'{"form_media_type":"x","form":"","files":[{}]}'])
def test_what_is_no_manifest_is_refused(body: bytes) -> None:
    with pytest.raises(GladhandError) as refused:
        Manifest.decode(body).read("pod-app")
    assert refused.value.reason == "MALFORMED_MESSAGE"


def test_a_file_that_is_not_what_it_is_declared_as_is_told_so() -> None:
    with pytest.raises(InvalidArgument, match="signature is declared image/png, but its content is not"):
        pod_form.check_file("signature", "image/png", b"MZ\x90", pod_form.FileLimits())


def test_what_is_too_large_is_told_what_to_send_less_of() -> None:
    refusal = pod_form.too_large("the body", 17, "send fewer positions in one message")
    assert "17 bytes" in refusal.message
    assert "send fewer positions in one message" in refusal.violations[0].description
