"""What a customer and a carrier find in the read model: their own, by the statement itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gladhand.calls import correlated
from gladhand.errors import InvalidArgument, Unavailable
from gladhand.security.principal import Party
from gladhand.testing import MemoryEventStore, VirtualClock
from logistics.load.v1 import LoadTenderDeclined, LoadTendered
from logistics.order.v1 import OrderAmended
from logistics.type.v1 import ReferenceType
from services.orchestrator.read_model import ReadModel
from tests.adapters.read_model.conftest import project
from tests.adapters.read_model.story import ERP, Story, name, reference

MINE, OTHER = Party(ERP, "K1"), Party(ERP, "K2")
CARRIER = Party("SCAC", "MGCT")


async def test_a_customer_finds_its_own_orders_alone(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    mine, other = await story.receive("mine", customer="K1"), await story.receive("other", customer="K2")
    nobodys = await story.receive("nobody's")
    await project(store, model)
    assert (await model.order(mine, party=MINE)) == await model.order(mine)
    for order_id in (other, nobodys, name("never was")):
        assert await model.order(order_id, party=MINE) is None
    assert [order.order_id for order in (await model.orders(party=MINE)).items] == [mine]
    assert len((await model.orders()).items) == 3
    assert (await model.orders(party=Party("another-erp", "K1"))).items == []
    assert (await model.orders(party=Party("SCAC", "K1"))).items == []


@pytest.mark.parametrize("filters", [{"reference": "SO-other"}, {"region": "us", "reference": "SO-other"}])
async def test_no_filter_leads_to_the_order_of_another(
    model: ReadModel, store: MemoryEventStore, story: Story, filters: dict[str, str]
) -> None:
    await story.receive("mine", customer="K1")
    await story.receive("other", customer="K2")
    await project(store, model)
    assert (await model.orders(**filters)).items  # type: ignore[arg-type]
    page = await model.orders(party=MINE, **filters)  # type: ignore[arg-type]
    assert (list(page.items), page.next_token) == ([], "")


async def test_pages_of_a_customer_are_full_and_end_where_its_own_end(
    model: ReadModel, store: MemoryEventStore, story: Story, clock: VirtualClock
) -> None:
    """Of forty orders every fourth is the customer's: a list that filtered afterwards would have ragged pages."""
    mine = []
    for number in range(40):
        order_id = await story.receive(f"{number}", customer="K1" if number % 4 == 0 else "K2")
        mine += [order_id] if number % 4 == 0 else []
        clock.advance(timedelta(seconds=1))
    await project(store, model)
    found: list[str] = []
    token, sizes = "", []
    while True:
        page = await model.orders(page_size=5, page_token=token, party=MINE)
        found += [order.order_id for order in page.items]
        sizes.append(len(page.items))
        token = page.next_token
        if not token:
            break
    assert sizes == [5, 5]
    assert found == mine[::-1]


async def test_a_page_token_goes_with_its_party(model: ReadModel, store: MemoryEventStore, story: Story) -> None:
    for number in range(4):
        await story.receive(f"{number}", customer=f"K{number % 2 + 1}")
    await project(store, model)
    token = (await model.orders(page_size=1, party=OTHER)).next_token
    assert token
    for thief in (MINE, None):
        with pytest.raises(InvalidArgument) as refused:
            await model.orders(page_size=1, page_token=token, party=thief)
        assert refused.value.reason == "PAGE_TOKEN_INVALID"


async def test_waiting_for_a_version_tells_nothing_of_the_order_of_another(
    model: ReadModel, store: MemoryEventStore, story: Story
) -> None:
    other = await story.release("other", customer="K2")
    await project(store, model)
    told = []
    for order_id in (other, name("never was")):
        with correlated("a-test-of-waiting", 0.3), pytest.raises(Unavailable) as refused:
            await model.order(order_id, 1, party=MINE)
        told.append((refused.value.message.replace(order_id, "X"), refused.value.metadata))
    assert told[0] == told[1]
    assert "version 0" in told[0][0]


async def test_an_order_that_changes_hands_changes_its_viewer(
    model: ReadModel, store: MemoryEventStore, story: Story
) -> None:
    order_id = await story.receive("one", customer="K1")
    await project(store, model)
    order = await model.order(order_id)
    assert order is not None
    order.customer.references[0].CopyFrom(reference(ReferenceType.REFERENCE_TYPE_PARTY, "K2"))
    await story.tell("order", order_id, OrderAmended(order=order))
    await project(store, model)
    assert await model.order(order_id, party=MINE) is None
    assert await model.order(order_id, party=OTHER) is not None


async def test_a_carrier_finds_what_is_offered_to_it_until_it_says_no(
    model: ReadModel, store: MemoryEventStore, story: Story
) -> None:
    order_id = await story.release("one", customer="K1")
    own_fleet = await story.plan("own fleet", order_id)
    others = await story.plan("others", order_id, carrier="ABCD")
    mine = await story.plan("mine", order_id)
    await story.tell("load", mine, LoadTendered(carrier_scac="MGCT", tender_revision=1))
    await project(store, model)
    assert [load.load_id for load in (await model.loads(party=CARRIER)).items] == [mine]
    assert [load.load_id for load in (await model.loads(party=CARRIER, order_id=order_id)).items] == [mine]
    assert await model.load(mine, party=CARRIER) is not None
    for load_id in (own_fleet, others):
        assert await model.load(load_id, party=CARRIER) is None
    assert (await model.loads(party=MINE)).items == []  # a customer is no carrier
    await story.tell("load", mine, LoadTenderDeclined(carrier_scac="MGCT"))
    await project(store, model)
    assert (await model.loads(party=CARRIER)).items == []
