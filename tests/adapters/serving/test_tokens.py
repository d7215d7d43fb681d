"""Tokens at a running server: the good ones, and what each bad one is told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from gladhand.testing import eventually
from tests.adapters.serving.door import Guarded, Issuer, asking, bearer, guarding, published
from tests.adapters.serving.test_chain import details, refused
from tests.adapters.serving.trial import guarded

pb2, stubs = guarded()


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


@pytest.fixture
def servicer() -> Guarded:
    return Guarded()


@pytest.fixture
async def stub(issuer: Issuer, servicer: Guarded) -> AsyncIterator[Any]:
    async with asking(servicer, insecure=True, jwks=str(issuer.jwks)) as stub:
        yield stub


def minutes(number: float) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=number)


def unsigned(issuer: Issuer) -> str:
    """A token with `alg: none`, by hand: the library would not make one."""
    _head, body, _signature = issuer.token().split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT", "kid": "k1"}).encode()).decode()
    return f"{head.rstrip('=')}.{body}."


def confused(issuer: Issuer) -> str:
    """A token signed by HS256 with the public key as its secret: the classic confusion of keys."""
    secret = issuer.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "k1"}).encode()).decode()
    signed = f"{head.rstrip('=')}.{issuer.token().split('.')[1]}"
    mac = base64.urlsafe_b64encode(hmac.digest(secret, signed.encode(), hashlib.sha256)).decode().rstrip("=")
    return f"{signed}.{mac}"


BAD: dict[str, tuple[Callable[[Issuer], str], str, str]] = {
    "expired": (lambda i: i.token(exp=minutes(-10)), "TOKEN_EXPIRED", "the token expired 60"),
    "not valid yet": (lambda i: i.token(nbf=minutes(10)), "not_before", "not valid yet"),
    "issued in the future": (lambda i: i.token(iat=minutes(10)), "not_before", "not valid yet"),
    "for somebody else": (lambda i: i.token(aud="shop"), "audience", "for somebody else"),
    "of another issuer": (lambda i: i.token(iss="mallory"), "issuer", "not trusted here"),
    "of another key": (lambda i: i.token(key=Ed25519PrivateKey.generate()), "signature", "signature"),
    "of an unknown key": (lambda i: i.token(kid="k9"), "kid", "not known here"),
    "without a key": (lambda i: i.token(kid=None), "kid", "set kid in its header"),
    "unsigned": (unsigned, "algorithm", "sign with EdDSA or RS256"),
    "signed with a public secret": (confused, "algorithm", "sign with EdDSA or RS256"),
    "of the other key's algorithm": (
        lambda i: i.token(key=i.rsa_key, algorithm="RS256", kid="k1"), "algorithm", "not that of its key",
    ),
    "without end": (lambda i: i.token(exp=None), "claims", "lacks exp"),
    "of nobody": (lambda i: i.token(sub=None), "claims", "lacks sub"),
    "of an unreadable party": (lambda i: i.token(party="K0042"), "claims", "system:value"),
    "garbage": (lambda _: "not.a.token", "form", "cannot be read"),
    "empty": (lambda _: "", "form", "cannot be read"),
    "very long": (lambda i: i.token(note="x" * 9000)[:8193], "form", "longer than 8192"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_token_is_refused_in_one_line(stub: Any, issuer: Issuer, servicer: Guarded, kind: str) -> None:
    make, reason, words = BAD[kind]
    token = make(issuer)
    for _again in range(2):  # what was refused is refused again
        error = await refused(stub.Look(pb2.LookRequest(name="secret order"), metadata=bearer(token)))
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        info = details(error)["ErrorInfo"]
        assert reason in {info.reason, info.metadata["check"]}
        told = str(error.details())
        assert words in told
        assert "\n" not in told
        assert "secret order" not in told
        assert not any(part in told for part in token.split(".") if len(part) > 5)
    assert servicer.answered == {}


async def test_no_token_at_all_is_refused_with_the_remedy(stub: Any) -> None:
    error = await refused(stub.Look(pb2.LookRequest()))
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert details(error)["ErrorInfo"].reason == "UNAUTHENTICATED"
    assert "authorization: Bearer" in str(error.details())
    other = await refused(stub.Look(pb2.LookRequest(), metadata=(("authorization", "Basic YTpi"),)))
    assert other.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_good_token_of_either_algorithm_names_its_caller(stub: Any, issuer: Issuer) -> None:
    for token in (issuer.token(), issuer.token(key=issuer.rsa_key, algorithm="RS256", kid="k2")):
        assert (await stub.Look(pb2.LookRequest(), metadata=bearer(token))).caller == "ann"


async def test_clocks_may_differ_by_the_skew_and_no_more(issuer: Issuer) -> None:
    token = issuer.token(exp=minutes(-0.5))
    for skew, code in ((60, None), (5, grpc.StatusCode.UNAUTHENTICATED)):
        async with asking(insecure=True, jwks=str(issuer.jwks), clock_skew_s=skew) as stub:
            answer = stub.Look(pb2.LookRequest(), metadata=bearer(token))
            if code is None:
                assert (await answer).caller == "ann"
            else:
                assert (await refused(answer)).code() is code


async def test_a_token_that_was_good_is_refused_once_it_expires(stub: Any, issuer: Issuer) -> None:
    token = issuer.token(exp=datetime.now(UTC) + timedelta(seconds=-28))  # good for 2 more seconds of skew

    async def refusal() -> grpc.aio.AioRpcError | None:
        try:
            await stub.Look(pb2.LookRequest(), metadata=bearer(token))
        except grpc.aio.AioRpcError as error:
            return error
        return None

    assert await refusal() is None
    error = await eventually(refusal)
    assert error is not None
    assert details(error)["ErrorInfo"].reason == "TOKEN_EXPIRED"


@pytest.mark.parametrize(
    ("claims", "words", "metadata"),
    [
        ({"scope": ""}, "guarded.admin or guarded.read", {"scope": "guarded.admin or guarded.read"}),
        ({"scope": "guarded.write guarded"}, "lacks", {"scope": "guarded.admin or guarded.read"}),
        ({"aud": "gladhand.partner", "party": "SCAC:MGCT"}, "customer, internal", {"audience": "customer, internal"}),
        ({"aud": ["gladhand.customer", "shop"]}, "names no party", {"claim": "party"}),
        ({"aud": "gladhand.internal", "party": "erp:K1"}, "customer, internal", {"audience": "customer, internal"}),
    ],
)
async def test_a_token_may_only_what_it_says(
    stub: Any, issuer: Issuer, servicer: Guarded, claims: dict[str, Any], words: str, metadata: dict[str, str]
) -> None:
    error = await refused(stub.Look(pb2.LookRequest(name="an order"), metadata=bearer(issuer.token(**claims))))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    info = details(error)["ErrorInfo"]
    assert info.reason == "NOT_PERMITTED"
    assert metadata.items() <= dict(info.metadata).items()
    assert words in str(error.details())
    assert "an order" not in str(error.details())
    assert servicer.answered == {}


async def test_a_customer_is_limited_to_its_party_and_staff_is_not(stub: Any, issuer: Issuer) -> None:
    customer = issuer.token(sub="shop", aud="gladhand.customer", party="tryton-us:K0042")
    assert (await stub.Look(pb2.LookRequest(), metadata=bearer(customer))).party == "tryton-us:K0042"
    assert (await stub.Look(pb2.LookRequest(), metadata=bearer(issuer.token()))).party == ""


async def test_a_partner_that_only_writes_needs_no_party(stub: Any, issuer: Issuer) -> None:
    token = issuer.token(sub="telematics", aud="gladhand.partner", scope="guarded.write")
    assert (await stub.Report(pb2.LookRequest(), metadata=bearer(token))).caller == "telematics"


async def test_a_new_key_is_taken_at_once_and_a_dropped_one_no_more(stub: Any, issuer: Issuer) -> None:
    old, fresh = issuer.token(), Ed25519PrivateKey.generate()
    await stub.Look(pb2.LookRequest(), metadata=bearer(old))
    issuer.entries = [published(fresh, "k3")]
    issuer.publish()
    new = issuer.token(key=fresh, kid="k3")

    async def taken() -> bool:
        try:
            return bool((await stub.Look(pb2.LookRequest(), metadata=bearer(new))).caller)
        except grpc.aio.AioRpcError:
            return False

    await eventually(taken)
    error = await refused(stub.Look(pb2.LookRequest(), metadata=bearer(old)))
    assert details(error)["ErrorInfo"].metadata["check"] == "kid"


async def test_a_key_set_that_breaks_leaves_the_keys_in_force(stub: Any, issuer: Issuer) -> None:
    issuer.jwks.write_text("{")
    error = await refused(stub.Look(pb2.LookRequest(), metadata=bearer(issuer.token(kid="k9"))))  # has it read again
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert (await stub.Look(pb2.LookRequest(), metadata=bearer(issuer.token()))).caller == "ann"


async def test_in_insecure_mode_everybody_may_do_everything_and_tokens_are_not_looked_at() -> None:
    async with asking(insecure=True) as stub:
        assert (await stub.Inspect(pb2.LookRequest())).caller == "insecure"
        assert (await stub.Inspect(pb2.LookRequest(), metadata=bearer("of another mesh"))).caller == "insecure"


async def test_insecure_with_a_key_set_still_asks_for_tokens(issuer: Issuer) -> None:
    async with asking(insecure=True, jwks=str(issuer.jwks)) as stub:
        assert (await refused(stub.Look(pb2.LookRequest()))).code() is grpc.StatusCode.UNAUTHENTICATED
        assert (await stub.Look(pb2.LookRequest(), metadata=bearer(issuer.token()))).caller == "ann"


async def test_reflection_answers_those_who_prove_a_name_and_health_answers_all(issuer: Issuer) -> None:
    async with (
        guarding(insecure=True, jwks=str(issuer.jwks)) as running,
        grpc.aio.insecure_channel(running.target) as channel,
    ):
        ask: Any = channel.stream_stream(
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        wanted = reflection_pb2.ServerReflectionRequest(list_services="*")
        [answer] = [answer async for answer in ask(iter([wanted]), metadata=bearer(issuer.token()))]
        assert "guarded.v1.GuardedService" in {each.name for each in answer.list_services_response.service}
        error = await refused(anext(aiter(ask(iter([wanted])))))
        assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        health: Any = health_pb2_grpc.HealthStub(channel)
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("quiet", [True, False])
async def test_a_stream_ends_with_its_token(issuer: Issuer, quiet: bool) -> None:
    servicer = Guarded(pause_s=3600 if quiet else 0.01)
    token = issuer.token(exp=datetime.now(UTC) + timedelta(seconds=-28))  # good for 2 more seconds of skew
    async with asking(servicer, insecure=True, jwks=str(issuer.jwks)) as stub:

        async def watch() -> list[Any]:
            return [answer async for answer in stub.Follow(pb2.LookRequest(), metadata=bearer(token))]

        error = await refused(asyncio.wait_for(watch(), 30))
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert details(error)["ErrorInfo"].reason == "TOKEN_EXPIRED"
    assert servicer.sent
    assert servicer.ended == 1
