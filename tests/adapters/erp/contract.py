"""The suite that every ERP adapter must pass. A subclass gives the fixture ``harness``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

import pytest

from gladhand import validation
from gladhand.errors import Ambiguous, FailedPrecondition, InvalidArgument, NotFound, Unavailable
from gladhand.testing import eventually
from logistics.orchestrator.v1 import orchestrator_service_pb2 as orchestrator
from logistics.type.v1 import money_pb2, reference_pb2
from services.erp_gateway.adapters.port import SaleCondition
from tests.adapters.erp.harness import (
    CUSTOMER,
    NOWHERE,
    OTHER,
    USUAL,
    Harness,
    Line,
    delivery_request,
    dispatch_request,
    invoice_request,
    named,
    price_of,
    read,
    ready,
)

T = TypeVar("T")

REQUEST_ID = "5f0c54a6-2c9f-4f6e-9a53-0f5f3b8f6a10"


def amount(money: money_pb2.Money) -> Decimal:
    return Decimal(money.units) + Decimal(money.nanos) / 1_000_000_000


class ErpContract:
    """Sales in; dispatches, deliveries and invoices back."""

    # ---- sales -------------------------------------------------------------------------------------------------

    async def test_a_ready_sale_is_an_order_that_keeps_every_rule_of_the_contract(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10), Line("COFFEE5", 4, OTHER))
        order = reading.order
        assert order is not None
        validation.check(orchestrator.SubmitOrderRequest(request_id=REQUEST_ID, order=order))
        assert order.customer.name == CUSTOMER.name
        assert {line.sku: line.quantities.ordered.value for line in order.lines} == {"WATER24": "10", "COFFEE5": "4"}
        assert order.currency == "USD"
        assert amount(order.lines[0].unit_price) == price_of("WATER24")
        assert len(reading.content_sha256) == 64

    async def test_lines_to_another_address_say_so(self, harness: Harness) -> None:
        order = (await ready(harness, Line("WATER24", 10), Line("COFFEE5", 4, OTHER))).order
        assert order is not None
        assert order.ship_to.name == USUAL.name
        places = {line.sku: line.ship_to.name if line.HasField("ship_to") else "" for line in order.lines}
        assert places == {"WATER24": "", "COFFEE5": OTHER.name}
        assert str(order.lines[1].ship_to.point.latitude) == OTHER.latitude

    async def test_a_sale_that_is_not_confirmed_is_not_ready(self, harness: Harness) -> None:
        sale = await harness.place([Line("WATER24", 1)], confirm=False)
        assert (await read(harness, sale)).condition is SaleCondition.EDITED

    async def test_a_new_sale_shows_up_behind_the_cursor(self, harness: Harness) -> None:
        before = (await harness.adapter.list_changes("")).cursor
        sale = await harness.place([Line("WATER24", 1)])
        page = await harness.adapter.list_changes(before)
        assert sale in {change.sale for change in page.changes}
        assert page.cursor != before

    async def test_a_changed_quantity_is_a_change_of_the_sale(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10), Line("COFFEE5", 2))
        page = await harness.adapter.list_changes("")
        await harness.change(reading.sale, "WATER24", 7)
        news = set((await harness.adapter.list_changes(page.cursor)).changes) - set(page.changes)
        assert reading.sale in {change.sale for change in news}
        after = await read(harness, reading.sale)
        assert after.order is not None
        assert after.content_sha256 != reading.content_sha256
        assert after.stamp != reading.stamp
        assert {line.sku: line.quantities.ordered.value for line in after.order.lines}["WATER24"] == "7"

    async def test_a_withdrawn_sale_is_told(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 1))
        await harness.withdraw(reading.sale)
        after = await read(harness, reading.sale)
        assert (after.condition, after.number) == (SaleCondition.WITHDRAWN, reading.number)

    # ---- facts ----------------------------------------------------------------------------------------------------

    async def test_facts_of_an_order_that_can_be_served(self, harness: Harness) -> None:
        order = (await ready(harness, Line("WATER24", 10), Line("COFFEE5", 4, OTHER))).order
        assert order is not None
        facts = await harness.adapter.order_facts(order)
        assert facts.customer_active is True
        served = [order.ship_to, order.lines[1].ship_to]
        for place in served:
            (name,) = [r.value for r in place.references if r.type == reference_pb2.REFERENCE_TYPE_ADDRESS]
            assert facts.places[name].party_code == CUSTOMER.code
            assert facts.places[name].has_point
        assert (facts.available["WATER24"] or 0) >= 10
        assert facts.references

    async def test_an_unknown_customer_product_and_address_are_facts_too(self, harness: Harness) -> None:
        order = (await ready(harness, Line("WATER24", 1))).order
        assert order is not None
        order.customer.references[0].value = "NOBODY"
        order.lines[0].sku = "NO-SUCH-THING"
        order.ship_to.references[0].value = "987654"
        facts = await harness.adapter.order_facts(order)
        assert facts.customer_active is None
        assert facts.available["NO-SUCH-THING"] is None
        assert "987654" not in facts.places

    async def test_an_address_without_position_is_known_as_such(self, harness: Harness) -> None:
        order = (await ready(harness, Line("WATER24", 1), customer=NOWHERE.code)).order
        assert order is not None
        assert not order.ship_to.HasField("point")
        facts = await harness.adapter.order_facts(order)
        assert not facts.places[order.ship_to.references[0].value].has_point

    async def test_scarce_stock_goes_to_the_first_who_can_be_served_whole(self, harness: Harness) -> None:
        """Two are in stock: the order for three gets none, the next for two gets both, the last for one none."""
        orders = [(await ready(harness, Line("GENSET2", wanted))).order for wanted in (3, 2, 1)]
        available = []
        for order in orders:
            assert order is not None
            available.append((await harness.adapter.order_facts(order)).available["GENSET2"])
        assert available == [2, 2, 0]

    async def test_customer_master_record(self, harness: Harness) -> None:
        customer = await harness.adapter.get_customer(CUSTOMER.code)
        assert (customer.code, customer.party.name, customer.active) == (CUSTOMER.code, CUSTOMER.name, True)
        assert {place.name for place in customer.delivery_locations} == {USUAL.name, OTHER.name}
        with pytest.raises(NotFound) as refused:
            await harness.adapter.get_customer("NOBODY")
        assert refused.value.reason == "CUSTOMER_UNKNOWN"

    async def test_availability_by_product(self, harness: Harness) -> None:
        water, heater, unknown = await harness.adapter.check_availability("BAN", ["WATER24", "HEATER9", "NOPE"])
        assert (water.known, water.available.value, water.available.unit_code) == (True, "4000", "C62")
        assert (heater.known, heater.available.value) == (True, "0")
        assert (unknown.known, unknown.HasField("available")) == (False, False)
        with pytest.raises(NotFound):
            await harness.adapter.check_availability("NOWHERE", ["WATER24"])

    # ---- dispatch -------------------------------------------------------------------------------------------------

    async def test_a_dispatch_is_visible_once_on_every_delivery(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10), Line("COFFEE5", 4, OTHER))
        request = dispatch_request(reading)
        first = await harness.adapter.confirm_dispatch(request)
        again = await harness.adapter.confirm_dispatch(request)
        assert first == again
        assert len(first.references) == 2
        assert (await harness.books(reading.sale)).references == ("DSP-1", "DSP-1")

    async def test_a_dispatch_does_not_change_the_order(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10))
        await harness.adapter.confirm_dispatch(dispatch_request(reading))
        after = await read(harness, reading.sale)
        assert (after.condition, after.content_sha256) == (SaleCondition.READY, reading.content_sha256)

    async def test_a_dispatch_of_one_line_marks_its_delivery_alone(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10), Line("COFFEE5", 4, OTHER))
        request = dispatch_request(reading)
        assert reading.order is not None
        request.line_ids.append(reading.order.lines[1].line_id)
        assert len((await harness.adapter.confirm_dispatch(request)).references) == 1
        assert (await harness.books(reading.sale)).references == ("DSP-1",)

    # ---- delivery -------------------------------------------------------------------------------------------------

    async def test_a_full_delivery_over_two_addresses(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10), Line("COFFEE5", 4, OTHER))
        answer = await harness.adapter.post_delivery(delivery_request(reading))
        assert {line.accepted.value for line in answer.lines} == {"10", "4"}
        assert len(answer.references) == 2
        books = await harness.books(reading.sale)
        assert books.delivered == {"WATER24": 10, "COFFEE5": 4}
        assert (books.waiting, books.invoices) == (0, 1)
        assert (await read(harness, reading.sale)).condition is SaleCondition.EXECUTING

    async def test_a_partial_delivery_ships_what_was_accepted_and_leaves_nothing_waiting(
        self, harness: Harness
    ) -> None:
        reading = await ready(harness, Line("WATER24", 10), Line("COFFEE5", 4), Line("PAPERA4", 3, OTHER))
        request = delivery_request(reading, {"WATER24": 7, "COFFEE5": 0})
        answer = await harness.adapter.post_delivery(request)
        assert [line.accepted.value for line in answer.lines] == ["7", "0", "3"]
        books = await harness.books(reading.sale)
        assert {sku: kept for sku, kept in books.delivered.items() if kept} == {"WATER24": 7, "PAPERA4": 3}
        assert books.waiting == 0
        assert await harness.adapter.post_delivery(request) == answer
        assert await harness.books(reading.sale) == books

    async def test_a_delivery_refused_at_one_address_cancels_that_shipment(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10), Line("COFFEE5", 4, OTHER))
        answer = await harness.adapter.post_delivery(delivery_request(reading, {"COFFEE5": 0}))
        assert len(answer.references) == 1
        books = await harness.books(reading.sale)
        assert (books.delivered, books.waiting) == ({"WATER24": 10}, 0)

    async def test_a_delivery_refused_whole_ships_nothing(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10))
        answer = await harness.adapter.post_delivery(delivery_request(reading, {"WATER24": 0}))
        assert not answer.references
        books = await harness.books(reading.sale)
        assert (books.delivered, books.waiting, books.invoices) == ({}, 0, 0)

    async def test_more_accepted_than_the_erp_holds_is_refused(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10))
        with pytest.raises(FailedPrecondition) as refused:
            await harness.adapter.post_delivery(delivery_request(reading, {"WATER24": 11}))
        assert refused.value.reason == "QUANTITY_EXCEEDED"
        assert (await harness.books(reading.sale)).delivered == {}

    async def test_a_line_that_the_sale_does_not_have_is_refused(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10))
        request = delivery_request(reading)
        request.lines[0].line_id = "999999"
        with pytest.raises(FailedPrecondition) as refused:
            await harness.adapter.post_delivery(request)
        assert refused.value.reason == "ERP_DOCUMENT_NOT_FOUND"

    async def test_goods_that_the_warehouse_lacks_cannot_be_delivered(self, harness: Harness) -> None:
        reading = await ready(harness, Line("HEATER9", 1))
        with pytest.raises(FailedPrecondition) as refused:
            await harness.adapter.post_delivery(delivery_request(reading))
        assert (refused.value.reason, refused.value.metadata["sku"]) == ("STOCK_SHORT", "HEATER9")
        assert (await harness.books(reading.sale)).delivered == {}

    async def test_an_order_of_another_erp_is_refused(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 1))
        request = delivery_request(reading)
        for reference in request.order_references:
            reference.system = "somebody-else"
        with pytest.raises(InvalidArgument):
            await harness.adapter.post_delivery(request)

    async def test_a_lost_answer_to_a_delivery_delivers_once(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10), Line("COFFEE5", 4))
        request = delivery_request(reading, {"WATER24": 9})
        harness.lose_answer_of("delivery")
        answer = await self.until_answered(lambda: harness.adapter.post_delivery(request))
        assert [line.accepted.value for line in answer.lines] == ["9", "4"]
        books = await harness.books(reading.sale)
        assert (books.delivered, books.waiting, books.invoices) == ({"WATER24": 9, "COFFEE5": 4}, 0, 1)

    # ---- invoice --------------------------------------------------------------------------------------------------

    async def test_an_invoice_is_posted_once_with_accepted_quantities(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10), Line("COFFEE5", 4, OTHER))
        kept = {"WATER24": 7, "COFFEE5": 4}
        await harness.adapter.post_delivery(delivery_request(reading, kept))
        request = invoice_request(reading, kept)
        first = await harness.adapter.post_invoice(request)
        again = await harness.adapter.post_invoice(request)
        assert (first.already_posted, again.already_posted) == (False, True)
        assert first.erp_invoice == again.erp_invoice
        net = 7 * price_of("WATER24") + 4 * price_of("COFFEE5")
        assert amount(first.net) == net == sum(amount(line.amount) for line in first.lines)
        assert amount(first.total) == amount(first.net) + amount(first.tax)
        assert {line.order_line_id for line in first.lines} == {line.order_line_id for line in request.invoice.lines}
        assert (await harness.books(reading.sale)).posted == (first.erp_invoice.value,)

    async def test_calls_at_the_same_time_post_one_invoice(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 2))
        await harness.adapter.post_delivery(delivery_request(reading))
        request = invoice_request(reading)
        answers = await asyncio.gather(*(harness.adapter.post_invoice(request) for _ in range(4)))
        assert len({answer.erp_invoice.value for answer in answers}) == 1
        assert sum(not answer.already_posted for answer in answers) == 1
        assert len((await harness.books(reading.sale)).posted) == 1

    async def test_an_invoice_before_delivery_has_to_wait(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 2))
        with pytest.raises(Unavailable) as refused:
            await harness.adapter.post_invoice(invoice_request(reading))
        assert refused.value.reason == "ERP_UNAVAILABLE"
        assert (await harness.books(reading.sale)).invoices == 0

    async def test_an_invoice_over_more_than_was_accepted_is_refused(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 5))
        await harness.adapter.post_delivery(delivery_request(reading))
        with pytest.raises(FailedPrecondition) as refused:
            await harness.adapter.post_invoice(invoice_request(reading, {"WATER24": 4}))
        assert refused.value.reason == "QUANTITY_EXCEEDED"
        assert refused.value.metadata["accepted"] == "4"
        assert (await harness.books(reading.sale)).posted == ()

    async def test_a_lost_answer_to_an_invoice_posts_it_once(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 5))
        await harness.adapter.post_delivery(delivery_request(reading))
        request = invoice_request(reading)
        harness.lose_answer_of("invoice")
        answer = await self.until_answered(lambda: harness.adapter.post_invoice(request))
        assert (await harness.books(reading.sale)).posted == (answer.erp_invoice.value,)

    # ---- documents ------------------------------------------------------------------------------------------------

    async def test_documents_by_the_erps_names_and_by_ours(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 5))
        await harness.adapter.confirm_dispatch(dispatch_request(reading, f"DSP-{reading.number}"))
        await harness.adapter.post_delivery(delivery_request(reading))
        request = invoice_request(reading)
        posted = await harness.adapter.post_invoice(request)
        document = harness.adapter.get_document
        sale = await document(named(reference_pb2.REFERENCE_TYPE_SALES_ORDER, reading.number))
        assert sale.reference.value == reading.number
        shipment = await document(named(reference_pb2.REFERENCE_TYPE_DELIVERY_ORDER, f"DSP-{reading.number}"))
        assert (shipment.state, shipment.lines[0].accepted.value) == ("done", "5")
        by_number = await document(posted.erp_invoice)
        by_key = await document(named(reference_pb2.REFERENCE_TYPE_INVOICE, request.posting_key))
        assert by_number == by_key
        assert by_key.state == "posted"
        assert reading.number in {related.value for related in by_key.related}

    async def test_missing_documents_and_kinds_that_are_none(self, harness: Harness) -> None:
        with pytest.raises(NotFound) as missing:
            await harness.adapter.get_document(named(reference_pb2.REFERENCE_TYPE_INVOICE, "INV-NEVER"))
        assert missing.value.reason == "ERP_DOCUMENT_NOT_FOUND"
        with pytest.raises(InvalidArgument):
            await harness.adapter.get_document(named(reference_pb2.REFERENCE_TYPE_VIN, "1"))

    @staticmethod
    async def until_answered(call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call as its callers do: after an unclear end, or while the ERP is busy with what was unclear."""
        seen: list[T] = []

        async def answered() -> bool:
            try:
                seen.append(await call())
            except (Ambiguous, Unavailable):
                return False
            return True

        await eventually(answered, within=30.0)
        return seen[0]
