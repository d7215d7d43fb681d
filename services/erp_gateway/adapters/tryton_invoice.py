"""Posts the one invoice of a sale in Tryton.

The invoice is not created here: Tryton drafts it when the shipments are done (invoice method "fulfillment"), at once or
later through its queue. It is found by its sale, checked against the accepted quantities, marked with our posting key,
validated and posted; after each step its state is read back, so a repeated or interrupted call never posts twice.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from typing import Any

from gladhand.errors import Conflict, FailedPrecondition, Unavailable
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.type.v1 import reference_pb2
from services.erp_gateway.adapters.tryton_charges import bills_goods, charges_of, lay_charges, open_for_charges
from services.erp_gateway.adapters.tryton_errors import AmbiguousError
from services.erp_gateway.adapters.tryton_invoice_check import (
    InvoiceLineRow,
    accepted_by_sale_line,
    differences,
    posted_lines,
)
from services.erp_gateway.adapters.tryton_press import Presses
from services.erp_gateway.adapters.tryton_rpc import TrytonSession
from services.erp_gateway.adapters.tryton_units import number
from services.erp_gateway.translation import money

_INVOICE = "account.invoice"
_POSTED = frozenset({"posted", "paid"})
_VALIDATED = _POSTED | {"validated"}
_FIELDS = (
    "state", "number", "type", "reference", "lines", "currency.code", "untaxed_amount", "tax_amount", "total_amount",
    "move.last_modified_at", "_timestamp",
)  # fmt: skip
_LINE_FIELDS = (
    "origin", "type", "quantity", "unit.symbol", "unit_price", "amount", "description", "product.code", "note",
)  # fmt: skip


class InvoicePoster:
    """Invoices of one ERP instance. Its callers hold the order's lock.

    ``wait_s`` bounds how long a draft that the ERP makes asynchronously is waited for.
    """

    def __init__(
        self,
        session: TrytonSession,
        presses: Presses,
        instance: str,
        *,
        wait_s: float = 10.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._session = session
        self._presses = presses
        self._instance = instance
        self._wait_s = wait_s
        self._sleep = sleep

    async def post(self, sale_id: int, request: erp.PostInvoiceRequest) -> erp.PostInvoiceResponse:
        """Post the sale's invoice, or answer the one that is posted already."""
        asked = request.invoice.lines
        if not bills_goods(asked):
            await open_for_charges(self._session, sale_id, request.posting_key)
        invoice = await self._the_invoice(sale_id, request.posting_key)
        if await lay_charges(self._session, invoice, charges_of(asked)):
            (invoice,) = await self._session.read(_INVOICE, [invoice["id"]], _FIELDS)
        rows = await self._lines(invoice)
        self._compare(invoice, rows, request)
        already = invoice["state"] in _POSTED
        if not already:
            await self._post(invoice, request.posting_key)
            (invoice,) = await self._session.read(_INVOICE, [invoice["id"]], _FIELDS)
        return self._answer(invoice, rows, request, already_posted=already)

    async def _the_invoice(self, sale_id: int, posting_key: str) -> dict[str, Any]:
        """The sale's one live invoice; waits for the ERP to draft it."""
        pause, waited = 0.25, 0.0
        while True:
            invoices = await self._live_invoices(sale_id, posting_key)
            if invoices:
                break
            if waited >= self._wait_s:
                raise Unavailable(
                    "the ERP has not drafted the invoice yet; is its queue running and the delivery done?",
                    retry_after_s=5.0, reason="ERP_UNAVAILABLE", metadata={"erp": self._instance},
                )  # fmt: skip
            await self._sleep(pause)
            waited += pause
        ours = [invoice for invoice in invoices if invoice["reference"] == posting_key]
        if len(ours or invoices) != 1:
            raise FailedPrecondition(
                f"the sale has {len(invoices)} invoices in the ERP; merge or cancel all but one",
                reason="ERP_REFUSED", metadata={"document": f"sale.sale,{sale_id}"},
            )  # fmt: skip
        return (ours or invoices)[0]

    async def _live_invoices(self, sale_id: int, posting_key: str) -> list[dict[str, Any]]:
        """The sale's own, and one that bills charges alone, which Tryton does not count among them."""
        (sale,) = await self._session.read("sale.sale", [sale_id], ["invoices"])
        invoices = await self._session.read(_INVOICE, sorted(sale["invoices"]), _FIELDS)
        if not invoices:
            invoices = await self._session.search_read(_INVOICE, [("reference", "=", posting_key)], list(_FIELDS))
        return [invoice for invoice in invoices if invoice["state"] != "cancelled" and invoice["type"] == "out"]

    async def _lines(self, invoice: dict[str, Any]) -> list[InvoiceLineRow]:
        rows = await self._session.read("account.invoice.line", sorted(invoice["lines"]), _LINE_FIELDS)
        return [invoice_line(row) for row in rows if row["type"] == "line"]

    def _compare(self, invoice: dict[str, Any], rows: list[InvoiceLineRow], request: erp.PostInvoiceRequest) -> None:
        wrong = differences(rows, accepted_by_sale_line(request.invoice.lines))
        if not wrong:
            return
        first = wrong[0]
        exceeded = first.invoiced > first.accepted
        state = "posted" if invoice["state"] in _POSTED else "draft"
        raise FailedPrecondition(
            f"line {first.line_id}: the ERP's {state} invoice says {first.invoiced}, {first.accepted} accepted; "
            "correct the delivery in the ERP",
            reason="QUANTITY_EXCEEDED" if exceeded else "ERP_REFUSED",
            metadata={
                "line_id": first.line_id,
                "accepted": str(first.accepted),
                "invoiced": str(first.invoiced),
                "document": f"{_INVOICE},{invoice['id']}",
            },
        )

    async def _post(self, invoice: dict[str, Any], posting_key: str) -> None:
        invoice_id = invoice["id"]
        if invoice["reference"] != posting_key:
            await self._mark(invoice, posting_key)
        states = [invoice["state"]]
        for button, reached in (("validate_invoice", _VALIDATED), ("post", _POSTED)):
            states = await self._presses.press(_INVOICE, button, [invoice_id], reached, states)
            if states[0] not in reached:
                raise FailedPrecondition(
                    f"the ERP left the invoice in state {states[0]!r} after {button!r}",
                    reason="ERP_REFUSED",
                    metadata={"document": f"{_INVOICE},{invoice_id}"},
                )

    async def _mark(self, invoice: dict[str, Any], posting_key: str) -> None:
        """Write our key on the invoice, unless somebody changed it since it was read."""
        document = f"{_INVOICE},{invoice['id']}"
        if invoice["reference"]:
            raise Conflict(
                f"the invoice carries the reference {invoice['reference']!r} already",
                reason="ERP_CONFLICT",
                metadata={"document": document},
            )
        unchanged = {"_timestamp": {document: invoice["_timestamp"]}}
        try:
            await self._session.write(_INVOICE, [invoice["id"]], {"reference": posting_key}, context=unchanged)
        except AmbiguousError:
            (after,) = await self._session.read(_INVOICE, [invoice["id"]], ["reference"])
            if after["reference"] != posting_key:
                raise

    def _answer(
        self,
        invoice: dict[str, Any],
        rows: list[InvoiceLineRow],
        request: erp.PostInvoiceRequest,
        *,
        already_posted: bool,
    ) -> erp.PostInvoiceResponse:
        currency = invoice["currency."]["code"]
        answer = erp.PostInvoiceResponse(
            erp_invoice=reference_pb2.ExternalReference(
                system=self._instance, type=reference_pb2.REFERENCE_TYPE_INVOICE, value=invoice["number"]
            ),
            lines=posted_lines(rows, request.invoice.lines, currency),
            net=money(invoice["untaxed_amount"], currency),
            tax=money(invoice["tax_amount"], currency),
            total=money(invoice["total_amount"], currency),
            already_posted=already_posted,
        )
        stamp: dt.datetime | None = (invoice.get("move.") or {}).get("last_modified_at")
        if stamp is not None:
            answer.post_time.FromDatetime(stamp)
        return answer


def invoice_line(row: dict[str, Any]) -> InvoiceLineRow:
    """One line of an invoice as read."""
    origin = row["origin"] or ""
    product = row.get("product.") or {}
    return InvoiceLineRow(
        id=row["id"],
        sale_line=int(origin.partition(",")[2]) if origin.startswith("sale.line,") else None,
        code=product.get("code") or "",
        description=row["description"] or "",
        quantity=number(row["quantity"] or 0),
        unit=(row.get("unit.") or {}).get("symbol") or "u",
        unit_price=row["unit_price"],
        amount=row["amount"],
        charge_id=row.get("note") or "",
    )
