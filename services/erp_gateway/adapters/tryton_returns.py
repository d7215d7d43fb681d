"""Receives goods that came back in Tryton: a customer return shipment of its own, done once by its posting key.

The return stands beside the sale, not on a return sale: that would draft a credit note of its own, and what is
credited is decided elsewhere. Goods that the ERP never showed as shipped are noted only; its stock still holds them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from gladhand.errors import FailedPrecondition
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.type.v1 import reference_pb2
from services.erp_gateway.adapters.tryton_press import Presses
from services.erp_gateway.adapters.tryton_rpc import TrytonSession
from services.erp_gateway.adapters.tryton_sales import note_once, read_sale
from services.erp_gateway.adapters.tryton_snapshot import SaleSnapshot

_RETURN = "stock.shipment.out.return"
_RECEIVED = frozenset({"received", "done"})
_DONE = frozenset({"done"})
_MOVE_FIELDS = ("origin", "product", "quantity", "unit", "unit_price", "currency", "to_location", "company")


class ReturnReceiver:
    """Goods receipts of one ERP instance. Its callers hold the order's lock."""

    def __init__(self, session: TrytonSession, presses: Presses, instance: str) -> None:
        self._session = session
        self._presses = presses
        self._instance = instance

    async def receive(self, sale_id: int, request: erp.ReceiveReturnRequest) -> erp.ReceiveReturnResponse:
        """Receive the goods; repeating it changes nothing. Raises FailedPrecondition for more than was shipped."""
        sale = await read_sale(self._session, sale_id)
        if request.never_shipped:
            return await self._note(sale, request)
        found = await self._known(request.posting_key)
        already = found is not None and found["state"] in _DONE
        if found is None:
            found = await self._make(sale, request)
        states = [found["state"]]
        for button, reached in (("receive", _RECEIVED), ("do", _DONE)):
            states = await self._presses.press(_RETURN, button, [found["id"]], reached, states)
            if states[0] not in reached:
                raise _refused(f"the ERP left the return in state {states[0]!r} after {button!r}", sale, "ERP_REFUSED")
        await note_once(self._session, f"{_RETURN},{found['id']}", f"Return of sale {sale.number}", _told(request))
        name = reference_pb2.ExternalReference(
            system=self._instance,
            type=reference_pb2.REFERENCE_TYPE_DELIVERY_ORDER,
            value=found["number"] or str(found["id"]),
        )
        return erp.ReceiveReturnResponse(references=[name], lines=request.lines, already_received=already)

    async def _note(self, sale: SaleSnapshot, request: erp.ReceiveReturnRequest) -> erp.ReceiveReturnResponse:
        key = f"Came back unshipped {request.posting_key}"
        noted = await note_once(self._session, f"sale.sale,{sale.id}", key, _told(request))
        return erp.ReceiveReturnResponse(lines=request.lines, already_received=not noted)

    async def _known(self, posting_key: str) -> dict[str, Any] | None:
        domain = [("reference", "=", posting_key), ("state", "!=", "cancelled")]
        rows = await self._session.search_read(_RETURN, domain, ["state", "number"], limit=1)
        return rows[0] if rows else None

    async def _make(self, sale: SaleSnapshot, request: erp.ReceiveReturnRequest) -> dict[str, Any]:
        warehouse = await self._warehouse(sale, request.warehouse_code)
        moves = [
            move
            for line in request.lines
            for move in await self._moves(sale, line.line_id, Decimal(line.quantity.value), warehouse)
        ]
        day = request.receive_time.ToDatetime(dt.UTC).date()
        (made,) = await self._session.create(
            _RETURN,
            {
                "customer": sale.party,
                "contact_address": sale.shipment_address,
                "warehouse": warehouse["id"],
                "warehouse_input": warehouse["input_location"],
                "warehouse_storage": warehouse["storage_location"],
                "reference": request.posting_key,
                "planned_date": day,
                "incoming_moves": [["create", moves]],
            },
        )
        (row,) = await self._session.read(_RETURN, [made], ["state", "number"])
        return row

    async def _warehouse(self, sale: SaleSnapshot, code: str) -> dict[str, Any]:
        wanted = [("code", "=", code)] if code else [("id", "=", sale.warehouse.id if sale.warehouse else 0)]
        rows = await self._session.search_read(
            "stock.location", [("type", "=", "warehouse"), *wanted], ["input_location", "storage_location"], limit=1
        )
        if not rows:
            raise _refused(f"the ERP has no warehouse {code!r} to receive the goods", sale, "ERP_DOCUMENT_NOT_FOUND")
        return rows[0]

    async def _moves(
        self, sale: SaleSnapshot, name: str, wanted: Decimal, warehouse: dict[str, Any]
    ) -> list[dict[str, object]]:
        """The way back of what was shipped of a line, at the price and in the unit in which it went out."""
        line = name.partition("-")[0]
        domain = [("origin", "=", f"sale.line,{line}"), ("state", "=", "done")]
        rows: Sequence[dict[str, Any]] = await self._session.search_read("stock.move", domain, _MOVE_FIELDS)
        moves: list[dict[str, object]] = []
        left = wanted
        for row in rows:
            part = min(left, Decimal(str(row["quantity"])))
            if part > 0:
                left -= part
                moves.append({
                    "product": row["product"], "quantity": float(part), "unit": row["unit"],
                    "unit_price": row["unit_price"], "currency": row["currency"], "company": row["company"],
                    "from_location": row["to_location"], "to_location": warehouse["input_location"],
                    "origin": f"stock.move,{row['id']}",
                })  # fmt: skip
        if left > 0:
            shipped = wanted - left
            raise _refused(
                f"{wanted} came back of line {name}, the ERP has shipped {shipped}", sale, "QUANTITY_EXCEEDED"
            )
        return moves


def _told(request: erp.ReceiveReturnRequest) -> str:
    lines = [f"Received {request.receive_time.ToDatetime(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"]
    lines += [request.reason] if request.reason else []
    lines += [f"Proof {request.pod_id}"] if request.pod_id else []
    for line in request.lines:
        why = f", {line.reason}" if line.reason else ""
        lines.append(f"line {line.line_id}: {line.quantity.value} {line.quantity.unit_code}{why}")
    return "\n".join(lines)


def _refused(message: str, sale: SaleSnapshot, reason: str) -> FailedPrecondition:
    document = f"sale.sale,{sale.id}"
    return FailedPrecondition(message, reason=reason, metadata={"document": document, "erp_message": message})
