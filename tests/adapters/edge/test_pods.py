"""Proofs of delivery: recorded once, refused with a reason, kept while nobody can record them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from uuid import uuid4

import pytest
from nats.aio.client import Client

from gladhand.bus.jetstream import JetStreamBus
from gladhand.client import call, channel
from gladhand.clock import SystemClock
from gladhand.errors import FailedPrecondition, GladhandError
from gladhand.testing import eventually
from logistics.edge.v1 import (
    EdgeIngestServiceStub,
    ProofFile,
    SubmitProofOfDeliveryRequest,
    edge_ingest_service_pb2,
)
from logistics.pod.v1 import ARTIFACT_KIND_PHOTO, ARTIFACT_KIND_SIGNATURE, PodLine, ProofOfDelivery
from logistics.type.v1 import Quantity
from tests.adapters.edge.conftest import Edge, Start
from tests.adapters.edge.harness import PNG, Orchestrator, Streams, now, pod_form, post_pod, served, signed


@pytest.fixture
def stop_id(orchestrator: Orchestrator) -> str:
    stop = str(uuid4())
    orchestrator.expected[stop] = {"1": "5"}
    return stop


async def test_a_proof_is_recorded_with_its_files(
    edge: Edge, orchestrator: Orchestrator, streams: Streams, stop_id: str, mesh_streams: Client
) -> None:
    answer = await post_pod(edge.http, pod_form(stop_id), **signed())
    assert answer.status_code == 201, answer.text
    assert answer.json()["state"] == "VALIDATED"
    (pod,) = orchestrator.proofs.values()
    assert pod.pod_id == answer.json()["pod_id"]
    (line,) = pod.lines
    assert (line.delivered.value, line.accepted.value, line.rejected.value) == ("5", "4", "1")
    assert [artifact.kind for artifact in pod.artifacts] == [ARTIFACT_KIND_SIGNATURE, ARTIFACT_KIND_PHOTO]
    documents = await JetStreamBus(mesh_streams, SystemClock()).objects("DOCUMENTS")
    content = await documents.get(pod.artifacts[0].object_name)
    assert content == PNG
    assert pod.artifacts[0].sha256 == hashlib.sha256(PNG).hexdigest()
    (raw,) = await streams.inbox()
    assert pod.provenance.raw_reference == f"inbox:{raw.sequence}"


async def test_the_same_proof_again_is_the_same_proof(
    edge: Edge, orchestrator: Orchestrator, streams: Streams, stop_id: str
) -> None:
    form = pod_form(stop_id, id="app-1")
    first = await post_pod(edge.http, form, **signed())
    again = await post_pod(edge.http, form, **signed())
    relaid = await post_pod(edge.http, json.dumps(form, indent=4).encode(), **signed())
    assert [answer.status_code for answer in (first, again, relaid)] == [201, 200, 200]
    assert {answer.json()["pod_id"] for answer in (first, again, relaid)} == {first.json()["pod_id"]}
    assert len(orchestrator.proofs) == 1
    assert await streams.quarantined() == []


async def test_another_content_under_the_same_number_is_a_conflict(
    edge: Edge, orchestrator: Orchestrator, streams: Streams, stop_id: str
) -> None:
    assert (await post_pod(edge.http, pod_form(stop_id, id="app-1"))).status_code == 201
    answer = await post_pod(edge.http, pod_form(stop_id, id="app-1", temperature_celsius=4.5))
    assert (answer.status_code, answer.json()["reason"]) == (409, "MESSAGE_CONFLICT")
    assert len(orchestrator.proofs) == 1
    assert await streams.reasons() == ["MESSAGE_CONFLICT"]


async def test_a_proof_for_an_unknown_stop_is_refused(edge: Edge, orchestrator: Orchestrator, streams: Streams) -> None:
    answer = await post_pod(edge.http, pod_form(str(uuid4())))
    assert (answer.status_code, answer.json()["reason"]) == (404, "STOP_NOT_FOUND")
    assert orchestrator.proofs == {}
    assert await streams.reasons() == ["STOP_NOT_FOUND"]


async def test_lines_that_do_not_add_up_are_refused_here_or_there(
    edge: Edge, orchestrator: Orchestrator, streams: Streams, stop_id: str
) -> None:
    line = {"order_id": str(uuid4()), "line_id": "1", "delivered": "6", "accepted": "4", "rejected": "1", "reason": "X"}
    here = await post_pod(edge.http, pod_form(stop_id, lines=[line]))
    assert orchestrator.calls == 0
    there = await post_pod(edge.http, pod_form(stop_id, lines=[line | {"accepted": "5"}]))
    assert orchestrator.calls == 1
    for answer in (here, there):
        assert (answer.status_code, answer.json()["reason"]) == (422, "POD_LINES_DO_NOT_ADD_UP"), answer.text
    assert await streams.reasons() == ["POD_LINES_DO_NOT_ADD_UP"] * 2


async def test_files_are_what_they_say_and_not_too_large(start: Start, streams: Streams, stop_id: str) -> None:
    edge = await start(pod_file_bytes=2048, pod_total_bytes=8192)
    huge = await post_pod(edge.http, pod_form(stop_id), photo=("p.png", PNG + b"\0" * 1_000_000, "image/png"))
    script = await post_pod(edge.http, pod_form(stop_id), photo=("p.png", b"<html>", "image/png"))
    feigned = await post_pod(edge.http, pod_form(stop_id), photo=("p.jpg", PNG, "image/jpeg"))
    assert [answer.status_code for answer in (huge, script, feigned)] == [413, 415, 415]
    assert {answer.json()["reason"] for answer in (huge, script, feigned)} == {"FILE_REFUSED"}
    assert await streams.reasons() == ["FILE_REFUSED"] * 3
    # The form that came with the file is kept, so that nobody has to ask the driver again.
    assert all(stop_id.encode() in base64_form(message.payload) for message in await streams.inbox())


def base64_form(payload: bytes) -> bytes:
    return base64.b64decode(json.loads(payload)["form"])


async def test_what_is_no_form_is_refused(edge: Edge, streams: Streams, stop_id: str) -> None:
    plain = await edge.http.post("/pod", content=b"hello", headers={"content-type": "text/plain"})
    empty = await edge.http.post("/pod", files={"photo": ("p.png", PNG, "image/png")})
    broken = await post_pod(edge.http, b'{"stop_id": ')
    later = await post_pod(edge.http, pod_form(stop_id, captured_at="2031-01-01T00:00:00Z"))
    for answer, reason in ((plain, "MALFORMED_MESSAGE"), (empty, "MALFORMED_MESSAGE"), (broken, "MALFORMED_MESSAGE")):
        assert (answer.status_code, answer.json()["reason"]) == (400, reason)
    assert (later.status_code, later.json()["reason"]) == (400, "FUTURE_DATED")
    assert len(await streams.quarantined()) == 3


async def test_while_the_orchestrator_is_away_a_proof_is_kept_and_recorded_later(
    start: Start, orchestrator: Orchestrator, streams: Streams, stop_id: str
) -> None:
    async with served(orchestrator) as (target, port):
        pass
    edge = await start(orchestrator_target=target)
    answer = await post_pod(edge.http, pod_form(stop_id), **signed())
    assert answer.status_code == 202, answer.text
    assert answer.headers["retry-after"]
    async with served(orchestrator, port=port):
        await eventually(lambda: len(orchestrator.proofs) == 1, within=30)
        (pod,) = orchestrator.proofs.values()
        assert pod.pod_id == answer.json()["pod_id"]
    assert await streams.quarantined() == []


def _proof(stop_id: str, accepted: str = "4") -> ProofOfDelivery:
    pod = ProofOfDelivery(stop_id=stop_id, signer_name="R. Roe")
    pod.capture_time.FromDatetime(now())
    delivered, kept, refused = (Quantity(value=value, unit_code="C62") for value in ("5", accepted, "1"))
    line = PodLine(order_id=str(uuid4()), line_id="1", delivered=delivered, accepted=kept, rejected=refused)
    line.reason = "DAMAGED"
    pod.lines.append(line)
    return pod


async def test_grpc_takes_a_proof_too(edge: Edge, orchestrator: Orchestrator, streams: Streams, stop_id: str) -> None:
    request = SubmitProofOfDeliveryRequest(request_id=str(uuid4()), provider="driver-app", pod=_proof(stop_id))
    request.files.append(ProofFile(name="signature", media_type="image/png", content=PNG))
    async with channel(edge.target, edge_ingest_service_pb2.DESCRIPTOR) as opened:
        stub = EdgeIngestServiceStub(opened)
        first = await call(stub.SubmitProofOfDelivery(request))
        again = await call(stub.SubmitProofOfDelivery(request))
        assert first.recorded
        assert first.pod_id == again.pod_id
        wrong = SubmitProofOfDeliveryRequest(
            request_id=str(uuid4()), provider="driver-app", pod=_proof(stop_id, accepted="3")
        )
        with pytest.raises(FailedPrecondition) as refused:
            await call(stub.SubmitProofOfDelivery(wrong))
        assert refused.value.reason == "POD_LINES_DO_NOT_ADD_UP"
        with pytest.raises(GladhandError, match="pod is missing"):
            await call(
                stub.SubmitProofOfDelivery(SubmitProofOfDeliveryRequest(request_id=str(uuid4()), provider="driver-app"))
            )
    (pod,) = orchestrator.proofs.values()
    assert pod.artifacts[0].kind == ARTIFACT_KIND_SIGNATURE
    assert await streams.reasons() == ["POD_LINES_DO_NOT_ADD_UP"]


async def test_many_senders_of_one_proof_make_one(edge: Edge, orchestrator: Orchestrator, stop_id: str) -> None:
    form = pod_form(stop_id, id="app-9")
    answers = await asyncio.gather(*(post_pod(edge.http, form, **signed()) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len(orchestrator.proofs) == 1
