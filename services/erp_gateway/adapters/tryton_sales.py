"""Finds the sale behind an order's references, and its documents by our names. Shared by everything that posts."""

from __future__ import annotations

from collections.abc import Iterable

from gladhand.errors import Conflict, InvalidArgument, NotFound
from logistics.type.v1 import reference_pb2

from services.erp_gateway.adapters.tryton_reading import read_sales
from services.erp_gateway.adapters.tryton_rpc import TrytonSession
from services.erp_gateway.adapters.tryton_snapshot import SaleSnapshot


def sales_order_of(references: Iterable[reference_pb2.ExternalReference], instance: str) -> str:
    """The ERP's order number among an order's references. Raises InvalidArgument where this ERP is not named."""
    for reference in references:
        if reference.type == reference_pb2.REFERENCE_TYPE_SALES_ORDER and reference.system == instance:
            return reference.value
    raise InvalidArgument(
        f"no SALES_ORDER reference of {instance}",
        field="order_references",
        remedy="send the reference that the order was submitted with",
    )


async def find_sale(session: TrytonSession, number: str) -> int:
    """The sale with that number. Raises NotFound."""
    ids: list[int] = await session.model("sale.sale", "search", [("number", "=", number)], 0, 1, None)
    if not ids:
        raise missing(number)
    return ids[0]


async def read_sale(session: TrytonSession, sale_id: int) -> SaleSnapshot:
    """One sale as it stands. Raises Conflict where it was deleted in the meantime."""
    found = await read_sales(session, [sale_id])
    if not found:
        raise Conflict("the sale was deleted in the ERP", reason="ERP_CONFLICT", metadata={"document": f"sale.sale,{sale_id}"})
    return found[0]


def missing(reference: str) -> NotFound:
    """The error for a document that the ERP does not have."""
    return NotFound(
        "erp_document",
        reference,
        message=f"the ERP has no document {reference!r}",
        reason="ERP_DOCUMENT_NOT_FOUND",
        metadata={"reference": reference},
    )


async def note_once(session: TrytonSession, resource: str, key: str, message: str) -> None:
    """Put a note on a record, visible to its users, unless one with ``key`` is there. ``key`` begins the note."""
    text = f"{key}\n{message}"
    domain = [("resource", "=", resource), ("message", "like", f"{key}%")]
    if not await session.model("ir.note", "search", domain, 0, 1, None):
        await session.create("ir.note", {"resource": resource, "message": text})
