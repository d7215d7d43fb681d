"""What everything that makes an invoice of its own in Tryton needs: accounts, journals, and posting what was made."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, Literal

from gladhand.errors import FailedPrecondition
from logistics.type.v1 import money_pb2
from services.erp_gateway.adapters.tryton_press import Presses
from services.erp_gateway.adapters.tryton_rpc import TrytonSession
from services.erp_gateway.translation import missing_document

INVOICE: Final = "account.invoice"
INVOICE_LINE: Final = "account.invoice.line"
POSTED: Final = frozenset({"posted", "paid"})
_VALIDATED = POSTED | {"validated"}


async def post_invoice(presses: Presses, invoice: dict[str, Any]) -> None:
    """Validate and post a draft of ours. Raises FailedPrecondition where the ERP leaves it in another state."""
    states = [invoice["state"]]
    for button, reached in (("validate_invoice", _VALIDATED), ("post", POSTED)):
        states = await presses.press(INVOICE, button, [invoice["id"]], reached, states)
        if states[0] not in reached:
            raise FailedPrecondition(
                f"the ERP left the invoice in state {states[0]!r} after {button!r}",
                reason="ERP_REFUSED",
                metadata={"document": f"{INVOICE},{invoice['id']}"},
            )


async def party_account(session: TrytonSession, party: int, kind: Literal["receivable", "payable"]) -> int:
    """The account that a party's invoices are booked on: its own, else the company's usual one. Raises NotFound."""
    (row,) = await session.read("party.party", [party], [f"account_{kind}"])
    account = row[f"account_{kind}"]
    if not account:
        (usual,) = await session.read("account.configuration", [1], [f"default_account_{kind}"])
        account = usual[f"default_account_{kind}"]
    return int(account) if account else await first_account(session, kind)


async def first_account(session: TrytonSession, kind: str) -> int:
    """The open account of a kind with the lowest code, e.g. "expense". Raises NotFound."""
    domain = [(f"type.{kind}", "=", True), ("closed", "!=", True)]
    return await first(session, "account.account", domain, f"account of kind {kind}", order="code")


async def first(session: TrytonSession, model: str, domain: list[Any], told: str, *, order: str = "id") -> int:
    """The first record that matches. Raises NotFound under the name that people know it by."""
    rows = await session.search_read(model, domain, ["id"], limit=1, order=[[order, "ASC"]])
    if not rows:
        raise missing_document(told)
    return int(rows[0]["id"])


def amount_of(given: money_pb2.Money) -> Decimal:
    """An amount as a decimal."""
    return Decimal(given.units) + Decimal(given.nanos) / 1_000_000_000
