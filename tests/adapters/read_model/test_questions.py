"""What the read model answers, on each database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gladhand.errors import InvalidArgument
from gladhand.testing import MemoryEventStore, VirtualClock
from logistics.exception.v1 import HoldReleased
from logistics.invoice.v1 import InvoiceState
from logistics.load.v1 import LoadCancelled, LoadState
from logistics.order.v1 import (
    OrderAmended,
    OrderCancelled,
    OrderClosed,
    OrderInvoiced,
    OrderPlanned,
    OrderRejected,
    OrderReleased,
    OrderState,
)
from logistics.process.v1 import FulfilmentBegan, FulfilmentFinished, FulfilmentParked, FulfilmentResumed, WaveStarted
from services.orchestrator.read_model import ReadModel
from tests.adapters.read_model.conftest import project
from tests.adapters.read_model.story import Story, name


def moments(clock: VirtualClock, count: int = 1) -> None:
    clock.advance(timedelta(minutes=count))


async def every_order(model: ReadModel, page_size: int, **filters: str) -> list[str]:
    """Return the ids of a list, page by page."""
    found: list[str] = []
    token = ""
    while True:
        page = await model.orders(page_size=page_size, page_token=token, **filters)  # type: ignore[arg-type]
        assert 0 < len(page.items) <= page_size
        found += [order.order_id for order in page.items]
        token = page.next_token
        if not token:
            return found


async def test_pages_show_everything_once_newest_first_over_ties(
    model: ReadModel, store: MemoryEventStore, story: Story, clock: VirtualClock
) -> None:
    """Thirty orders of five moments: most have the same time of creation as others."""
    created: list[tuple[int, str]] = []
    for moment in range(5):
        created += [(moment, await story.receive(f"{moment}/{number}")) for number in range(6)]
        moments(clock)
    await project(store, model)
    expected = [order_id for _, order_id in sorted(created, reverse=True)]
    for page_size in (1, 4, 6, 7, 29, 30, 31):
        assert await every_order(model, page_size) == expected
    assert [order.order_id for order in (await model.orders()).items] == expected


async def test_a_page_holds_50_by_default_and_500_at_most(
    model: ReadModel, store: MemoryEventStore, story: Story
) -> None:
    for number in range(52):
        await story.receive(f"{number}")
    await project(store, model)
    assert len((await model.orders()).items) == 50
    assert len((await model.orders(page_size=9999)).items) == 52


async def test_what_is_added_meanwhile_disturbs_no_page(
    model: ReadModel, store: MemoryEventStore, story: Story, clock: VirtualClock
) -> None:
    first = [await story.receive(f"{number}") for number in range(4)]
    await project(store, model)
    page = await model.orders(page_size=2)
    moments(clock)
    await story.receive("late")
    await story.tell("order", first[0], OrderReleased())
    await project(store, model)
    rest = await model.orders(page_size=2, page_token=page.next_token)
    assert sorted(o.order_id for o in [*page.items, *rest.items]) == sorted(first)
    assert rest.next_token == ""


async def test_a_token_goes_with_its_question(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    for number in range(3):
        await story.receive(f"{number}")
    await project(store, model)
    token = (await model.orders(page_size=1)).next_token
    assert (await model.orders(page_size=2, page_token=token)).items
    for wrong in (model.orders(page_token=token, region="us"), model.loads(page_token=token)):
        with pytest.raises(InvalidArgument) as refused:
            await wrong
        assert refused.value.reason == "PAGE_TOKEN_INVALID"


async def test_orders_by_state_region_and_reference(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    received = await story.receive("a", number="SO-1", purchase="PO-7")
    released = await story.release("b", number="SO-2", purchase="PO-7", region="eu")
    await project(store, model)
    state = OrderState.ORDER_STATE_RELEASED
    assert [o.order_id for o in (await model.orders(states=[state])).items] == [released]
    assert [o.order_id for o in (await model.orders(region="us")).items] == [received]
    assert [o.order_id for o in (await model.orders(reference="SO-1")).items] == [received]
    assert len((await model.orders(reference="PO-7", states=[state, OrderState.ORDER_STATE_RECEIVED])).items) == 2
    assert (await model.orders(reference="PO-7", region="eu", states=[OrderState.ORDER_STATE_DRAFT])).items == []
    assert (await model.orders(reference="\0")).items == []


async def test_an_amendment_changes_the_references(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    order_id = await story.receive("a", number="SO-1", purchase="PO-7")
    await project(store, model)
    order = await model.order(order_id)
    assert order is not None
    del order.references[1]
    await story.tell("order", order_id, OrderAmended(order=order))
    await project(store, model)
    assert (await model.orders(reference="PO-7")).items == []
    assert await model.find_order("SO-1") == [order_id]


async def test_loads_by_order_vehicle_and_state(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    one, two = await story.release("one"), await story.release("two")
    both = await story.plan("both", one, two)
    alone = await story.plan("alone", two)
    await story.assign(alone, "truck-7")
    await project(store, model)
    assert [load.load_id for load in (await model.loads(order_id=one)).items] == [both]
    assert {load.load_id for load in (await model.loads(order_id=two)).items} == {both, alone}
    assert [load.load_id for load in (await model.loads(vehicle_id="truck-7")).items] == [alone]
    assert [load.load_id for load in (await model.loads(states=[LoadState.LOAD_STATE_PLANNED])).items] == [both]


async def test_invoices_exceptions_and_holds_of_an_order(
    model: ReadModel, store: MemoryEventStore, story: Story
) -> None:
    one, two = await story.journey("one"), await story.journey("two")
    await story.tell("hold", one["hold"], HoldReleased(evidence="papers"))
    await project(store, model)
    order_id = one["order"]
    posted = [InvoiceState.INVOICE_STATE_POSTED]
    invoices = await model.invoices(order_id=order_id, states=posted)
    assert [invoice.invoice_id for invoice in invoices.items] == [one["invoice"]]
    exceptions = await model.exceptions(order_id=order_id)
    assert [exception.exception_id for exception in exceptions.items] == [one["exception"]]
    assert [hold.hold_id for hold in (await model.holds(order_id=order_id)).items] == [one["hold"]]
    assert [hold.hold_id for hold in (await model.holds(active_only=True)).items] == [two["hold"]]


async def test_the_load_of_a_stop_is_the_newest_that_lives(
    model: ReadModel, store: MemoryEventStore, story: Story, clock: VirtualClock
) -> None:
    order_id, stop_id = await story.release("one"), name("stop")
    first = await story.plan("first", order_id, stops=(stop_id,))
    await project(store, model)
    assert await model.load_of_stop(stop_id) == first
    assert await model.load_of_stop(name("other")) is None
    moments(clock)
    second = await story.plan("second", order_id, stops=(stop_id,))
    await project(store, model)
    assert await model.load_of_stop(stop_id) == second
    await story.tell("load", second, LoadCancelled())
    await project(store, model)
    assert await model.load_of_stop(stop_id) == first


async def test_released_orders_wait_by_region_oldest_first(
    model: ReadModel, store: MemoryEventStore, story: Story, clock: VirtualClock
) -> None:
    waiting = []
    for number in range(4):
        waiting.append(await story.release(f"{number}"))
        moments(clock)
    await story.release("elsewhere", region="eu")
    await story.receive("not yet", region="apac")
    await story.tell("order", waiting[1], OrderPlanned(load_id=name("load"), complete=True))
    await project(store, model)
    assert await model.released_orders("us", 10) == [waiting[0], waiting[2], waiting[3]]
    assert await model.released_orders("us", 2) == [waiting[0], waiting[2]]
    assert await model.waiting_regions() == ["eu", "us"]


async def test_open_orders_are_those_that_may_need_a_push(
    model: ReadModel, store: MemoryEventStore, story: Story, clock: VirtualClock
) -> None:
    ends = {
        "invoiced": OrderInvoiced(invoice_id=name("invoice"), complete=True),
        "closed": OrderClosed(),
        "cancelled": OrderCancelled(),
        "rejected": OrderRejected(),
    }
    expected = [await story.receive("waiting")]
    for word, end in ends.items():
        moments(clock)
        unfinished = await story.receive(f"{word}, process running")
        await story.tell("fulfilment", unfinished, FulfilmentBegan(order_id=unfinished))
        await story.tell("order", unfinished, end)
        done = await story.receive(f"{word}, process done")
        await story.tell("fulfilment", done, FulfilmentBegan(order_id=done))
        await story.tell("fulfilment", done, FulfilmentFinished(outcome=word))
        await story.tell("order", done, end)
        if word != "rejected":
            expected.append(unfinished)
    parked = await story.receive("parked")
    await story.tell("fulfilment", parked, FulfilmentBegan(order_id=parked))
    await story.tell("fulfilment", parked, FulfilmentParked(action="post_invoice", reason="UNAVAILABLE"))
    moments(clock)
    await project(store, model)
    assert await model.open_orders(clock.now(), 10) == expected
    assert await model.open_orders(clock.now(), 2) == expected[:2]
    await story.tell("fulfilment", parked, FulfilmentResumed())
    await project(store, model)
    assert await model.open_orders(clock.now(), 10) == [*expected, parked]


async def test_only_what_stood_still_is_open(
    model: ReadModel, store: MemoryEventStore, story: Story, clock: VirtualClock
) -> None:
    old, changed = await story.release("old"), await story.release("changed")
    old_load = await story.plan("old load", old)
    before = clock.now()
    moments(clock)
    await story.tell("order", changed, OrderReleased())
    new_load = await story.plan("new load", changed)
    ended = await story.plan("ended", changed)
    await story.tell("load", ended, LoadCancelled())
    await project(store, model)
    assert await model.open_orders(before, 10) == [old]
    assert await model.open_loads(before, 10) == [old_load]
    assert await model.open_loads(clock.now(), 10) == [old_load, new_load]


async def test_everything_of_a_journey_in_its_order(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    ids, other = await story.journey("one"), await story.journey("two")
    on_load = await story.report("on the load", load_id=ids["load"])
    on_invoice = await story.report("on the invoice", invoice_id=ids["invoice"])
    await story.report("of the other, on the same load", load_id=ids["load"], order_id=other["order"])
    held = await story.block("on the load", load_id=ids["load"])
    await project(store, model)
    found = await model.related(ids["order"])
    kinds = ["order", "fulfilment", "wave", "load", "pod", "invoice", "exception", "hold"]
    assert list(dict.fromkeys(kind for kind, _ in found)) == kinds
    assert set(found) == {*ids.items(), ("exception", on_load), ("exception", on_invoice), ("hold", held)}
    assert await model.related(name("nobody")) == []


async def test_the_orders_behind_anything(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    ids = await story.journey("one")
    second = await story.release("second")
    shared = await story.plan("shared", ids["order"], second)
    on_load = await story.report("on the load", load_id=shared)
    await story.tell("wave", name("wave"), WaveStarted(order_ids=[second]))
    await project(store, model)
    for aggregate, aggregate_id in ids.items():
        assert await model.orders_of(aggregate, aggregate_id) == [ids["order"]], aggregate
    both = sorted([ids["order"], second])
    assert await model.orders_of("load", shared) == both
    assert await model.orders_of("exception", on_load) == both
    assert await model.orders_of("wave", name("wave")) == [second]
    assert await model.orders_of("nonsense", "x") == []


async def test_an_order_is_found_by_any_of_its_names(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    one = await story.receive("one", number="SO-1", purchase="PO-7")
    two = await story.receive("two", number="SO-2", purchase="PO-7")
    await story.bill("bill", one, "INV-9")
    await project(store, model)
    assert await model.find_order(one) == [one]
    assert await model.find_order("SO-2") == [two]
    assert await model.find_order("INV-9") == [one]
    assert await model.find_order("PO-7") == sorted([one, two])
    assert await model.find_order("po-7") == []
    assert await model.find_order("") == []
