"""The projector: whatever happens on the way, the rows are what the log tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from gladhand.errors import StartRefused
from gladhand.log.jetstream import JetStreamEventStore
from gladhand.testing import MemoryBroker, MemoryEventStore, VirtualClock, eventually
from logistics.order.v1 import OrderAmended, OrderEtaChanged, OrderEvent, OrderReleased, OrderState, OrderValidated
from services.orchestrator.read_model import Projector, ReadModel
from services.orchestrator.read_model import database as database_module
from services.orchestrator.read_model.database import Database
from services.orchestrator.read_model.folding import Unprojectable
from services.orchestrator.read_model.schema import positions
from services.orchestrator.read_model.writing import Superseded
from tests.adapters.read_model.conftest import contents, project, projecting
from tests.adapters.read_model.story import Story, name


async def told(story: Story, *, orders: int = 6) -> None:
    """Record a little of everything."""
    ids = [await story.release(f"order {number}") for number in range(orders)]
    load_id = await story.plan("load", *ids)
    await story.assign(load_id, "truck-7")
    await story.journey("whole")
    for order_id in ids:
        story.clock.advance(timedelta(minutes=1))
        await story.tell("order", order_id, OrderValidated())
        await story.tell("order", order_id, OrderReleased())


async def fresh(store: MemoryEventStore, path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return what a new model shows after one pass over the log."""
    async with ReadModel.opened(f"sqlite:///{path / 'fresh.sqlite'}") as model:
        await project(store, model)
        return await contents(model)


async def test_follows_what_is_recorded_while_it_runs(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    async with projecting(store, model):
        order_id = await story.receive("one")
        await eventually(lambda: model.order(order_id))
        await story.tell("order", order_id, OrderReleased())

        async def released() -> bool:
            shown = await model.order(order_id)
            return shown is not None and shown.state == OrderState.ORDER_STATE_RELEASED

        await eventually(released)


async def test_rows_hold_the_canonical_object(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    ids = await story.journey("a")
    await project(store, model)
    order = await model.order(ids["order"])
    assert order is not None
    assert (order.order_id, order.version, list(order.load_ids)) == (ids["order"], 3, [ids["load"]])
    pod = await model.pod(ids["pod"])
    assert pod is not None
    assert pod.signer_name == "Ann Example"
    assert [await model.load(ids["load"]) is None, await model.invoice(ids["invoice"]) is None] == [False, False]
    assert [await model.hold(ids["hold"]) is None, await model.exception(ids["exception"]) is None] == [False, False]


async def test_goes_on_where_it_stopped(
    model: ReadModel, store: MemoryEventStore, story: Story, tmp_path: Path
) -> None:
    await told(story)
    await project(store, model)
    middle = await contents(model)
    await story.tell("order", name("order 1"), OrderReleased())
    await story.journey("second")
    await project(store, model)
    assert await contents(model) != middle
    assert await contents(model) == await fresh(store, tmp_path)


async def test_what_is_folded_again_is_the_same_with_a_small_cache(
    model: ReadModel, store: MemoryEventStore, story: Story, tmp_path: Path
) -> None:
    await told(story, orders=30)
    await project(store, model, kept=2)
    assert await contents(model) == await fresh(store, tmp_path)


async def test_event_by_event_ends_like_one_pass(
    model: ReadModel, store: MemoryEventStore, story: Story, tmp_path: Path
) -> None:
    async with projecting(store, model) as projector:
        for number in range(4):
            order_id = await story.release(f"slow {number}")
            await projector.caught_up()
            await story.plan(f"slow load {number}", order_id)
            await projector.caught_up()
    assert await contents(model) == await fresh(store, tmp_path)


async def test_a_rebuild_while_it_runs_ends_where_it_was(
    model: ReadModel, store: MemoryEventStore, story: Story
) -> None:
    await told(story)
    async with projecting(store, model) as projector:
        await projector.caught_up()
        live = await contents(model)
        await model.rebuild()
        assert await model.order(name("order 1")) is None
        await eventually(lambda: model.order(name("order 1")))
        await projector.caught_up()
        assert await contents(model) == live


class Killed(BaseException):
    """The process is gone."""


class Dying(Database):
    """Dies with everything written and nothing committed."""

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        async with super().writing() as connection:
            yield connection
            raise Killed


async def test_a_death_before_the_commit_leaves_nothing_half_done(
    database_url: str, store: MemoryEventStore, story: Story, tmp_path: Path
) -> None:
    await told(story)
    async with Dying.opened(database_url) as dying:
        untouched = await contents(ReadModel(dying))
        with pytest.raises(Killed):
            await project(store, ReadModel(dying))
        assert await contents(ReadModel(dying)) == untouched
    async with ReadModel.opened(database_url) as model:
        await project(store, model)
        assert await contents(model) == await fresh(store, tmp_path)


async def test_a_death_behind_the_commit_does_nothing_twice(
    model: ReadModel, store: MemoryEventStore, story: Story, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The answer to a commit is lost: the projector finds its own position and goes on behind it."""
    await told(story)
    lost = 0
    writing = model.database.writing

    @asynccontextmanager
    async def forgetful() -> AsyncIterator[AsyncConnection]:
        nonlocal lost
        async with writing() as connection:
            yield connection
        lost += 1
        if lost <= 3:
            raise database_module._silent(OSError("the line is gone"))

    monkeypatch.setattr(model.database, "writing", forgetful)
    await project(store, model)
    assert lost > 3
    assert await contents(model) == await fresh(store, tmp_path)


async def test_two_projectors_on_one_database_neither_double_nor_regress(
    model: ReadModel, database_url: str, store: MemoryEventStore, story: Story, tmp_path: Path
) -> None:
    watched = await story.receive("watched")
    seen: list[int] = []

    async def watch(stop: asyncio.Event) -> None:
        while not stop.is_set():
            order = await model.order(watched)
            seen.append(order.version if order is not None else 0)
            await asyncio.wait({asyncio.ensure_future(stop.wait())}, timeout=0.001)

    async with (
        ReadModel.opened(database_url) as other,
        projecting(store, model) as one,
        projecting(store, other) as two,
    ):
        stop = asyncio.Event()
        watching = asyncio.create_task(watch(stop))
        for number in range(60):
            await story.tell("order", watched, OrderAmended())
            await story.release(f"many {number}")
        await one.caught_up()
        await two.caught_up()
        stop.set()
        await watching
    assert seen == sorted(seen)
    assert await contents(model) == await fresh(store, tmp_path)


def unknown(order_id: str, version: int, *, may_ignore: bool) -> bytes:
    """Return an event with a body of a later version of the contract."""
    event = OrderEvent(event_id=name("new"), order_id=order_id, version=version, may_ignore=may_ignore, region="us")
    later = b"\xba\x3e\x00"  # field 999, length 0
    return event.SerializeToString() + later


async def test_an_unknown_event_that_may_be_ignored_only_counts(
    model: ReadModel, store: MemoryEventStore, story: Story, broker: MemoryBroker
) -> None:
    order_id = await story.receive("one")
    broker.put(f"logistics.order.us.{order_id}.renamed", unknown(order_id, 2, may_ignore=True), {}, "m1")
    await project(store, model)
    assert await model.order(order_id, at_least_version=2) is not None


async def test_an_unknown_event_stops_it_and_is_named(
    model: ReadModel, store: MemoryEventStore, story: Story, broker: MemoryBroker
) -> None:
    order_id = await story.receive("one")
    broker.put(f"logistics.order.us.{order_id}.renamed", unknown(order_id, 2, may_ignore=False), {}, "m1")
    with pytest.raises(Unprojectable) as stopped:
        await project(store, model)
    assert (stopped.value.stream, stopped.value.sequence) == ("ORDERS", 2)


@pytest.mark.parametrize("subject", ["logistics.order.us.{}.released", "logistics.order.us.{}.renamed"])
async def test_bytes_that_are_no_event_stop_it(
    model: ReadModel, store: MemoryEventStore, story: Story, broker: MemoryBroker, subject: str
) -> None:
    order_id = await story.receive("one")
    broker.put(subject.format(order_id), b"\xff\xff\xff", {}, "m1")
    with pytest.raises(Unprojectable, match="ORDERS 2"):
        await project(store, model)


async def test_a_gap_in_a_history_stops_it(
    model: ReadModel, store: MemoryEventStore, story: Story, broker: MemoryBroker
) -> None:
    order_id = await story.receive("one")
    gap = OrderEvent(order_id=order_id, version=4, eta_changed=OrderEtaChanged())
    broker.put(f"logistics.order.us.{order_id}.eta_changed", gap.SerializeToString(), {}, "m1")
    with pytest.raises(Unprojectable, match="version 4 of order follows version 1"):
        await project(store, model)


async def test_begins_anew_on_another_log(
    model: ReadModel, store: MemoryEventStore, story: Story, clock: VirtualClock, tmp_path: Path
) -> None:
    await told(story)
    await project(store, model)
    other = MemoryEventStore(MemoryBroker(clock))
    await Story(other, clock).receive("somewhere else")
    await project(other, model)
    assert await model.order(name("order 1")) is None
    assert await contents(model) == await fresh(other, tmp_path)


async def test_tables_of_another_version_are_built_anew(
    database_url: str, store: MemoryEventStore, story: Story, tmp_path: Path
) -> None:
    await told(story)
    async with ReadModel.opened(database_url) as model:
        await project(store, model)
        async with model.database.writing() as connection:
            await connection.execute(update(positions).values(schema_version=0))
    async with ReadModel.opened(database_url) as model:
        assert await model.order(name("order 1")) is None
        await project(store, model)
        assert await contents(model) == await fresh(store, tmp_path)


async def test_an_older_program_stops_when_a_newer_one_took_over(
    model: ReadModel, store: MemoryEventStore, story: Story
) -> None:
    await told(story)
    await project(store, model)
    running = asyncio.create_task(Projector(store, model).run(asyncio.Event()))
    async with model.database.writing() as connection:
        await connection.execute(update(positions).values(schema_version=99))
    await story.receive("late")
    with pytest.raises(Superseded, match="version 99"):
        await asyncio.wait_for(running, 10)


async def test_survives_a_log_that_is_silent_for_a_while(
    model: ReadModel, store: MemoryEventStore, story: Story, broker: MemoryBroker
) -> None:
    await told(story)
    async with projecting(store, model, kept=1) as projector:
        await projector.caught_up()
        await story.tell("order", name("order 1"), OrderReleased())
        await story.tell("order", name("order 2"), OrderReleased())
        broker.outage = True
        await eventually(lambda: model.order(name("order 0")))
        broker.outage = False
        await projector.caught_up()


@pytest.mark.parametrize("url", ["mysql://somewhere/else", "nonsense", "sqlite:////proc/no/such/file.sqlite"])
async def test_refuses_to_start_without_its_database(url: str) -> None:
    with pytest.raises(StartRefused, match="GLADHAND_DATABASE_URL"):
        async with ReadModel.opened(url):
            raise AssertionError("opened")


async def test_on_a_real_log(tmp_path: Path, mesh_streams: Client, clock: VirtualClock) -> None:
    store = JetStreamEventStore(mesh_streams, source="test")
    story = Story(store, clock)
    url = f"sqlite:///{tmp_path / 'real.sqlite'}"
    async with ReadModel.opened(url) as model, projecting(store, model) as projector:
        ids = await story.journey("before")
        assert await model.order(ids["order"], at_least_version=3) is not None
        await projector.caught_up()
    await told(story)
    async with ReadModel.opened(url) as model:
        await project(store, model)
        live = await contents(model)
        await model.rebuild()
        await project(store, model, kept=1)
        assert await contents(model) == live
