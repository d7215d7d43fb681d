"""Lays charges beside the goods on Tryton's draft invoice: detention, a vehicle not used, a way back.

Each line carries the charge's id in its note, so that a repeated call finds what an interrupted one laid. Account and
taxes are those of the goods on the invoice; where it bills charges alone, the first account for revenue, untaxed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gladhand.errors import FailedPrecondition
from logistics.invoice.v1 import invoice_pb2
from services.erp_gateway.adapters.tryton_ledger import (
    INVOICE,
    INVOICE_LINE,
    amount_of,
    first,
    first_account,
    party_account,
)
from services.erp_gateway.adapters.tryton_rpc import TrytonSession


def charges_of(lines: Sequence[invoice_pb2.InvoiceLine]) -> list[invoice_pb2.InvoiceLine]:
    """The lines that bill charges."""
    return [line for line in lines if line.charge_id]


def bills_goods(lines: Sequence[invoice_pb2.InvoiceLine]) -> bool:
    """Whether any line bills goods, so that the ERP drafts an invoice of its own."""
    return any(not line.charge_id for line in lines)


async def lay_charges(
    session: TrytonSession, invoice: dict[str, Any], charges: Sequence[invoice_pb2.InvoiceLine]
) -> bool:
    """Add the charges that the draft does not carry yet; whether there were any.

    Raises FailedPrecondition where the invoice is posted without one of them.
    """
    rows = await session.read(INVOICE_LINE, sorted(invoice["lines"]), ["note", "origin", "account", "taxes"])
    laid = {row["note"] for row in rows if row["note"]}
    missing = [charge for charge in charges if charge.charge_id not in laid]
    if not missing:
        return False
    if invoice["state"] != "draft":
        raise FailedPrecondition(
            f"invoice {invoice['number'] or invoice['id']} is {invoice['state']} without charge "
            f"{missing[0].charge_code}; bill it by an invoice of its own in the ERP",
            reason="ERP_REFUSED",
            metadata={"document": f"{INVOICE},{invoice['id']}"},
        )
    goods = next((row for row in rows if (row["origin"] or "").startswith("sale.line,")), None)
    account = goods["account"] if goods is not None else await first_account(session, "revenue")
    taxes = list(goods["taxes"]) if goods is not None else []
    lines = [_line(charge, account, taxes) for charge in missing]
    await session.write(INVOICE, [invoice["id"]], {"lines": [["create", lines]]})
    return True


async def open_for_charges(session: TrytonSession, sale_id: int, posting_key: str) -> None:
    """Draft an invoice for charges alone, unless one carries the key: nothing was delivered that the ERP would bill."""
    domain = [("reference", "=", posting_key), ("state", "!=", "cancelled")]
    if await session.search_read(INVOICE, domain, ["id"], limit=1):
        return
    (sale,) = await session.read("sale.sale", [sale_id], ["party", "invoice_address", "currency", "payment_term"])
    journal = await first(session, "account.journal", [("type", "=", "revenue")], "revenue journal")
    await session.create(
        INVOICE,
        {
            "type": "out",
            "party": sale["party"],
            "invoice_address": sale["invoice_address"],
            "account": await party_account(session, sale["party"], "receivable"),
            "currency": sale["currency"],
            "payment_term": sale["payment_term"],
            "journal": journal,
            "reference": posting_key,
        },
    )


def _line(charge: invoice_pb2.InvoiceLine, account: int, taxes: list[int]) -> dict[str, object]:
    return {
        "type": "line",
        "quantity": 1.0,
        "unit_price": amount_of(charge.amount),
        "account": account,
        "taxes": [["add", taxes]],
        "description": f"{charge.charge_code} {charge.description}".strip()[:500],
        "note": charge.charge_id,
    }
