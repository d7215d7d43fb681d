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
from tests.adapters.serving.door import Guarded, guarding
from tests.adapters.serving.test_chain import details, refused
from tests.adapters.serving.trial import compiled, guarded

pb2, stubs = guarded()


async def test_a_client_that_never_reads_costs_little_and_its_stream_ends() -> None:
    servicer = Guarded(filling=b"x" * 100_000)
    async with guarding(servicer, insecure=True, unread_s=0.5) as running:
        async with grpc.aio.insecure_channel(running.target) as plain:
            stub = stubs.GuardedServiceStub(plain)
            follow = stub.Follow(pb2.LookRequest())

            async def held_back() -> bool:
                before = servicer.sent
                assert (await stub.Look(pb2.LookRequest(), timeout=5)).caller == "insecure"  # others are served
                await asyncio.sleep(0.1)
                return servicer.sent == before > 0

            await eventually(held_back)
            sent = servicer.sent
            assert sent < 200  # 20 MB: what flow control lets out, and nothing beyond
            error = await eventually(lambda: _ended(servicer, sent))
            assert error
            found = []
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                async for answer in follow:
                    found.append(answer)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "were not read" in str(caught.value.details())
    assert details(caught.value)["ErrorInfo"].metadata["method"] == "/guarded.v1.GuardedService/Follow"
    assert len(found) <= sent


def _ended(servicer: Guarded, sent: int) -> bool:
    return servicer.ended == 1 and servicer.sent == sent


async def test_a_client_that_reads_slowly_is_not_cut_off() -> None:
    servicer = Guarded(filling=b"x" * 1_000_000)
    async with guarding(servicer, insecure=True, unread_s=1.0) as running:
        async with grpc.aio.insecure_channel(running.target) as plain:
            follow = stubs.GuardedServiceStub(plain).Follow(pb2.LookRequest())
            for _ in range(20):
                assert await follow.read() is not grpc.aio.EOF
                await asyncio.sleep(0.1)
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
    async with guarding(insecure=True, max_message_bytes=2048) as running:
        async with grpc.aio.insecure_channel(running.target) as plain:
            error = await refused(stubs.GuardedServiceStub(plain).Look(pb2.LookRequest(name="x" * 4096)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "2048" in str(error.details())


async def test_an_unknown_method_is_told_what_there_is_and_asks_for_no_proof(running: Any) -> None:
    async with guarding(insecure=True) as guarded_one, channel(guarded_one.target) as ours:
        ask: Any = ours.unary_unary("/guarded.v1.GuardedService/Vanish")
        error = await refused(ask(b""))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "guarded.v1.GuardedService" in str(error.details())
