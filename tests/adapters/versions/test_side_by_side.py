"""Versions 1 and 2 of holds on one log of a real nats-server: both served, both written, both read, nothing lost."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from nats.aio.client import Client

from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.port import Backoff, Delivery, Subscription
from gladhand.clock import SystemClock
from gladhand.decider import Decider
from gladhand.envelope import Envelopes, EnvelopeType, Stamp
from gladhand.errors import GladhandError
from gladhand.execute import Executor
from gladhand.lifecycle import check_step
from gladhand.log.jetstream import JetStreamEventStore
from gladhand.log.port import StoredMessage
from gladhand.server import Running, ServiceProcess
from gladhand.settings import Settings
from gladhand.testing import eventually
from gladhand.validation import check
from logistics.exception import v1
from logistics.orchestrator.v1 import OrchestratorServiceStub, PlaceHoldRequest, ReleaseHoldRequest
from logistics.type.v1 import Actor, ActorKind
from services.orchestrator.deciders import hold as old_decider
from tests.adapters.versions.hold_v2 import DECIDER, NEW, OLD, follow, v2, v2_grpc
from tests.adapters.versions.serving import serve_both

STREAM = "EXCEPTIONS"


@pytest.fixture(autouse=True)
def at_rest() -> Iterator[None]:
    follow(speak_old=True)
    yield
    NEW.translation = None


@dataclass
class Reader:
    """A consumer of one version: it folds what it is given as a service does, and keeps everything it saw."""

    decider: Decider[Any, Any, Any]
    events: list[Any] = field(default_factory=list)
    states: dict[str, Any] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    async def take(self, delivery: Delivery) -> None:
        kind: EnvelopeType[Any] = EnvelopeType.of(self.decider.envelope)
        event = kind.decode(delivery.payload)
        try:
            known = kind.knows(event)
        except GladhandError as error:
            self.failed.append(error.message)
            raise
        self.events.append(event)
        if known:
            before = self.states.get(event.hold_id, self.decider.initial)
            after = self.decider.evolve(before, event)
            check_step(self.decider.machines(before), kind.body(event).name, self.decider.machines(after))
            self.states[event.hold_id] = after

    def where(self, hold_id: str) -> str:
        hold = self.states[hold_id].hold
        return v1.HoldState.Name(hold.state).removeprefix("HOLD_STATE_")


@dataclass
class Mesh:
    """A log with an old and a new consumer on it, an old writer, and clients of both versions of the new one."""

    store: JetStreamEventStore
    bus: JetStreamBus
    old: Reader
    new: Reader
    old_writer: Executor
    v1: Any
    v2: Any

    async def stored(self) -> list[StoredMessage]:
        async with aclosing(self.store.read_all(STREAM)) as messages:
            return [message async for message in messages]

    async def old_place(self, hold_id: str) -> None:
        wish = v1.SetHold(hold=old_hold(hold_id))
        await self._old(hold_id, v1.HoldCommand(hold_id=hold_id, place=wish))

    async def old_release(self, hold_id: str) -> None:
        wish = v1.LiftHold(released_by="anna", evidence="seen")
        await self._old(hold_id, v1.HoldCommand(hold_id=hold_id, release=wish))

    async def _old(self, hold_id: str, command: v1.HoldCommand) -> None:
        stamp = Stamp(
            str(uuid4()),
            region="us",
            correlation_id=hold_id,
            actor=Actor(kind=ActorKind.ACTOR_KIND_PERSON, id="anna"),
        )
        await self.old_writer.execute(old_decider.DECIDER, hold_id, command, stamp)


@pytest.fixture
async def running(mesh_streams: Client) -> AsyncIterator[Running]:
    store = JetStreamEventStore(mesh_streams, source="new-replica")
    executor = Executor(store, SystemClock(), validate=check)

    async def build(process: ServiceProcess[Settings]) -> None:
        await serve_both(process, executor)

    async with ServiceProcess("holds", Settings(grace_s=5.0)).serving(build) as served:
        yield served


@pytest.fixture
async def mesh(mesh_streams: Client, running: Running) -> AsyncIterator[Mesh]:
    bus = JetStreamBus(mesh_streams, SystemClock())
    old, new = Reader(old_decider.DECIDER), Reader(DECIDER)
    quick = Backoff(first=0.01, longest=0.05)
    consumers = [
        await bus.subscribe(
            Subscription(
                STREAM, f"holds-{name}", reader.take, filters=("logistics.hold.>",), max_deliver=2, backoff=quick
            )
        )
        for name, reader in (("old", old), ("new", new))
    ]
    store = JetStreamEventStore(mesh_streams, source="old-replica")
    async with grpc.aio.insecure_channel(running.target) as channel:
        yield Mesh(
            store,
            bus,
            old,
            new,
            Executor(store, SystemClock(), validate=check),
            OrchestratorServiceStub(channel),
            v2_grpc.HoldServiceStub(channel),
        )
    for consumer in consumers:
        await consumer.stop()


def old_hold(hold_id: str) -> v1.Hold:
    return v1.Hold(hold_id=hold_id, order_id="o-1", gates=[v1.GATE_BILLING], reason="warm", region="us")


def new_hold(hold_id: str) -> Any:
    return v2.Hold(
        hold_id=hold_id,
        target=v2.Target(load_id="l-1"),
        gates=[v1.GATE_DISPATCH],
        reason=v2.Reason(code="BRAKES", text="brakes were hot"),
        region="us",
    )


def release_v1(hold_id: str) -> ReleaseHoldRequest:
    return ReleaseHoldRequest(request_id=str(uuid4()), hold_id=hold_id, released_by="ben", evidence="seen")


def release_v2(hold_id: str) -> Any:
    return v2.ReleaseHoldRequest(request_id=str(uuid4()), hold_id=hold_id, released_by="cleo", evidence="seen")


async def place_v1(mesh: Mesh, hold_id: str) -> Any:
    return await mesh.v1.PlaceHold(PlaceHoldRequest(request_id=str(uuid4()), hold=old_hold(hold_id)))


async def place_v2(mesh: Mesh, hold_id: str) -> Any:
    return await mesh.v2.PlaceHold(v2.PlaceHoldRequest(request_id=str(uuid4()), hold=new_hold(hold_id)))


def lineage(event: Any) -> tuple[Any, ...]:
    return (
        event.event_id, event.hold_id, event.version, event.correlation_id, event.causation_id, event.request_id,
        event.actor.id, event.record_time.ToNanoseconds(), event.occur_time.ToNanoseconds(),
    )  # fmt: skip


async def told(mesh: Mesh) -> list[StoredMessage]:
    """What is stored, once both consumers have seen all of it."""
    stored = await mesh.stored()
    await eventually(lambda: len(mesh.old.events) >= len(stored) and len(mesh.new.events) >= len(stored))
    return stored


async def test_old_and_new_writers_and_readers_share_every_history(mesh: Mesh) -> None:
    by_old, by_v1, by_v2 = (str(uuid4()) for _ in range(3))
    await mesh.old_place(by_old)
    answered_v1 = await place_v1(mesh, by_v1)
    answered_v2 = await place_v2(mesh, by_v2)
    assert answered_v1.hold.order_id == "o-1"
    assert answered_v2.hold.target.load_id == "l-1"
    # Each history goes on in the other version.
    assert (await mesh.v2.ReleaseHold(release_v2(by_old))).hold.target.order_id == "o-1"
    await mesh.old_release(by_v1)
    released = await mesh.v1.ReleaseHold(release_v1(by_v2))
    assert released.hold.load_id == "l-1"
    assert released.hold.reason == "BRAKES: brakes were hot"

    stored = await told(mesh)
    assert len(stored) == 6
    for hold_id in (by_old, by_v1, by_v2):
        assert mesh.old.where(hold_id) == mesh.new.where(hold_id) == "RELEASED"
    assert mesh.old.states[by_v2].hold.reason == "BRAKES: brakes were hot"
    assert mesh.new.states[by_v1].hold.released_by == "anna", "told by the old writer in the actor alone"


async def test_nothing_is_lost_or_renamed_while_all_write_at_once(mesh: Mesh) -> None:
    holds = [str(uuid4()) for _ in range(24)]
    places = (mesh.old_place, lambda hold_id: place_v1(mesh, hold_id), lambda hold_id: place_v2(mesh, hold_id))
    await asyncio.gather(*(places[number % 3](hold_id) for number, hold_id in enumerate(holds)))
    # Three writers race for each release; whoever is first records it, and it is recorded once.
    await asyncio.gather(
        *(mesh.old_release(hold_id) for hold_id in holds),
        *(mesh.v1.ReleaseHold(release_v1(hold_id)) for hold_id in holds),
        *(mesh.v2.ReleaseHold(release_v2(hold_id)) for hold_id in holds),
    )
    stored = await told(mesh)
    assert len(stored) == 2 * len(holds)
    seen_old, seen_new = sorted(map(lineage, mesh.old.events)), sorted(map(lineage, mesh.new.events))
    assert seen_old == seen_new, "the same events, with the same ids, causes and times, for both"
    assert len(set(seen_old)) == len(stored)
    assert {message.headers["Nats-Msg-Id"] for message in stored} == {event.event_id for event in mesh.new.events}
    versions = defaultdict(list)
    for event in mesh.new.events:
        versions[event.hold_id].append(event)
    for events in versions.values():
        first, second = sorted(events, key=lambda event: int(event.version))
        assert (first.version, second.version) == (1, 2)
        assert second.causation_id == first.event_id
        assert second.correlation_id == first.correlation_id
    assert (
        {mesh.old.where(hold_id) for hold_id in holds} == {mesh.new.where(hold_id) for hold_id in holds} == {"RELEASED"}
    )


async def test_reading_rewrites_nothing_and_a_replay_tells_the_same(mesh: Mesh) -> None:
    hold_id = str(uuid4())
    await mesh.old_place(hold_id)
    before = await told(mesh)
    await mesh.v2.ReleaseHold(release_v2(hold_id))
    after = await told(mesh)
    assert [message.payload for message in after[:1]] == [message.payload for message in before]
    assert OLD.decode(after[0].payload).placed.hold.reason == "warm"
    replayed = [Envelopes(v2.HoldEvent).decode(message.subject, message.payload) for message in after]
    assert replayed == mesh.new.events
    assert [Envelopes(v1.HoldEvent).decode(message.subject, message.payload) for message in after] == mesh.old.events


async def test_the_same_request_gives_the_first_answer_through_either_door(mesh: Mesh) -> None:
    hold_id = str(uuid4())
    request = v2.PlaceHoldRequest(request_id=str(uuid4()), hold=new_hold(hold_id))
    first, again = await mesh.v2.PlaceHold(request), await mesh.v2.PlaceHold(request)
    assert first == again
    assert len(await mesh.stored()) == 1


async def test_what_old_readers_have_no_word_for_waits_until_they_are_gone(mesh: Mesh) -> None:
    hold_id = str(uuid4())
    await place_v2(mesh, hold_id)
    extension = v2.ExtendHoldRequest(request_id=str(uuid4()), hold_id=hold_id, expire_time=Timestamp(seconds=2**31))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await mesh.v2.ExtendHold(extension)
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert "gladhand contracts live" in (refused.value.details() or "")
    assert len(await told(mesh)) == 1

    follow(speak_old=False)  # the registry knows of no old reader any more, so an operator says
    extended = await mesh.v2.ExtendHold(extension)
    assert extended.hold.expire_time.seconds == 2**31
    await eventually(lambda: len(mesh.new.events) == 2)


async def test_an_old_reader_that_was_left_behind_stops_loudly_and_loses_nothing(mesh: Mesh) -> None:
    hold_id = str(uuid4())
    await place_v2(mesh, hold_id)
    follow(speak_old=False)
    await mesh.v2.ReleaseHold(release_v2(hold_id))
    await eventually(lambda: len(mesh.new.events) == 2 and bool(mesh.old.failed))
    assert "upgrade this service first" in mesh.old.failed[0]
    assert mesh.old.where(hold_id) == "ACTIVE", "it does not pretend to know"
    assert mesh.new.where(hold_id) == "RELEASED"

    async def parked() -> bool:
        async with aclosing(mesh.store.read_all("DEADLETTER")) as letters:
            return [letter async for letter in letters] != []

    await eventually(parked)
