"""`at_least_version`: a writer reads its own write, or learns in time that it cannot yet."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.exc import DBAPIError

from gladhand.calls import correlated
from gladhand.errors import Unavailable
from gladhand.testing import MemoryEventStore
from logistics.order.v1 import OrderReleased, OrderState
from services.orchestrator.read_model import ReadModel
from tests.adapters.read_model.conftest import project, projecting
from tests.adapters.read_model.story import Story, name


async def test_a_writer_reads_its_own_write(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    async with projecting(store, model):
        order_id = await story.receive("one")
        for version in range(2, 20):
            event = await story.tell("order", order_id, OrderReleased())
            order = await model.order(order_id, at_least_version=version)
            assert order is not None
            assert (order.version, event.version) == (version, version)


async def test_waits_for_what_is_not_there_yet(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    async with projecting(store, model):
        reading = asyncio.create_task(model.order(name("one"), at_least_version=2))
        await story.release("one")
        order = await reading
        assert order is not None
        assert order.state == OrderState.ORDER_STATE_RELEASED


async def test_sees_what_another_process_projected(
    model: ReadModel, database_url: str, store: MemoryEventStore, story: Story
) -> None:
    async with ReadModel.opened(database_url) as elsewhere:
        reading = asyncio.create_task(model.order(name("one"), at_least_version=2))
        await story.release("one")
        await project(store, elsewhere)
        assert await reading is not None


async def test_says_in_time_that_it_is_behind(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    order_id = await story.release("one")
    await project(store, model)
    with correlated("test", timeout_s=0.6), pytest.raises(Unavailable) as behind:
        await model.order(order_id, at_least_version=7)
    assert behind.value.reason == "READ_MODEL_BEHIND"
    assert behind.value.metadata == {"at_least_version": "7", "version": "2"}
    assert behind.value.retry_after_s


async def test_without_time_it_answers_at_once(model: ReadModel) -> None:
    with correlated("test", timeout_s=0), pytest.raises(Unavailable) as behind:
        await model.load(name("nobody"), at_least_version=1)
    assert behind.value.metadata["version"] == "0"


async def test_without_a_version_it_does_not_wait(model: ReadModel) -> None:
    assert await model.order(name("nobody")) is None
    assert await model.pod(name("nobody"), 0) is None


async def test_a_database_that_goes_away_is_unavailable_and_nothing_worse(
    model: ReadModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise DBAPIError("connect", None, Exception("the database system is starting up"))

    monkeypatch.setattr(model.database._engine.sync_engine.pool, "connect", gone)
    with pytest.raises(Unavailable, match="starting up"):
        await model.order(name("one"))
