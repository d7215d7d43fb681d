"""The suite for what comes after: sales cancelled, goods returned, credit memos, charges, carriers paid."""

from __future__ import annotations

import uuid
from decimal import Decimal

import pytest

from deploy.tryton.denver import CARRIERS
from gladhand.errors import FailedPrecondition, NotFound
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.invoice.v1 import invoice_pb2, payable_pb2
from services.erp_gateway.adapters.port import SaleReading
from services.erp_gateway.translation import money
from tests.adapters.erp.contract import ErpContract, amount
from tests.adapters.erp.harness import (
    OTHER,
    WAREHOUSE,
    Harness,
    Line,
    delivery_request,
    invoice_request,
    price_of,
    ready,
)

CARRIER = next(iter(CARRIERS))


def line_ids(reading: SaleReading) -> dict[str, str]:
    assert reading.order is not None
    return {line.sku: line.line_id for line in reading.order.lines}


def parts(reading: SaleReading, quantities: dict[str, int]) -> list[erp.QuantityByLine]:
    lines = []
    for sku, count in quantities.items():
        part = erp.QuantityByLine(line_id=line_ids(reading)[sku])
        part.quantity.value, part.quantity.unit_code = str(count), "C62"
        lines.append(part)
    return lines


def cancel_request(reading: SaleReading, **quantities: int) -> erp.CancelSaleRequest:
    assert reading.order is not None
    return erp.CancelSaleRequest(
        request_id=str(uuid.uuid4()), order_id=str(uuid.uuid4()), order_references=reading.order.references,
        reason="the buyer has changed his mind", posting_key=f"cancel-{uuid.uuid4()}",
        lines=parts(reading, quantities),
    )  # fmt: skip


def return_request(
    reading: SaleReading, quantities: dict[str, int], *, never_shipped: bool = False
) -> erp.ReceiveReturnRequest:
    assert reading.order is not None
    request = erp.ReceiveReturnRequest(
        request_id=str(uuid.uuid4()), order_id=str(uuid.uuid4()), order_references=reading.order.references,
        reason="damaged", posting_key=f"return-{uuid.uuid4()}", lines=parts(reading, quantities),
        never_shipped=never_shipped,
    )  # fmt: skip
    request.receive_time.FromJsonString("2026-01-06T09:00:00Z")
    return request


def credit_request(reading: SaleReading, number: str, quantities: dict[str, int]) -> erp.PostCreditMemoRequest:
    assert reading.order is not None
    request = erp.PostCreditMemoRequest(
        request_id=str(uuid.uuid4()), order_id=str(uuid.uuid4()), order_references=reading.order.references,
        reason="damaged", posting_key=f"credit-{uuid.uuid4()}", credit_invoice_id=str(uuid.uuid4()), currency="USD",
    )  # fmt: skip
    request.erp_invoice.system, request.erp_invoice.value = reading.order.erp_instance, number
    for sku, count in quantities.items():
        line = request.lines.add(line_no=len(request.lines) + 1, order_line_id=line_ids(reading)[sku])
        line.quantity.value, line.quantity.unit_code = str(count), "C62"
    return request


def payable_request(scac: str = CARRIER, *charges: tuple[str, str]) -> erp.PostPayableRequest:
    key = f"payable-{uuid.uuid4()}"
    payable = payable_pb2.Payable(
        payable_id=str(uuid.uuid4()), carrier_scac=scac, invoice_number=f"C-{key[-6:]}", currency="USD"
    )
    for code, worth in charges or (("400", "812.50"), ("DTU", "75")):
        charge = payable.charges.add(charge_no=len(payable.charges) + 1, charge_code=code)
        charge.amount.CopyFrom(money(Decimal(worth), "USD"))
    return erp.PostPayableRequest(request_id=str(uuid.uuid4()), payable=payable, posting_key=key)


async def invoiced(harness: Harness, *lines: Line) -> tuple[SaleReading, erp.PostInvoiceResponse]:
    """A sale that is delivered and billed whole."""
    reading = await ready(harness, *lines)
    await harness.adapter.post_delivery(delivery_request(reading))
    kept = {line.sku: line.quantity for line in lines}
    return reading, await harness.adapter.post_invoice(invoice_request(reading, kept))


async def free(harness: Harness, sku: str) -> Decimal:
    """What the warehouse has and has promised to nobody."""
    (found,) = await harness.adapter.check_availability(WAREHOUSE, [sku])
    return Decimal(found.available.value)


class AfterwardsContract:
    """Cancelled, returned, credited, charged, paid."""

    # ---- cancelling -----------------------------------------------------------------------------------------------

    async def test_a_cancelled_sale_gives_its_stock_free_once(self, harness: Harness) -> None:
        before = await free(harness, "WATER24")
        reading = await ready(harness, Line("WATER24", 10), Line("COFFEE5", 4, OTHER))
        assert await free(harness, "WATER24") == before - 10
        request = cancel_request(reading)
        first = await harness.adapter.cancel_sale(request)
        again = await harness.adapter.cancel_sale(request)
        assert (first.already_cancelled, again.already_cancelled) == (False, True)
        assert await free(harness, "WATER24") == before
        books = await harness.books(reading.sale)
        assert (books.delivered, books.waiting, books.invoices) == ({}, 0, 0)

    async def test_cancelling_what_goes_to_one_address_leaves_the_other(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10), Line("COFFEE5", 4, OTHER))
        await harness.adapter.cancel_sale(cancel_request(reading, COFFEE5=4))
        assert (await harness.books(reading.sale)).waiting == 1
        answer = await harness.adapter.post_delivery(delivery_request(reading, {"WATER24": 10, "COFFEE5": 0}))
        assert {line.accepted.value for line in answer.lines} == {"10", "0"}

    async def test_cancelling_a_part_of_a_line_comes_off_with_the_delivery(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10))
        await harness.adapter.cancel_sale(cancel_request(reading, WATER24=4))
        assert (await harness.books(reading.sale)).waiting == 1
        await harness.adapter.post_delivery(delivery_request(reading, {"WATER24": 6}))
        books = await harness.books(reading.sale)
        assert (books.delivered, books.waiting) == ({"WATER24": 6}, 0)

    async def test_cancelling_what_was_delivered_changes_nothing(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10))
        await harness.adapter.post_delivery(delivery_request(reading))
        before = await harness.books(reading.sale)
        await harness.adapter.cancel_sale(cancel_request(reading))
        assert await harness.books(reading.sale) == before

    async def test_cancelling_a_line_that_the_sale_does_not_have_is_refused(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10))
        request = cancel_request(reading, WATER24=4)
        request.lines[0].line_id = "999999"
        with pytest.raises(FailedPrecondition) as refused:
            await harness.adapter.cancel_sale(request)
        assert refused.value.reason == "ERP_DOCUMENT_NOT_FOUND"
        assert (await harness.books(reading.sale)).waiting == 1

    # ---- returns --------------------------------------------------------------------------------------------------

    async def test_goods_that_come_back_are_in_stock_again_once(self, harness: Harness) -> None:
        reading, _ = await invoiced(harness, Line("WATER24", 10), Line("COFFEE5", 4, OTHER))
        before = await free(harness, "WATER24")
        request = return_request(reading, {"WATER24": 3})
        first = await harness.adapter.receive_return(request)
        again = await harness.adapter.receive_return(request)
        assert (first.already_received, again.already_received) == (False, True)
        assert [(line.line_id, line.quantity.value) for line in first.lines] == [(line_ids(reading)["WATER24"], "3")]
        assert [each.value for each in first.references] == [each.value for each in again.references] != []
        assert await free(harness, "WATER24") == before + 3
        assert (await harness.books(reading.sale)).invoices == 1

    async def test_goods_that_the_erp_never_shipped_add_nothing_to_its_stock(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10))
        await harness.adapter.post_delivery(delivery_request(reading, {"WATER24": 8}))
        before = await free(harness, "WATER24")
        request = return_request(reading, {"WATER24": 2}, never_shipped=True)
        assert not (await harness.adapter.receive_return(request)).already_received
        assert (await harness.adapter.receive_return(request)).already_received
        assert await free(harness, "WATER24") == before

    async def test_more_back_than_was_shipped_is_refused(self, harness: Harness) -> None:
        reading, _ = await invoiced(harness, Line("WATER24", 10))
        before = await free(harness, "WATER24")
        with pytest.raises(FailedPrecondition) as refused:
            await harness.adapter.receive_return(return_request(reading, {"WATER24": 11}))
        assert refused.value.reason == "QUANTITY_EXCEEDED"
        assert await free(harness, "WATER24") == before

    # ---- credit memos ---------------------------------------------------------------------------------------------

    async def test_a_credit_memo_is_posted_once_at_the_invoices_price(self, harness: Harness) -> None:
        reading, bill = await invoiced(harness, Line("WATER24", 10), Line("COFFEE5", 4))
        request = credit_request(reading, bill.erp_invoice.value, {"WATER24": 2})
        first = await harness.adapter.post_credit_memo(request)
        again = await harness.adapter.post_credit_memo(request)
        assert (first.already_posted, again.already_posted) == (False, True)
        assert first.erp_credit_memo == again.erp_credit_memo
        assert first.erp_credit_memo.value not in {"", bill.erp_invoice.value}
        assert amount(first.net) == 2 * price_of("WATER24")
        assert amount(first.total) == amount(first.net) + amount(first.tax)
        assert amount(first.tax) > 0

    async def test_a_part_of_the_price_may_be_credited(self, harness: Harness) -> None:
        reading, bill = await invoiced(harness, Line("WATER24", 10))
        request = credit_request(reading, bill.erp_invoice.value, {"WATER24": 10})
        request.lines[0].unit_price.CopyFrom(money(Decimal("1.5"), "USD"))
        assert amount((await harness.adapter.post_credit_memo(request)).net) == 15

    async def test_no_more_is_credited_than_was_billed_however_many_memos(self, harness: Harness) -> None:
        reading, bill = await invoiced(harness, Line("WATER24", 10))
        await harness.adapter.post_credit_memo(credit_request(reading, bill.erp_invoice.value, {"WATER24": 7}))
        with pytest.raises(FailedPrecondition) as refused:
            await harness.adapter.post_credit_memo(credit_request(reading, bill.erp_invoice.value, {"WATER24": 4}))
        assert refused.value.reason == "QUANTITY_EXCEEDED"
        await harness.adapter.post_credit_memo(credit_request(reading, bill.erp_invoice.value, {"WATER24": 3}))

    async def test_nothing_is_credited_before_it_is_billed(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10))
        await harness.adapter.post_delivery(delivery_request(reading))
        with pytest.raises(NotFound):
            await harness.adapter.post_credit_memo(credit_request(reading, "", {"WATER24": 1}))

    async def test_a_lost_answer_to_a_credit_memo_credits_once(self, harness: Harness) -> None:
        reading, bill = await invoiced(harness, Line("WATER24", 10))
        request = credit_request(reading, bill.erp_invoice.value, {"WATER24": 6})
        harness.lose_answer_of("invoice")
        answer = await ErpContract.until_answered(lambda: harness.adapter.post_credit_memo(request))
        assert amount(answer.net) == 6 * price_of("WATER24")
        with pytest.raises(FailedPrecondition):
            await harness.adapter.post_credit_memo(credit_request(reading, bill.erp_invoice.value, {"WATER24": 5}))

    # ---- charges --------------------------------------------------------------------------------------------------

    async def test_charges_stand_beside_the_goods_once(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10))
        await harness.adapter.post_delivery(delivery_request(reading))
        request = invoice_request(reading, {"WATER24": 10})
        _charge(request.invoice, "DTU", "62.50")
        first = await harness.adapter.post_invoice(request)
        again = await harness.adapter.post_invoice(request)
        assert (first.erp_invoice, again.already_posted) == (again.erp_invoice, True)
        assert amount(first.net) == 10 * price_of("WATER24") + Decimal("62.50")
        charged = [line for line in first.lines if line.charge_id]
        assert [(line.charge_code, amount(line.amount), list(line.evidence_ids)) for line in charged] == [
            ("DTU", Decimal("62.50"), ["arrived", "departed"])
        ]

    async def test_charges_alone_are_billed_where_nothing_was_delivered(self, harness: Harness) -> None:
        reading = await ready(harness, Line("WATER24", 10))
        await harness.adapter.cancel_sale(cancel_request(reading))
        request = invoice_request(reading, {})
        _charge(request.invoice, "VOR", "250")
        first = await harness.adapter.post_invoice(request)
        again = await harness.adapter.post_invoice(request)
        assert amount(first.net) == 250
        assert (first.erp_invoice, again.already_posted) == (again.erp_invoice, True)

    # ---- payables -------------------------------------------------------------------------------------------------

    async def test_a_carrier_is_paid_once(self, harness: Harness) -> None:
        request = payable_request()
        first = await harness.adapter.post_payable(request)
        again = await harness.adapter.post_payable(request)
        assert (first.already_posted, again.already_posted) == (False, True)
        assert first.erp_document == again.erp_document
        assert amount(first.total) == Decimal("887.50")
        found = await harness.adapter.get_payable(request.posting_key)
        assert (found.posted, found.paid, found.erp_document) == (True, False, first.erp_document)

    async def test_of_a_disputed_charge_the_agreed_amount_is_paid(self, harness: Harness) -> None:
        request = payable_request(CARRIER, ("400", "800"), ("DTU", "90"))
        request.payable.charges[1].agreed_amount.CopyFrom(money(Decimal(40), "USD"))
        assert amount((await harness.adapter.post_payable(request)).total) == 840

    async def test_a_carrier_that_the_erp_does_not_know_is_refused_with_a_remedy(self, harness: Harness) -> None:
        request = payable_request("ZZZZ")
        with pytest.raises(FailedPrecondition, match="enter the carrier") as refused:
            await harness.adapter.post_payable(request)
        assert refused.value.reason == "ERP_DOCUMENT_NOT_FOUND"
        with pytest.raises(NotFound):
            await harness.adapter.get_payable(request.posting_key)

    async def test_a_lost_answer_to_a_payable_pays_once(self, harness: Harness) -> None:
        request = payable_request()
        harness.lose_answer_of("invoice")
        answer = await ErpContract.until_answered(lambda: harness.adapter.post_payable(request))
        assert amount(answer.total) == Decimal("887.50")
        assert (await harness.adapter.post_payable(request)).erp_document == answer.erp_document


def _charge(invoice: invoice_pb2.Invoice, code: str, worth: str) -> None:
    line = invoice.lines.add(
        line_no=len(invoice.lines) + 1, charge_code=code, description="as agreed", charge_id=str(uuid.uuid4()),
        basis=invoice_pb2.CHARGE_BASIS_FLAT, evidence_ids=["arrived", "departed"],
    )  # fmt: skip
    line.quantity.value, line.quantity.unit_code = "1", "C62"
    line.amount.CopyFrom(money(Decimal(worth), "USD"))
