"""Finds the sale behind an order's references, and its documents by our names. Shared by everything that posts."""

from __future__ import annotations

from gladhand.errors import Conflict
from services.erp_gateway.adapters.tryton_reading import read_sales
from services.erp_gateway.adapters.tryton_rpc import TrytonSession, WizardForm
from services.erp_gateway.adapters.tryton_snapshot import SaleSnapshot
from services.erp_gateway.translation import missing_document


async def find_sale(session: TrytonSession, number: str) -> int:
    """The sale with that number. Raises NotFound."""
    ids: list[int] = await session.model("sale.sale", "search", [("number", "=", number)], 0, 1, None)
    if not ids:
        raise missing_document(number)
    return ids[0]


async def read_sale(session: TrytonSession, sale_id: int) -> SaleSnapshot:
    """One sale as it stands. Raises Conflict where it was deleted in the meantime."""
    found = await read_sales(session, [sale_id])
    if not found:
        raise Conflict(
            "the sale was deleted in the ERP", reason="ERP_CONFLICT", metadata={"document": f"sale.sale,{sale_id}"}
        )
    return found[0]


async def note_once(session: TrytonSession, resource: str, key: str, message: str) -> bool:
    """Put a note on a record, visible to its users, unless one with ``key`` is there; whether there was none.

    ``key`` begins the note.
    """
    notes = await session.search_read("ir.note", [("resource", "=", resource)], ["message"])
    if any((note["message"] or "").startswith(f"{key}\n") for note in notes):
        return False
    await session.create("ir.note", {"resource": resource, "message": f"{key}\n{message}"})
    return True


async def ignore_cancelled(session: TrytonSession, sale_id: int) -> None:
    """Tell the sale that what was cancelled shall not be delivered again; otherwise it waits for a decision."""
    (row,) = await session.read("sale.sale", [sale_id], ["shipment_state"])
    if row["shipment_state"] != "exception":
        return

    async def steps(form: WizardForm) -> None:
        form.values["ask"].update(ignore_moves=form.values["ask"]["domain_moves"], recreate_moves=[])
        await form.go("handle")

    await session.wizard("sale.handle.shipment.exception", steps, record=("sale.sale", sale_id))
