"""Posts what carriers are paid in Tryton: supplier invoices, each found again by our posting key.

The carrier is the party whose code is its SCAC. The key stands in the invoice's description, because its reference is
the carrier's own number, by which the ERP's users and its own warnings know it.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from gladhand.errors import FailedPrecondition
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.invoice.v1 import payable_pb2
from logistics.type.v1 import reference_pb2
from services.erp_gateway.adapters.tryton_ledger import (
    INVOICE,
    POSTED,
    amount_of,
    first,
    first_account,
    party_account,
    post_invoice,
)
from services.erp_gateway.adapters.tryton_press import Presses
from services.erp_gateway.adapters.tryton_rpc import TrytonSession
from services.erp_gateway.translation import missing_document, money

_FIELDS = ("state", "number", "reference", "currency.code", "total_amount", "amount_to_pay", "move.last_modified_at")


class PayablePoster:
    """Supplier invoices of one ERP instance. Its callers hold the lock of the posting key."""

    def __init__(self, session: TrytonSession, presses: Presses, instance: str) -> None:
        self._session = session
        self._presses = presses
        self._instance = instance

    async def post(self, request: erp.PostPayableRequest) -> erp.PostPayableResponse:
        """Post it, or answer the one that carries the key. Raises FailedPrecondition for a carrier nobody knows."""
        found = await self._known(request.posting_key)
        already = found is not None and found["state"] in POSTED
        if found is None:
            found = await self._make(request.payable, request.posting_key)
        if not already:
            await post_invoice(self._presses, found)
            found = await self._known(request.posting_key) or found
        return erp.PostPayableResponse(
            erp_document=self._name(found),
            already_posted=already,
            total=money(found["total_amount"], found["currency."]["code"]),
        )

    async def read(self, posting_key: str) -> erp.GetPayableResponse:
        """The document as it stands. Raises NotFound."""
        found = await self._known(posting_key)
        if found is None:
            raise missing_document(posting_key)
        posted = found["state"] in POSTED
        answer = erp.GetPayableResponse(
            erp_document=self._name(found),
            state=found["state"],
            posted=posted,
            paid=posted and not found["amount_to_pay"],
            total=money(found["total_amount"], found["currency."]["code"]),
        )
        stamp: dt.datetime | None = (found.get("move.") or {}).get("last_modified_at")
        if posted and stamp is not None:
            answer.post_time.FromDatetime(stamp)
        return answer

    async def _known(self, posting_key: str) -> dict[str, Any] | None:
        domain = [("description", "=", posting_key), ("type", "=", "in"), ("state", "!=", "cancelled")]
        rows = await self._session.search_read(INVOICE, domain, _FIELDS, limit=1)
        return rows[0] if rows else None

    async def _make(self, payable: payable_pb2.Payable, posting_key: str) -> dict[str, Any]:
        carrier = await self._carrier(payable.carrier_scac)
        currency = await first(
            self._session, "currency.currency", [("code", "=", payable.currency)], f"currency {payable.currency}"
        )
        journal = await first(self._session, "account.journal", [("type", "=", "expense")], "expense journal")
        # The ERP's own day: its numbers run by date, and it may stand in another time zone.
        today = await self._session.model("ir.date", "today")
        expense = await first_account(self._session, "expense")
        (made,) = await self._session.create(
            INVOICE,
            {
                "type": "in",
                "party": carrier["id"],
                "invoice_address": carrier["addresses"][0],
                "account": await party_account(self._session, carrier["id"], "payable"),
                "currency": currency,
                "journal": journal,
                "reference": payable.invoice_number,
                "description": posting_key,
                "invoice_date": today,
                "lines": [["create", [_line(charge, expense) for charge in payable.charges]]],
            },
        )
        (row,) = await self._session.read(INVOICE, [made], _FIELDS)
        return row

    async def _carrier(self, scac: str) -> dict[str, Any]:
        rows = await self._session.search_read("party.party", [("code", "=", scac)], ["addresses"], limit=1)
        if not rows or not rows[0]["addresses"]:
            message = f"the ERP has no party with code {scac} and an address; enter the carrier there"
            raise FailedPrecondition(message, reason="ERP_DOCUMENT_NOT_FOUND", metadata={"reference": scac})
        return rows[0]

    def _name(self, row: dict[str, Any]) -> reference_pb2.ExternalReference:
        return reference_pb2.ExternalReference(
            system=self._instance,
            type=reference_pb2.REFERENCE_TYPE_INVOICE,
            value=row["number"] or f"#{row['id']}",
        )


def _line(charge: payable_pb2.PayableCharge, account: int) -> dict[str, object]:
    """A charge with what is paid for it: the agreed amount where there is one."""
    paid = charge.agreed_amount if charge.HasField("agreed_amount") else charge.amount
    words = f"{charge.charge_code} {charge.description}".strip()
    amount: Decimal = amount_of(paid)
    return {"type": "line", "quantity": 1.0, "unit_price": amount, "account": account, "description": words}
