"""The contract of durable timers and of buckets, held by every implementation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.port import AlreadyTaken, Bus, Delivery, Due, Entry, KeyValue, StreamMissing, Subscription
from gladhand.bus.timers import due_of
from gladhand.bus.warp import MeshClock
from gladhand.clock import SystemClock
from gladhand.envelope import BadToken
from gladhand.errors import InvalidArgument
from gladhand.testing import MemoryBroker, MemoryBus, VirtualClock, eventually, let_others_run
from tests.adapters.log.mesh import QUICK, Mesh, on_jetstream


@asynccontextmanager
async def fired(bus: Bus) -> AsyncGenerator[list[tuple[Due, datetime]]]:
    found: list[tuple[Due, datetime]] = []

    async def handle(delivery: Delivery) -> None:
        found.append((due_of(delivery), delivery.stored_time))

    consumer = await bus.subscribe(
        Subscription(stream="TIMERS", durable="timing", handler=handle, filters=("logistics.due.>",))
    )
    try:
        yield found
    finally:
        await consumer.stop()


def soon(milliseconds: int) -> datetime:
    return datetime.now(UTC) + timedelta(milliseconds=milliseconds)


async def test_a_timer_fires_with_its_payload_and_never_early(mesh: Mesh) -> None:
    due = soon(120)
    async with fired(mesh.bus) as found:
        await mesh.bus.timers.set("pod", "o1", due, b"why")
        ((timer, stored),) = await eventually(lambda: found)
    assert timer == Due("pod", "o1", due, b"why")
    assert stored >= due - timedelta(milliseconds=1)


async def test_a_time_in_the_past_fires_at_once(mesh: Mesh) -> None:
    async with fired(mesh.bus) as found:
        await mesh.bus.timers.set("pod", "o1", soon(-60_000))
        await eventually(lambda: found)


async def test_setting_again_moves_a_timer(mesh: Mesh) -> None:
    async with fired(mesh.bus) as found:
        await mesh.bus.timers.set("pod", "o1", soon(60_000), b"first")
        await mesh.bus.timers.set("pod", "o1", soon(50), b"second")
        await mesh.bus.timers.set("pod", "o2", soon(10), b"early")
        await mesh.bus.timers.set("pod", "o2", soon(60_000), b"late")
        await mesh.bus.timers.set("pod", "mark", soon(600), b"mark")
        await eventually(lambda: any(timer.key == "mark" for timer, _ in found))
    assert [(timer.key, timer.payload) for timer, _ in found] == [("o1", b"second"), ("mark", b"mark")]


async def test_a_cancelled_timer_never_fires(mesh: Mesh) -> None:
    async with fired(mesh.bus) as found:
        await mesh.bus.timers.set("pod", "o1", soon(100))
        await mesh.bus.timers.cancel("pod", "o1")
        await mesh.bus.timers.cancel("pod", "never-set")
        await mesh.bus.timers.set("pod", "mark", soon(500))
        await eventually(lambda: found)
    assert [timer.key for timer, _ in found] == ["mark"]


async def test_a_timer_may_be_set_again_after_it_fired(mesh: Mesh) -> None:
    async with fired(mesh.bus) as found:
        for number in range(1, 3):
            await mesh.bus.timers.set("pod", "o1", soon(5), str(number).encode())
            await eventually(lambda number=number: len(found) == number)  # type: ignore[misc]
    assert [timer.payload for timer, _ in found] == [b"1", b"2"]


async def test_names_of_timers_are_subject_tokens(mesh: Mesh) -> None:
    with pytest.raises(BadToken):
        await mesh.bus.timers.set("pod", "a.b", soon(5))
    with pytest.raises(BadToken):
        await mesh.bus.timers.cancel("", "a")


async def test_a_virtual_clock_fires_timers_as_it_moves() -> None:
    clock = VirtualClock()
    bus = MemoryBus(MemoryBroker(clock))
    async with fired(bus) as found:
        await bus.timers.set("pod", "b", clock.now() + timedelta(hours=2))
        await bus.timers.set("pod", "a", clock.now() + timedelta(hours=1))
        clock.advance(timedelta(minutes=59))
        await let_others_run()
        assert found == []
        clock.advance(timedelta(hours=5))
        await eventually(lambda: len(found) == 2)
    assert [timer.key for timer, _ in found] == ["a", "b"]


async def test_a_warped_clock_moves_for_the_whole_mesh_and_takes_its_timers_along(mesh: Mesh) -> None:
    def on(clock: MeshClock) -> Bus:
        if mesh.connection is not None:
            return JetStreamBus(mesh.connection, clock, patience=QUICK)
        return MemoryBus(mesh.broker, clock)

    mine, theirs = MeshClock(), MeshClock()
    bus = on(mine)
    async with mine.following(bus), theirs.following(on(theirs)), fired(bus) as found:
        begin = mine.now()
        await bus.timers.set("pod", "o1", begin + timedelta(hours=3))
        await bus.timers.set("pod", "o2", begin + timedelta(hours=9))
        reached = await mine.advance_to(begin + timedelta(hours=4))
        assert reached >= begin + timedelta(hours=4)
        await eventually(lambda: theirs.now() >= begin + timedelta(hours=4))
        await eventually(lambda: found)
        assert await theirs.advance_to(begin) >= begin + timedelta(hours=4)
        late = MeshClock()
        async with late.following(on(late)):
            assert late.now() >= begin + timedelta(hours=4)
    assert [timer.key for timer, _ in found] == ["o1"]
    assert abs(mine.offset - theirs.offset) < timedelta(seconds=1)
    assert SystemClock().now() < begin + timedelta(hours=1)


async def test_a_bucket_keeps_the_newest_value_and_its_revision(mesh: Mesh) -> None:
    bucket = await mesh.bus.key_value("CURSORS")
    assert await bucket.get("erp.sales") is None
    first = await bucket.put("erp.sales", b"1")
    second = await bucket.put("erp.sales", b"2")
    assert second > first
    assert await bucket.get("erp.sales") == Entry("erp.sales", b"2", second)
    third = await bucket.update("erp.sales", b"3", second)
    with pytest.raises(AlreadyTaken):
        await bucket.update("erp.sales", b"4", second)
    assert await bucket.get("erp.sales") == Entry("erp.sales", b"3", third)
    assert (await (await mesh.bus.key_value("CURSORS")).get("erp.sales")) is not None


async def test_a_key_is_created_once_and_again_after_its_deletion(mesh: Mesh) -> None:
    bucket = await mesh.bus.key_value("IDEMPOTENCY")
    await bucket.create("r1", b"x")
    with pytest.raises(AlreadyTaken):
        await bucket.create("r1", b"x")
    await bucket.put("r2", b"y")
    assert await bucket.keys() == ["r1", "r2"]
    await bucket.delete("r1")
    assert await bucket.get("r1") is None
    assert await bucket.keys() == ["r2"]
    await bucket.create("r1", b"z")
    assert (await bucket.get("r1")) is not None


async def test_of_many_who_create_a_key_one_succeeds(mesh: Mesh) -> None:
    bucket = await mesh.bus.key_value("IDEMPOTENCY")

    async def create(value: int) -> int | None:
        try:
            await bucket.create("r1", str(value).encode())
        except AlreadyTaken:
            return None
        return value

    winners = [value for value in await asyncio.gather(*(create(n) for n in range(10))) if value is not None]
    entry = await bucket.get("r1")
    assert entry is not None
    assert [str(winner).encode() for winner in winners] == [entry.value]


@on_jetstream
async def test_keys_with_strange_characters_are_refused(mesh: Mesh) -> None:
    assert mesh.connection is not None
    bucket = await mesh.bus.key_value("CURSORS")
    for bad in ("", "a b", "a*", ".a", "a."):
        with pytest.raises(InvalidArgument):
            await bucket.put(bad, b"")


async def test_a_watch_shows_what_is_there_then_every_change(mesh: Mesh) -> None:
    bucket = await mesh.bus.key_value("POLICIES")
    await bucket.put("eu.a", b"1")
    await bucket.put("us.a", b"1")
    seen: list[tuple[str, bytes, bool] | None] = []
    watching = asyncio.create_task(watch(bucket, "eu.>", seen))
    await eventually(lambda: None in seen)
    await bucket.put("eu.b", b"2")
    await bucket.put("us.b", b"2")
    await bucket.delete("eu.a")
    await asyncio.wait_for(watching, 10)
    assert seen == [("eu.a", b"1", False), None, ("eu.b", b"2", False), ("eu.a", b"", True)]


@on_jetstream
async def test_a_watch_of_a_bucket_that_is_gone_says_so(mesh: Mesh) -> None:
    assert mesh.connection is not None
    bucket = await mesh.bus.key_value("POLICIES")
    await mesh.connection.jetstream().delete_stream("KV_POLICIES")
    with pytest.raises(StreamMissing, match="POLICIES"):
        await anext(bucket.watch("eu.>"))


async def watch(bucket: KeyValue, key: str, seen: list[tuple[str, bytes, bool] | None]) -> None:
    async with aclosing(bucket.watch(key)) as entries:
        async for entry in entries:
            seen.append((entry.key, entry.value, entry.deleted) if entry else None)
            if len(seen) == 4:
                return


@pytest.mark.parametrize("size", [0, 10, 700_000])
async def test_a_file_is_kept_by_name_and_hash(mesh: Mesh, size: int) -> None:
    documents = await mesh.bus.objects("DOCUMENTS")
    content = bytes(range(256)) * (size // 256) + b"." * (size % 256)
    assert await documents.get("pod/1.png") is None
    assert await documents.stat("pod/1.png") is None
    stored = await documents.put("pod/1.png", content, {"Content-Type": "image/png"})
    assert (stored.name, stored.size, stored.headers) == ("pod/1.png", size, {"Content-Type": "image/png"})
    assert await documents.get("pod/1.png") == content
    assert await documents.stat("pod/1.png") == stored
    assert await documents.put("pod/1.png", content, {"Content-Type": "image/png"}) == stored
    changed = await documents.put("pod/1.png", content + b"!")
    assert changed.digest != stored.digest
    assert await documents.get("pod/1.png") == content + b"!"
    await documents.delete("pod/1.png")
    await documents.delete("pod/1.png")
    assert await documents.get("pod/1.png") is None
