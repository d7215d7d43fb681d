"""A claim lives as long as its holder renews it: a replica that died or hangs does not block a request for good."""

from __future__ import annotations

import asyncio
import hashlib
from uuid import uuid4

import pytest
from nats.aio.client import Client

from gladhand import idempotency
from gladhand.bus.jetstream import JetStreamBus
from gladhand.clock import SystemClock
from gladhand.errors import Unavailable
from gladhand.idempotency import BucketIdempotency, IdempotencyStore, MemoryIdempotency, Once, Record, State
from tests.adapters.serving.trial import compiled

pb2, _ = compiled()
REQUEST = pb2.WriteRequest(request_id=str(uuid4()), name="a")
DIGEST = hashlib.sha256(REQUEST.SerializeToString(deterministic=True)).digest()
FAR = 1 << 45
"""Unix milliseconds that lie a thousand years ahead."""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "_RENEW_S", 0.1)
    monkeypatch.setattr(idempotency, "_LEASE_S", 0.5)


@pytest.fixture(params=["memory", "bucket"])
async def store(request: pytest.FixtureRequest, mesh_streams: Client) -> IdempotencyStore:
    if request.param == "memory":
        return MemoryIdempotency()
    return BucketIdempotency(await JetStreamBus(mesh_streams, SystemClock()).key_value("IDEMPOTENCY"))


async def run(store: IdempotencyStore, remaining_s: float, work: asyncio.Future[bytes]) -> bytes:
    return await Once(store).run("trial", "r", REQUEST, remaining_s, lambda: work)


def answer(value: bytes) -> asyncio.Future[bytes]:
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future


async def test_a_claim_that_nobody_renews_is_taken_over(quick: None, store: IdempotencyStore) -> None:
    await store.create("trial.r", Record(State.RUNNING, DIGEST, FAR))
    assert await asyncio.wait_for(run(store, 30, answer(b"mine")), 10) == b"mine"
    held = await store.get("trial.r")
    assert held is not None
    assert (held.record.state, held.record.answer) == (State.ANSWERED, b"mine")


async def test_a_claim_whose_holder_works_on_is_waited_for(quick: None, store: IdempotencyStore) -> None:
    work: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    first = asyncio.ensure_future(run(store, 30, work))
    while await store.get("trial.r") is None:
        await asyncio.sleep(0)
    twin = asyncio.ensure_future(run(store, 30, answer(b"twin")))
    # Longer than three leases: without renewal the twin would have begun.
    done, _pending = await asyncio.wait((twin,), timeout=1.6)
    assert not done
    work.set_result(b"first")
    assert [await asyncio.wait_for(each, 10) for each in (first, twin)] == [b"first", b"first"]


async def test_a_twin_without_the_time_for_a_lease_gives_up_at_its_deadline(store: IdempotencyStore) -> None:
    await store.create("trial.r", Record(State.RUNNING, DIGEST, FAR))
    with pytest.raises(Unavailable, match="still runs"):
        await run(store, 0.2, answer(b"mine"))


async def test_a_holder_that_comes_back_does_not_overwrite_what_its_twin_kept(
    quick: None, store: IdempotencyStore, caplog: pytest.LogCaptureFixture
) -> None:
    work: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    late = asyncio.ensure_future(run(store, 30, work))
    while (held := await store.get("trial.r")) is None:
        await asyncio.sleep(0)
    await store.replace("trial.r", Record(State.ANSWERED, DIGEST, answer=b"twin"), held.revision)
    work.set_result(b"late")
    assert await asyncio.wait_for(late, 10) == b"late"
    kept = await store.get("trial.r")
    assert kept is not None
    assert kept.record.answer == b"twin"
    assert "claim lost before its answer was kept" in caplog.messages
