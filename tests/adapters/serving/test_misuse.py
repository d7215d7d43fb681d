"""Callers that misuse a server: each gets a clear answer, and the others are served."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest

from gladhand.client import call, channel
from gladhand.errors import RequestIdReused
from gladhand.testing import eventually
from tests.adapters.serving.door import Guarded, asking, guarding
from tests.adapters.serving.test_chain import details, refused
from tests.adapters.serving.trial import compiled, guarded

pb2, stubs = guarded()


async def test_a_client_that_never_reads_costs_little_and_its_stream_ends() -> None:
    servicer = Guarded(filling=b"x" * 100_000)
    async with asking(servicer, insecure=True, unread_s=0.5) as stub:
        follow = stub.Follow(pb2.LookRequest())

        async def held_back() -> bool:
            before = servicer.sent
            assert (await stub.Look(pb2.LookRequest(), timeout=5)).caller == "insecure"  # others are served
            await asyncio.sleep(0.1)
            return servicer.sent == before > 0

        await eventually(held_back)
        sent = servicer.sent
        assert sent < 200  # 20 MB: what flow control lets out, and nothing beyond
        await eventually(lambda: servicer.ended == 1)
        assert servicer.sent == sent

        async def read_on() -> list[Any]:
            return [answer async for answer in follow]

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read_on()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "were not read" in str(caught.value.details())
    assert details(caught.value)["ErrorInfo"].metadata["method"] == "/guarded.v1.GuardedService/Follow"


async def test_a_client_that_reads_slowly_is_not_cut_off() -> None:
    servicer = Guarded(filling=b"x" * 1_000_000)
    async with asking(servicer, insecure=True, unread_s=2.0) as stub:
        follow = stub.Follow(pb2.LookRequest())
        for _ in range(60):  # three seconds, longer than any one answer may wait
            assert await follow.read() is not grpc.aio.EOF
            await asyncio.sleep(0.05)
        assert servicer.ended == 0
        follow.cancel()


async def test_a_replayed_request_id_with_another_body_gets_the_first_ones_digest(ours: Any) -> None:
    messages = compiled()[0]
    request_id = str(uuid4())
    first = messages.WriteRequest(request_id=request_id, name="a")
    await call(ours.Write(first))
    digests = set()
    for name in ("b", "c"):
        with pytest.raises(RequestIdReused) as caught:
            await call(ours.Write(messages.WriteRequest(request_id=request_id, name=name)))
        digests.add(caught.value.first_digest)
    assert len(digests) == 1
    assert len(digests.pop()) == 64


async def test_a_message_over_the_limit_is_told_the_limit() -> None:
    async with asking(insecure=True, max_message_bytes=2048) as stub:
        error = await refused(stub.Look(pb2.LookRequest(name="x" * 4096)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "2048" in str(error.details())


async def test_an_unknown_method_is_told_what_there_is(running: Any) -> None:
    async with guarding(insecure=True) as guarded_one, channel(guarded_one.target) as ours:
        ask: Any = ours.unary_unary("/guarded.v1.GuardedService/Vanish")
        error = await refused(ask(b""))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "guarded.v1.GuardedService" in str(error.details())
