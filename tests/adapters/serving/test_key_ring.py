"""Keys of tokens from a URL: cached, looked up for new keys with a pause, and believed for a while when it is down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gladhand.errors import Unavailable
from gladhand.security.jwks import KeySetError, read_keys
from gladhand.security.key_ring import KeyRing
from services.edge_gateway.http_server import HttpServer
from tests.adapters.serving.door import Issuer, asking, bearer, published
from tests.adapters.serving.test_chain import details, refused
from tests.adapters.serving.trial import guarded

pb2, stubs = guarded()


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


class Publisher:
    """An issuer's key set at a URL, which may be down."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.asked = 0
        self.down = False

    async def answer(self, _request: Request) -> Response:
        self.asked += 1
        if self.down:
            return Response("down", 503)
        return JSONResponse({"keys": self.issuer.entries})

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        app = Starlette(routes=[Route("/jwks.json", self.answer)])
        server, stopping = HttpServer(app, "127.0.0.1", 0, grace_s=1, tls=None), asyncio.Event()
        task = asyncio.create_task(server.run(stopping))
        try:
            yield f"http://127.0.0.1:{server.port}/jwks.json"
        finally:
            stopping.set()
            await task


async def test_keys_are_fetched_once_and_unknown_ones_are_no_way_to_make_us_ask(issuer: Issuer) -> None:
    publisher = Publisher(issuer)
    async with publisher.serving() as url, asking(insecure=True, jwks=url) as stub:
        for _ in range(5):
            assert (await stub.Look(pb2.LookRequest(), metadata=bearer(issuer.token()))).caller == "ann"
        for number in range(20):
            unknown = bearer(issuer.token(kid=f"invented-{number}"))
            error = await refused(stub.Look(pb2.LookRequest(), metadata=unknown))
            assert details(error)["ErrorInfo"].metadata["check"] == "kid"
        assert publisher.asked == 1


async def test_an_issuer_that_is_down_at_the_start_makes_tokens_wait_and_nothing_else(issuer: Issuer) -> None:
    publisher = Publisher(issuer)
    publisher.down = True
    async with publisher.serving() as url, asking(insecure=True, jwks=url) as stub:
        error = await refused(stub.Look(pb2.LookRequest(), metadata=bearer(issuer.token())))
    assert error.code() is grpc.StatusCode.UNAVAILABLE


class Source:
    """What a key ring reads, and a clock."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.now = 0.0
        self.reads = 0

    async def read(self) -> bytes:
        self.reads += 1
        if not self.raw:
            raise OSError("down")
        return self.raw


def key_set(*entries: object) -> bytes:
    return json.dumps({"keys": entries}).encode()


async def test_a_new_key_is_looked_for_after_the_least_pause() -> None:
    first, second = published(Ed25519PrivateKey.generate(), "a"), published(Ed25519PrivateKey.generate(), "b")
    source = Source(key_set(first))
    ring = KeyRing("test", source.read, least_pause_s=10, now=lambda: source.now)
    await ring.load()
    source.raw = key_set(first, second)
    source.now = 9.0
    assert await ring.seek("b") is None
    assert source.reads == 1
    source.now = 10.0
    found = await ring.seek("b")
    assert found is not None
    assert (source.reads, ring.generation) == (2, 2)
    assert await ring.seek("c") is None
    assert source.reads == 2


async def test_keys_are_believed_for_a_while_when_their_source_is_down_and_no_longer() -> None:
    source = Source(key_set(published(Ed25519PrivateKey.generate(), "a")))
    ring = KeyRing("test", source.read, least_pause_s=1, stale_s=100, now=lambda: source.now)
    await ring.load()
    source.raw = b""
    source.now = 99.0
    assert await ring.seek("x") is None
    assert ring.find("a") is not None
    source.now = 101.0
    with pytest.raises(Unavailable):
        await ring.seek("x")
    with pytest.raises(Unavailable):
        ring.find("a")
    assert ring.generation == 2  # what was verified before does not count any more


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"{", "no JSON"),
        (b"[]", "keys"),
        (key_set(), "no Ed25519 key"),
        (key_set({"kty": "oct", "kid": "s", "k": "c2VjcmV0"}), "no Ed25519 key"),
        (key_set({"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AA", "d": "AA"}), "private"),
        (key_set({"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AA"}), "cannot be read"),
        (b" " * (1 << 20) + b"{}", "more than"),
    ],
)
def test_a_key_set_that_will_not_do_says_why(raw: bytes, words: str) -> None:
    with pytest.raises(KeySetError, match=words):
        read_keys(raw)
