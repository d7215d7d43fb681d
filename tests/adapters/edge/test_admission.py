"""Who may send over HTTP: the same tokens, scopes and rates as over gRPC, and problem documents."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.adapters.edge.conftest import Start
from tests.adapters.edge.harness import Streams, osmand_query, post_pod, signed
from tests.adapters.serving.door import Issuer


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


def device(issuer: Issuer, **claims: Any) -> str:
    usual: dict[str, Any] = {"sub": "telematics-co", "aud": "gladhand.partner", "scope": "telemetry.write"}
    return issuer.token(**(usual | claims))


def bearer(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}


def problem(answer: httpx.Response, status: int, reason: str) -> Mapping[str, str]:
    document = answer.json()
    assert answer.status_code == document["status"] == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert document["reason"] == reason
    return dict(document["metadata"])


async def test_a_tracker_with_a_token_is_taken_and_one_without_leaves_no_trace(
    start: Start, issuer: Issuer, streams: Streams
) -> None:
    edge = await start(jwks=str(issuer.jwks))
    for headers in ({}, {"Authorization": "Basic not-base64"}, {"Authorization": "Digest x"}):
        refused = await edge.http.get("/osmand", params=osmand_query(), headers=headers)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer ")
    assert await streams.inbox() == []
    taken = await edge.http.get("/osmand", params=osmand_query(), headers=bearer(device(issuer)))
    assert taken.status_code == 200
    assert len(await streams.inbox()) == 1
    assert (await edge.http.get("/healthz")).status_code == 200


async def test_a_device_that_takes_only_a_url_gives_the_token_as_password(start: Start, issuer: Issuer) -> None:
    edge = await start(jwks=str(issuer.jwks))
    pair = base64.b64encode(f"truck-1:{device(issuer)}".encode()).decode()
    answer = await edge.http.get("/osmand", params=osmand_query(), headers={"Authorization": f"Basic {pair}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("claims", "status", "reason"),
    [
        ({"exp": 1_600_000_000}, 401, "TOKEN_EXPIRED"),
        ({"aud": "shop"}, 401, "TOKEN_INVALID"),
        ({"scope": "pods.write"}, 403, "NOT_PERMITTED"),
        ({"aud": "gladhand.customer", "party": "erp:K1"}, 403, "NOT_PERMITTED"),
    ],
)
async def test_a_token_that_will_not_do_is_refused_with_the_reason(
    start: Start, issuer: Issuer, claims: dict[str, object], status: int, reason: str
) -> None:
    edge = await start(jwks=str(issuer.jwks))
    headers = bearer(device(issuer, **claims))
    for path in ("/osmand", "/traccar"):
        problem(await edge.http.post(path, headers=headers, content=b"{}"), status, reason)


async def test_a_proof_needs_a_scope_of_its_own(start: Start, issuer: Issuer) -> None:
    edge = await start(jwks=str(issuer.jwks))
    edge.http.headers.update(bearer(device(issuer)))
    told = problem(await post_pod(edge.http, {"stop_id": "s"}, **signed()), 403, "NOT_PERMITTED")
    assert told["scope"] == "pods.write"
    edge.http.headers.update(bearer(device(issuer, scope="pods.write")))
    let_in = await post_pod(edge.http, {"stop_id": "s"}, **signed())
    assert let_in.json()["reason"] == "MALFORMED_MESSAGE"  # past the door, its form is looked at


async def test_a_flood_is_told_when_to_come_again(start: Start, issuer: Issuer) -> None:
    edge = await start(jwks=str(issuer.jwks), rates="BULK=1/h:2")
    loud, quiet = bearer(device(issuer)), bearer(device(issuer, sub="another"))
    answers = [await edge.http.get("/osmand", params=osmand_query(), headers=loud) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert problem(answers[-1], 429, "RATE_LIMITED")["rate_class"] == "BULK"
    assert 0 < int(answers[-1].headers["retry-after"]) <= 3600
    assert (await edge.http.get("/osmand", params=osmand_query(), headers=quiet)).status_code == 200
