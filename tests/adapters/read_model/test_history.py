"""Histories as a caller gets them."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gladhand.envelope import UnknownEvent
from gladhand.errors import InvalidArgument, NotFound
from gladhand.testing import MemoryBroker, MemoryEventStore
from logistics.orchestrator.v1 import GetHistoryRequest, HistoryEntry
from logistics.order.v1 import OrderEvent
from logistics.type.v1 import Actor, ActorKind
from services.orchestrator.read_model import ReadModel
from services.orchestrator.servicer import OrchestratorServicer
from tests.adapters.read_model.conftest import project
from tests.adapters.read_model.story import Story, name


@pytest.fixture
async def model(tmp_path: Path) -> AsyncGenerator[ReadModel]:
    """On SQLite alone: histories come from the log."""
    async with ReadModel.opened(f"sqlite:///{tmp_path / 'read_model.sqlite'}") as opened:
        yield opened


async def history(
    store: MemoryEventStore, model: ReadModel, aggregate: str, word: str, *, journey: bool = False
) -> list[HistoryEntry]:
    desk: Any = SimpleNamespace(store=store, read_model=model)
    request = GetHistoryRequest(aggregate=aggregate, id=word, journey=journey)
    return list((await OrchestratorServicer(desk).GetHistory(request, cast(Any, None))).entries)


async def test_one_aggregate_oldest_first(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    order_id = await story.release("one")
    entries = await history(store, model, "order", order_id)
    assert [(e.aggregate, e.aggregate_id, e.version, e.event, e.state) for e in entries] == [
        ("order", order_id, 1, "received", "ORDER_STATE_RECEIVED"),
        ("order", order_id, 2, "released", "ORDER_STATE_RELEASED"),
    ]
    assert [(e.stream, e.sequence, e.correlation_id, e.actor.id) for e in entries] == [
        ("ORDERS", 1, order_id, "test"),
        ("ORDERS", 2, order_id, "test"),
    ]
    assert json.loads(entries[0].body_json)["order"]["references"][0]["value"] == "SO-one"
    assert entries[0].HasField("record_time")
    assert not entries[0].HasField("receive_time")


async def test_personal_data_is_masked(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    ids = await story.journey("one")
    (captured,) = await history(store, model, "pod", ids["pod"])
    assert "Ann Example" not in captured.body_json
    assert json.loads(captured.body_json)["pod"]["signer_name"] == "***"


@pytest.mark.parametrize(
    ("kind", "shown"), [(ActorKind.ACTOR_KIND_DEVICE, "phone-7"), (ActorKind.ACTOR_KIND_PERSON, "***")]
)
async def test_persons_are_not_named(
    model: ReadModel, store: MemoryEventStore, story: Story, kind: ActorKind.ValueType, shown: str
) -> None:
    story.actor = Actor(kind=kind, id="phone-7", role="dispatcher")
    (received,) = await history(store, model, "order", await story.receive("one"))
    assert (received.actor.kind, received.actor.id, received.actor.role) == (kind, shown, "dispatcher")


async def test_a_journey_is_everything_in_the_order_of_recording(
    model: ReadModel, store: MemoryEventStore, story: Story
) -> None:
    ids = await story.journey("one")
    await story.journey("two")
    await project(store, model)
    entries = await history(store, model, "order", ids["order"], journey=True)
    assert {(e.aggregate, e.aggregate_id) for e in entries} == set(ids.items())
    assert len({e.event_id for e in entries}) == len(entries) == 12
    keys = [(e.record_time.ToNanoseconds(), e.stream, e.sequence) for e in entries]
    assert keys == sorted(keys)


@pytest.mark.parametrize("aggregate", ["fulfilment", "wave", "load", "pod", "invoice", "exception", "hold"])
async def test_the_journey_of_a_part_is_that_of_its_order(
    model: ReadModel, store: MemoryEventStore, story: Story, aggregate: str
) -> None:
    ids = await story.journey("one")
    await project(store, model)
    entries = await history(store, model, aggregate, ids[aggregate], journey=True)
    assert entries == await history(store, model, "order", ids["order"], journey=True)


async def test_a_journey_that_the_read_model_does_not_know_yet(
    model: ReadModel, store: MemoryEventStore, story: Story
) -> None:
    ids = await story.journey("one")
    entries = await history(store, model, "order", ids["order"], journey=True)
    assert {e.aggregate for e in entries} == {"order", "fulfilment"}


@pytest.mark.parametrize("term", ["SO-one", "INV-one", "PO/2026 1"])
async def test_an_order_by_another_name(model: ReadModel, store: MemoryEventStore, story: Story, term: str) -> None:
    ids = await story.journey("one")
    other = await story.receive("two", purchase="PO/2026 1")
    await project(store, model)
    entries = await history(store, model, "order", term)
    assert entries[0].aggregate_id == (other if term.startswith("PO") else ids["order"])


async def test_a_name_of_several_orders_is_refused_with_their_ids(
    model: ReadModel, store: MemoryEventStore, story: Story
) -> None:
    ids = [await story.receive(word, purchase="PO-7") for word in ("one", "two")]
    await project(store, model)
    with pytest.raises(InvalidArgument) as refused:
        await history(store, model, "order", "PO-7")
    assert all(order_id in refused.value.message for order_id in ids)


@pytest.mark.parametrize(("aggregate", "word"), [("order", "SO-nobody"), ("order", name("x")), ("load", name("x"))])
async def test_nothing_of_that_name(model: ReadModel, store: MemoryEventStore, aggregate: str, word: str) -> None:
    with pytest.raises(NotFound) as missing:
        await history(store, model, aggregate, word)
    assert missing.value.reason == f"{aggregate.upper()}_NOT_FOUND"


async def test_an_unknown_aggregate_is_refused_with_those_that_are(model: ReadModel, store: MemoryEventStore) -> None:
    with pytest.raises(InvalidArgument, match=r"order, load, pod, .*, fulfilment, wave or excursion"):
        await history(store, model, "shipment", name("x"))


async def test_an_event_of_a_later_contract(
    model: ReadModel, store: MemoryEventStore, story: Story, broker: MemoryBroker
) -> None:
    order_id = await story.release("one")
    event = OrderEvent(event_id=name("e"), order_id=order_id, version=3, may_ignore=True, region="us")
    broker.put(f"logistics.order.us.{order_id}.renamed", event.SerializeToString(), {}, "m1")
    newest = (await history(store, model, "order", order_id))[-1]
    assert (newest.event, newest.version, newest.state) == ("unknown", 3, "ORDER_STATE_RELEASED")
    event.version, event.may_ignore = 4, False
    broker.put(f"logistics.order.us.{order_id}.renamed", event.SerializeToString(), {}, "m2")
    with pytest.raises(UnknownEvent):
        await history(store, model, "order", order_id)
