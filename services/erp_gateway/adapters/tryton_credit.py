"""Posts credit memos in Tryton: an invoice with negative lines, each of which names the line that it corrects."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from gladhand.errors import FailedPrecondition
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.invoice.v1 import invoice_pb2
from logistics.type.v1 import reference_pb2
from services.erp_gateway.adapters.tryton_ledger import INVOICE, INVOICE_LINE, POSTED, amount_of, post_invoice
from services.erp_gateway.adapters.tryton_press import Presses
from services.erp_gateway.adapters.tryton_rpc import TrytonSession
from services.erp_gateway.translation import missing_document, money

_HEAD = ("party", "invoice_address", "account", "journal", "currency", "payment_term", "company")
_FIELDS = (
    "state", "number", "currency.code", "untaxed_amount", "tax_amount", "total_amount", "move.last_modified_at",
)  # fmt: skip
_LINE_FIELDS = ("origin", "type", "quantity", "unit", "unit_price", "product", "account", "taxes", "description")


class CreditPoster:
    """Credit memos of one ERP instance. Its callers hold the order's lock."""

    def __init__(self, session: TrytonSession, presses: Presses, instance: str) -> None:
        self._session = session
        self._presses = presses
        self._instance = instance

    async def post(self, sale_id: int, request: erp.PostCreditMemoRequest) -> erp.PostCreditMemoResponse:
        """Post it, or answer the one that carries the key already.

        Raises NotFound where the invoice is not there, FailedPrecondition for more than it has left to credit.
        """
        memo = await self._known(request.posting_key)
        already = memo is not None and memo["state"] in POSTED
        if memo is None:
            memo = await self._make(sale_id, request)
        if not already:
            await post_invoice(self._presses, memo)
            memo = await self._known(request.posting_key) or memo
        return self._answer(memo, request, already_posted=already)

    async def _known(self, posting_key: str) -> dict[str, Any] | None:
        domain = [("reference", "=", posting_key), ("state", "!=", "cancelled"), ("type", "=", "out")]
        rows = await self._session.search_read(INVOICE, domain, _FIELDS, limit=1)
        return rows[0] if rows else None

    async def _make(self, sale_id: int, request: erp.PostCreditMemoRequest) -> dict[str, Any]:
        invoice = await self._corrected(sale_id, request.erp_invoice.value)
        rows = await self._session.read(INVOICE_LINE, sorted(invoice["lines"]), _LINE_FIELDS)
        taken = await self._credited([row["id"] for row in rows])
        lines = [line for asked in request.lines for line in _reversed(asked, rows, taken)]
        head = {name: invoice[name] for name in _HEAD}
        (made,) = await self._session.create(
            INVOICE,
            {
                **head,
                "type": "out",
                "reference": request.posting_key,
                "description": f"Credit of {invoice['number']}: {request.reason}"[:250],
                "lines": [["create", lines]],
            },
        )
        (row,) = await self._session.read(INVOICE, [made], _FIELDS)
        return row

    async def _corrected(self, sale_id: int, number: str) -> dict[str, Any]:
        """The posted invoice of that number, else the sale's own one."""
        domain = [("number", "=", number)] if number else [("sales", "=", sale_id), ("reference", "!=", None)]
        rows = await self._session.search_read(
            INVOICE, [*domain, ("state", "in", sorted(POSTED)), ("type", "=", "out")], ["number", "lines", *_HEAD],
            limit=1, order=[["id", "ASC"]],
        )  # fmt: skip
        if not rows:
            raise missing_document(number or f"posted invoice of sale {sale_id}")
        return rows[0]

    async def _credited(self, lines: Sequence[int]) -> dict[int, Decimal]:
        """What posted or drafted credit memos take back of these lines already, as positive quantities."""
        domain = [("origin", "in", [f"{INVOICE_LINE},{line}" for line in lines]), ("invoice.state", "!=", "cancelled")]
        taken: dict[int, Decimal] = {}
        for row in await self._session.search_read(INVOICE_LINE, domain, ["origin", "quantity"]):
            line = int(row["origin"].partition(",")[2])
            taken[line] = taken.get(line, Decimal(0)) - Decimal(str(row["quantity"]))
        return taken

    def _answer(
        self, memo: dict[str, Any], request: erp.PostCreditMemoRequest, *, already_posted: bool
    ) -> erp.PostCreditMemoResponse:
        currency = memo["currency."]["code"]
        answer = erp.PostCreditMemoResponse(
            erp_credit_memo=reference_pb2.ExternalReference(
                system=self._instance, type=reference_pb2.REFERENCE_TYPE_INVOICE, value=memo["number"]
            ),
            lines=request.lines,
            net=money(-memo["untaxed_amount"], currency),
            tax=money(-memo["tax_amount"], currency),
            total=money(-memo["total_amount"], currency),
            already_posted=already_posted,
        )
        stamp: dt.datetime | None = (memo.get("move.") or {}).get("last_modified_at")
        if stamp is not None:
            answer.post_time.FromDatetime(stamp)
        return answer


def _reversed(
    asked: invoice_pb2.InvoiceLine, rows: Sequence[dict[str, Any]], taken: dict[int, Decimal]
) -> list[dict[str, object]]:
    """The negative lines for one line that is taken back, from what is left of the lines that billed it."""
    sale_line = f"sale.line,{asked.order_line_id.partition('-')[0]}"
    wanted = Decimal(asked.quantity.value)
    left, lines = wanted, []
    for row in rows:
        if row["type"] != "line" or row["origin"] != sale_line:
            continue
        part = min(left, Decimal(str(row["quantity"])) - taken.get(row["id"], Decimal(0)))
        if part <= 0:
            continue
        left -= part
        taken[row["id"]] = taken.get(row["id"], Decimal(0)) + part
        price = _share_price(asked, row["unit_price"])
        lines.append({
            "type": "line", "quantity": -float(part), "unit": row["unit"], "unit_price": price,
            "product": row["product"], "account": row["account"], "taxes": [["add", list(row["taxes"])]],
            "description": asked.description or row["description"], "origin": f"{INVOICE_LINE},{row['id']}",
        })  # fmt: skip
    if left > 0:
        raise FailedPrecondition(
            f"{wanted} are to be credited on line {asked.order_line_id}, its invoice has {wanted - left} left",
            reason="QUANTITY_EXCEEDED",
            metadata={"line_id": asked.order_line_id},
        )
    return lines


def _share_price(asked: invoice_pb2.InvoiceLine, invoiced: Decimal) -> Decimal:
    """The price at which it is taken back: that of the invoice, or less where only a part of the price is."""
    if not asked.HasField("unit_price"):
        return invoiced
    return min(invoiced, amount_of(asked.unit_price))
