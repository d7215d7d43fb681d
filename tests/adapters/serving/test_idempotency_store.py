"""One suite for every store of first answers: in memory, in a bucket in memory, in a bucket on JetStream."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from nats.aio.client import Client

from gladhand.bus.jetstream import JetStreamBus
from gladhand.clock import SystemClock
from gladhand.errors import RequestIdReused, Unavailable
from gladhand.idempotency import (
    BucketIdempotency,
    Held,
    IdempotencyStore,
    MemoryIdempotency,
    Once,
    Record,
    State,
)
from gladhand.testing import MemoryBus
from tests.adapters.serving.trial import compiled

pb2, _ = compiled()
DIGEST = b"d" * 32
RUNNING = Record(State.RUNNING, DIGEST, until_ms=1)
ANSWERED = Record(State.ANSWERED, DIGEST, answer=b"\x00answer\xff")


class Contract:
    """What every store promises; the fixture `store` gives an empty one."""

    async def test_a_key_is_created_once(self, store: IdempotencyStore) -> None:
        assert await store.get("a.b") is None
        revision = await store.create("a.b", RUNNING)
        assert revision is not None
        assert await store.create("a.b", ANSWERED) is None
        assert await store.get("a.b") == Held(RUNNING, revision)

    async def test_only_the_known_revision_is_replaced(self, store: IdempotencyStore) -> None:
        first = await store.create("a.b", RUNNING)
        assert first is not None
        second = await store.replace("a.b", ANSWERED, first)
        assert second is not None
        assert await store.replace("a.b", RUNNING, first) is None
        assert await store.get("a.b") == Held(ANSWERED, second)

    async def test_of_many_that_create_one_wins(self, store: IdempotencyStore) -> None:
        revisions = await asyncio.gather(*(store.create("a.b", RUNNING) for _ in range(8)))
        assert len([revision for revision in revisions if revision is not None]) == 1

    async def test_a_change_ends_the_wait(self, store: IdempotencyStore) -> None:
        revision = await store.create("a.b", RUNNING)
        assert revision is not None
        waiting = asyncio.ensure_future(store.changed("a.b", revision, 30))
        await store.replace("a.b", ANSWERED, revision)
        await asyncio.wait_for(waiting, 10)

    async def test_without_a_change_the_wait_has_an_end(self, store: IdempotencyStore) -> None:
        revision = await store.create("a.b", RUNNING)
        assert revision is not None
        await asyncio.wait_for(store.changed("a.b", revision, 0.05), 10)

    async def test_replicas_do_the_work_once(self, store: IdempotencyStore) -> None:
        done: list[int] = []
        request = pb2.WriteRequest(request_id=str(uuid4()), name="a")

        async def work() -> bytes:
            done.append(1)
            await asyncio.wait({asyncio.ensure_future(store.get("a.b"))})
            return b"answer"

        answers = await asyncio.gather(
            *(Once(store).run("trial", request.request_id, request, 20.0, work) for _ in range(6))
        )
        assert answers == [b"answer"] * 6
        assert done == [1]

    async def test_the_claim_of_a_replica_that_died_expires(self, store: IdempotencyStore) -> None:
        request = pb2.WriteRequest(request_id=str(uuid4()), name="a")
        begun = asyncio.Event()

        async def hang() -> bytes:
            begun.set()
            await asyncio.Event().wait()
            return b""

        async def work() -> bytes:
            return b"second"

        dead = asyncio.ensure_future(Once(store).run("trial", request.request_id, request, 5.0, hang))
        await begun.wait()
        later = Once(store, Ahead(timedelta(minutes=2)))
        assert await later.run("trial", request.request_id, request, 5.0, work) == b"second"
        dead.cancel()
        await asyncio.gather(dead, return_exceptions=True)
        with pytest.raises(RequestIdReused):
            await later.run("trial", request.request_id, pb2.WriteRequest(name="b"), 5.0, work)
        assert await later.run("trial", request.request_id, request, 5.0, hang) == b"second"

    async def test_a_twin_that_waits_too_long_is_told_to_come_again(self, store: IdempotencyStore) -> None:
        request = pb2.WriteRequest(request_id=str(uuid4()), name="a")
        begun = asyncio.Event()

        async def hang() -> bytes:
            begun.set()
            await asyncio.Event().wait()
            return b""

        first = asyncio.ensure_future(Once(store).run("trial", request.request_id, request, 60.0, hang))
        await begun.wait()
        with pytest.raises(Unavailable, match="still runs"):
            await Once(store).run("trial", request.request_id, request, 0.1, hang)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


class Ahead:
    """The clock of a replica that looks at the store later."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return SystemClock().now().astimezone(UTC) + self._ahead

    def monotonic(self) -> float:
        return SystemClock().monotonic()


class TestMemory(Contract):
    @pytest.fixture
    def store(self) -> IdempotencyStore:
        return MemoryIdempotency()

    async def test_the_oldest_is_forgotten_beyond_the_capacity(self) -> None:
        small = MemoryIdempotency(capacity=2)
        for key in "abc":
            await small.create(key, RUNNING)
        assert [await small.get(key) is not None for key in "abc"] == [False, True, True]


class TestMemoryBucket(Contract):
    @pytest.fixture
    async def store(self) -> IdempotencyStore:
        return BucketIdempotency(await MemoryBus().key_value("IDEMPOTENCY"))


class TestJetStreamBucket(Contract):
    @pytest.fixture
    async def store(self, nats_connection: Client) -> IdempotencyStore:
        return BucketIdempotency(await JetStreamBus(nats_connection, SystemClock()).key_value("IDEMPOTENCY"))


def test_a_record_is_read_back() -> None:
    assert Record.decode(ANSWERED.encode()) == ANSWERED
    assert Record.decode(RUNNING.encode()) == RUNNING


@pytest.mark.parametrize("raw", [b"", b"\x01", b"\x09" + bytes(40)])
def test_bytes_that_are_no_record_are_refused(raw: Any) -> None:
    with pytest.raises(ValueError, match=r"record|State"):
        Record.decode(raw)


class Failing(MemoryIdempotency):
    """A store that goes out of reach after some writes."""

    def __init__(self, good_writes: int) -> None:
        super().__init__()
        self._left = good_writes

    async def _put(self, key: str, record: Record) -> int:
        if self._left == 0:
            raise Unavailable("the bucket does not answer")
        self._left -= 1
        return await super()._put(key, record)


async def test_without_the_store_the_work_is_not_begun() -> None:
    async def work() -> bytes:
        pytest.fail("it must not begin")

    with pytest.raises(Unavailable):
        await Once(Failing(0)).run("trial", str(uuid4()), pb2.WriteRequest(name="a"), 5.0, work)


async def test_an_answer_that_cannot_be_kept_still_reaches_its_caller(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> bytes:
        return b"answer"

    assert await Once(Failing(1)).run("trial", str(uuid4()), pb2.WriteRequest(name="a"), 5.0, work) == b"answer"
    assert "answer not kept" in caplog.text


async def test_a_fault_is_told_even_where_its_claim_cannot_be_released(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> bytes:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await Once(Failing(1)).run("trial", str(uuid4()), pb2.WriteRequest(name="a"), 5.0, work)
    assert "claim not released" in caplog.text
