"""The contract of the bus, held by every implementation: publishing, consumers, dead letters, latches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry import trace

from gladhand.bus.deadletters import DeadLetters
from gladhand.bus.port import AlreadyTaken, Backoff, Consumer, Delivery, Poison, Retry, StreamMissing, Subscription
from gladhand.bus.refusals import NotPermitted
from gladhand.errors import NotFound
from gladhand.testing import eventually, let_others_run
from tests.adapters.log.mesh import Mesh, on_jetstream
from tests.adapters.log.parcel import KIND, event, pb

FAST = Backoff(first=0.01, factor=1.5, longest=0.05)


@asynccontextmanager
async def consuming(
    mesh: Mesh, handler: Callable[[Delivery], Awaitable[None]], **more: Any
) -> AsyncGenerator[Consumer]:
    settings: dict[str, Any] = {
        "stream": "OBSERVATIONS",
        "durable": "tester",
        "handler": handler,
        "backoff": FAST,
        "max_deliver": 3,
    }
    consumer = await mesh.bus.subscribe(Subscription(**(settings | more)))
    try:
        yield consumer
    finally:
        await consumer.stop()


class Recorder:
    """A handler that writes down what it gets and fails as told."""

    def __init__(self, failures: dict[str, list[Exception]] | None = None) -> None:
        self.calls: list[Delivery] = []
        self.done: list[Delivery] = []
        self.failures = failures or {}

    async def __call__(self, delivery: Delivery) -> None:
        self.calls.append(delivery)
        await let_others_run()
        planned = self.failures.get(delivery.subject, [])
        if planned:
            raise planned.pop(0)
        self.done.append(delivery)

    @property
    def bodies(self) -> list[str]:
        return [delivery.payload.decode() for delivery in self.done]


async def publish(mesh: Mesh, key: str, *texts: str) -> None:
    for text in texts:
        await mesh.bus.publish(f"logistics.observation.eu.{key}.seen", text.encode(), message_id=f"{key}/{text}")


async def test_a_message_id_is_stored_once(mesh: Mesh) -> None:
    first = await mesh.bus.publish("logistics.inbox.gps.1", b"raw", message_id="m1", headers={"X-Kind": "osm"})
    again = await mesh.bus.publish("logistics.inbox.gps.1", b"raw", message_id="m1")
    assert (first.stream, first.sequence, first.duplicate) == ("INBOX", 1, False)
    assert (again.sequence, again.duplicate) == (1, True)
    (stored,) = [message async for message in mesh.store.read_all("INBOX")]
    assert (stored.payload, stored.headers["X-Kind"]) == (b"raw", "osm")


async def test_a_handler_gets_the_message_as_it_was_published(mesh: Mesh) -> None:
    recorder = Recorder()
    await mesh.bus.publish("logistics.observation.eu.k.seen", b"x", message_id="m1", headers={"X-Kind": "osm"})
    async with consuming(mesh, recorder):
        await eventually(lambda: recorder.done)
    (delivery,) = recorder.done
    assert (delivery.subject, delivery.payload) == ("logistics.observation.eu.k.seen", b"x")
    assert (delivery.stream, delivery.sequence, delivery.attempt, delivery.redrives) == ("OBSERVATIONS", 1, 1, 0)
    assert (delivery.message_id, delivery.headers["X-Kind"]) == ("m1", "osm")


async def test_events_of_the_store_reach_consumers_filtered_by_kind(mesh: Mesh) -> None:
    recorder = Recorder()
    async with consuming(mesh, recorder, stream="PARCELS", filters=(KIND.subjects_of("shipped"),)):
        born = await mesh.store.append(KIND, event(pb.Registered(weight_g=1), "p1", 1), expected=0)
        shipped = event(pb.Shipped(), "p1", 2)
        await mesh.store.append(KIND, shipped, expected=born.sequence)
        await eventually(lambda: recorder.done)
    (delivery,) = recorder.done
    assert KIND.decode(delivery.payload) == shipped
    assert delivery.message_id == shipped.event_id


async def test_one_key_stays_in_order_while_keys_run_in_parallel(mesh: Mesh) -> None:
    running: set[str] = set()
    most = 0
    order: dict[str, list[str]] = {}

    async def handle(delivery: Delivery) -> None:
        nonlocal most
        key = delivery.subject.split(".")[3]
        assert key not in running
        running.add(key)
        most = max(most, len(running))
        await let_others_run(5)
        running.remove(key)
        order.setdefault(key, []).append(delivery.payload.decode())

    texts = [f"{number:03}" for number in range(20)]
    for text in texts:
        for key in ("a", "b", "c", "d", "e"):
            await publish(mesh, key, text)
    async with consuming(mesh, handle, concurrency=4):
        await eventually(lambda: sum(map(len, order.values())) == 100)
    assert order == dict.fromkeys("abcde", texts)
    assert 1 < most <= 4


async def test_a_failing_message_holds_up_its_key_and_nobody_else(mesh: Mesh) -> None:
    subject = "logistics.observation.eu.slow.seen"
    recorder = Recorder({subject: [ValueError("once"), ValueError("twice")]})
    await publish(mesh, "slow", "1", "2", "3")
    await publish(mesh, "quick", "1", "2")
    async with consuming(mesh, recorder):
        await eventually(lambda: len(recorder.done) == 5)
    slow = [delivery for delivery in recorder.calls if delivery.subject == subject]
    assert [(delivery.payload.decode(), delivery.attempt) for delivery in slow] == [
        ("1", 1), ("1", 2), ("1", 3), ("2", 1), ("3", 1),
    ]  # fmt: skip
    assert await DeadLetters(mesh.bus, mesh.store).list() == []


async def test_after_the_last_attempt_a_message_is_a_dead_letter_with_its_lineage(mesh: Mesh) -> None:
    subject = "logistics.observation.eu.bad.seen"
    recorder = Recorder({subject: [ValueError(f"no {n}") for n in range(3)]})
    await mesh.bus.publish(subject, b"\x00bad", message_id="m-bad", headers={"X-Kind": "osm"})
    await publish(mesh, "bad", "next")
    async with consuming(mesh, recorder) as consumer:
        await eventually(lambda: "next" in recorder.bodies)
        lag = await eventually(lambda: settled(consumer))
    assert (lag.waiting, lag.in_flight, lag.acknowledged) == (0, 0, 2)
    assert len(recorder.calls) == 4
    (letter,) = await DeadLetters(mesh.bus, mesh.store).list()
    assert (letter.consumer, letter.reason, letter.poison) == ("tester", "ValueError: no 2", False)
    assert (letter.attempts, letter.subject, letter.stream, letter.sequence) == (3, subject, "OBSERVATIONS", 1)
    assert (letter.message_id, letter.payload, letter.headers["X-Kind"]) == ("m-bad", b"\x00bad", "osm")
    assert letter.stored_time <= letter.first_seen + timedelta(seconds=1)
    assert letter.first_seen <= letter.last_seen
    assert (letter.redrives, letter.letter_id) == (0, 1)


async def settled(consumer: Consumer) -> Any:
    lag = await consumer.lag()
    return lag if lag.waiting == lag.in_flight == 0 else None


async def test_poison_goes_to_the_dead_letters_at_once(mesh: Mesh) -> None:
    recorder = Recorder({"logistics.observation.eu.bad.seen": [Poison("not a position")]})
    await publish(mesh, "bad", "x")
    letters = DeadLetters(mesh.bus, mesh.store)
    async with consuming(mesh, recorder):
        (letter,) = await eventually(letters.list)
    assert (letter.reason, letter.poison, letter.attempts) == ("not a position", True, 1)
    assert len(recorder.calls) == 1


async def test_a_handler_may_ask_for_another_attempt_at_its_own_time(mesh: Mesh) -> None:
    recorder = Recorder({"logistics.observation.eu.k.seen": [Retry("busy", after=timedelta(milliseconds=30))]})
    await publish(mesh, "k", "x")
    loop = asyncio.get_running_loop()
    async with consuming(mesh, recorder, backoff=Backoff(first=60, longest=60)):
        await eventually(lambda: recorder.calls)
        begin = loop.time()
        await eventually(lambda: recorder.done)
    assert loop.time() - begin >= 0.01
    assert recorder.done[0].attempt == 2


async def test_a_replay_reaches_the_consumer_that_failed_with_the_original_id_and_nobody_else(mesh: Mesh) -> None:
    subject = "logistics.observation.eu.bad.seen"
    failing, sound = Recorder({subject: [Poison("bug")]}), Recorder()
    letters = DeadLetters(mesh.bus, mesh.store)
    await mesh.bus.publish(subject, b"payload", message_id="m1", headers={"X-Kind": "osm"})
    async with consuming(mesh, failing), consuming(mesh, sound, durable="sound"):
        (letter,) = await eventually(letters.list)
        await eventually(lambda: sound.done)
        await letters.replay(letter.letter_id)
        await eventually(lambda: failing.done)
        assert await letters.list() == []
    original, again = failing.calls
    assert (again.subject, again.payload, again.message_id) == (subject, b"payload", "m1")
    assert (again.stream, again.sequence, again.stored_time) == (
        original.stream,
        original.sequence,
        original.stored_time,
    )
    assert again.headers == original.headers
    assert (original.redrives, again.redrives) == (0, 1)
    assert len(sound.calls) == 1


async def test_a_replay_that_fails_again_is_a_new_letter_that_counts_it(mesh: Mesh) -> None:
    recorder = Recorder({"logistics.observation.eu.bad.seen": [Poison("bug"), Poison("still")]})
    letters = DeadLetters(mesh.bus, mesh.store)
    await publish(mesh, "bad", "x")
    async with consuming(mesh, recorder):
        (letter,) = await eventually(letters.list)
        await letters.replay(letter.letter_id)
        (second,) = await eventually(letters.list)
    assert (second.reason, second.redrives) == ("still", 1)
    assert (second.subject, second.message_id) == (letter.subject, letter.message_id)
    assert second.letter_id > letter.letter_id


async def test_letters_are_listed_by_consumer_and_discarded_with_a_reason(mesh: Mesh) -> None:
    subject = "logistics.observation.eu.bad.seen"
    letters = DeadLetters(mesh.bus, mesh.store)
    await publish(mesh, "bad", "x")
    async with (
        consuming(mesh, Recorder({subject: [Poison("one")]})),
        consuming(mesh, Recorder({subject: [Poison("two")]}), durable="two"),
    ):
        await eventually(lambda: two(letters))
    assert [letter.reason for letter in await letters.list("two")] == ["two"]
    newest, count = await letters.newest(1)
    assert (newest, count) == ((await letters.list())[-1:], 2)
    assert await letters.newest(5, "two") == (await letters.list("two"), 1)
    (letter,) = await letters.list("two", limit=1)
    assert await letters.get(letter.letter_id) == letter
    await letters.discard(letter.letter_id, "a test vehicle")
    assert await letters.list("two") == []
    for gone in (letter.letter_id, 999):
        with pytest.raises(NotFound):
            await letters.replay(gone)


async def two(letters: DeadLetters) -> bool:
    return len(await letters.list()) == 2


async def test_a_stopped_consumer_goes_on_where_it_stood(mesh: Mesh) -> None:
    first, second = Recorder(), Recorder()
    await publish(mesh, "k", "1", "2")
    async with consuming(mesh, first) as consumer:
        await eventually(lambda: len(first.done) == 2)
        await eventually(lambda: settled(consumer))
    await publish(mesh, "k", "3")
    async with consuming(mesh, second):
        await eventually(lambda: second.done)
    assert (first.bodies, second.bodies) == (["1", "2"], ["3"])


async def test_stopping_lets_the_running_handler_finish_and_hands_the_rest_back(mesh: Mesh) -> None:
    started, go = asyncio.Event(), asyncio.Event()
    finished: list[str] = []

    async def handle(delivery: Delivery) -> None:
        started.set()
        await go.wait()
        finished.append(delivery.payload.decode())

    await publish(mesh, "k", "1", "2", "3")
    async with consuming(mesh, handle) as consumer:
        await started.wait()
        stopping = asyncio.create_task(consumer.stop())
        await let_others_run()
        go.set()
        await stopping
    assert finished == ["1"]
    rest = Recorder()
    async with consuming(mesh, rest):
        await eventually(lambda: len(rest.done) == 2)
    assert sorted(rest.bodies) == ["2", "3"]


async def test_a_handler_that_outlives_the_grace_is_cut_off_and_its_message_comes_again(mesh: Mesh) -> None:
    started = asyncio.Event()

    async def hang(_: Delivery) -> None:
        started.set()
        await asyncio.Event().wait()

    await publish(mesh, "k", "1")
    async with consuming(mesh, hang) as consumer:
        await started.wait()
        await consumer.stop(grace=timedelta(0))
    again = Recorder()
    async with consuming(mesh, again):
        await eventually(lambda: again.done)
    assert again.done[0].attempt == 2


async def test_a_message_whose_handler_kills_every_process_is_parked_without_calling_it_again(mesh: Mesh) -> None:
    started = asyncio.Event()

    async def die(_: Delivery) -> None:
        started.set()
        await asyncio.Event().wait()

    await publish(mesh, "k", "1")
    for _ in range(2):
        started.clear()
        async with consuming(mesh, die, max_deliver=2) as consumer:
            await started.wait()
            await consumer.stop(grace=timedelta(0))
    recorder = Recorder()
    letters = DeadLetters(mesh.bus, mesh.store)
    async with consuming(mesh, recorder, max_deliver=2):
        (letter,) = await eventually(letters.list)
    assert "process died" in letter.reason
    assert recorder.calls == []


async def test_replicas_of_a_service_share_the_work(mesh: Mesh) -> None:
    one, other = Recorder(), Recorder()
    async with consuming(mesh, one), consuming(mesh, other):
        for number in range(30):
            await publish(mesh, f"k{number}", "x")
        await eventually(lambda: len({delivery.sequence for delivery in one.done + other.done}) == 30)


async def test_a_new_consumer_may_begin_with_what_comes_next(mesh: Mesh) -> None:
    recorder = Recorder()
    await publish(mesh, "k", "old")
    async with consuming(mesh, recorder, from_now=True):
        await publish(mesh, "k", "new")
        await eventually(lambda: recorder.done)
    assert recorder.bodies == ["new"]


async def test_a_long_handler_keeps_its_message(mesh: Mesh) -> None:
    go = asyncio.Event()
    calls = 0

    async def long(_: Delivery) -> None:
        nonlocal calls
        calls += 1
        await go.wait()

    await publish(mesh, "k", "1")
    async with consuming(mesh, long, ack_wait=timedelta(milliseconds=300)) as consumer:
        await eventually(lambda: calls)
        asyncio.get_running_loop().call_later(1.2, go.set)
        await eventually(lambda: settled(consumer))
    assert calls == 1


async def test_a_missing_stream_is_named(mesh: Mesh) -> None:
    with pytest.raises((StreamMissing, NotPermitted), match="NOWHERE"):
        async with consuming(mesh, Recorder(), stream="NOWHERE"):
            pass


async def test_a_latch_closes_once_and_knows_its_holder(mesh: Mesh) -> None:
    latch = "logistics.effect.post_invoice.o1"
    assert await mesh.bus.claimed(latch) is None
    first = await mesh.bus.claim(latch, b"mine", message_id="r1")
    again = await mesh.bus.claim(latch, b"mine", message_id="r1")
    assert (first.duplicate, again.duplicate, again.sequence) == (False, True, first.sequence)
    with pytest.raises(AlreadyTaken, match="r1"):
        await mesh.bus.claim(latch, b"theirs", message_id="r2")
    holder = await mesh.bus.claimed(latch)
    assert holder is not None
    assert (holder.payload, holder.message_id) == (b"mine", "r1")
    await mesh.bus.claim("logistics.effect.post_invoice.o2", b"", message_id="r3")


async def test_of_many_who_claim_a_latch_one_gets_it(mesh: Mesh) -> None:
    async def claim(number: int) -> int | None:
        try:
            await mesh.bus.claim("logistics.effect.x.1", b"", message_id=f"r{number}")
        except AlreadyTaken:
            return None
        return number

    winners = [number for number in await asyncio.gather(*(claim(n) for n in range(12))) if number is not None]
    assert len(winners) == 1


@on_jetstream
async def test_a_trace_goes_on_through_the_bus_and_through_events(mesh: Mesh) -> None:
    assert mesh.connection is not None
    seen: list[int] = []

    async def handle(_: Delivery) -> None:
        seen.append(trace.get_current_span().get_span_context().trace_id)

    context = trace.SpanContext(0x1234567890ABCDEF1234567890ABCDEF, 0x1234567890ABCDEF, False, trace.TraceFlags(1))
    with trace.use_span(trace.NonRecordingSpan(context)):
        await publish(mesh, "k", "1")
        await mesh.store.append(KIND, event(pb.Registered(weight_g=1), "p1", 1), expected=0)
    async with consuming(mesh, handle), consuming(mesh, handle, stream="PARCELS"):
        await eventually(lambda: len(seen) == 2)
    assert seen == [context.trace_id] * 2


@on_jetstream
async def test_a_consumer_that_somebody_deleted_is_set_up_again(mesh: Mesh) -> None:
    assert mesh.connection is not None
    recorder = Recorder()
    async with consuming(mesh, recorder):
        await publish(mesh, "k", "1")
        await eventually(lambda: recorder.done)
        await mesh.connection.jetstream().delete_consumer("OBSERVATIONS", "tester")
        await publish(mesh, "k", "2")
        await eventually(lambda: "2" in recorder.bodies)


async def test_a_key_that_cannot_be_told_does_not_stop_the_consumer(mesh: Mesh) -> None:
    def key(delivery: Delivery) -> str:
        return str(int(delivery.payload))

    recorder = Recorder()
    await publish(mesh, "k", "x", "1")
    async with consuming(mesh, recorder, key=key):
        await eventually(lambda: len(recorder.done) == 2)
