"""Gives free in Tryton what a sale still means to ship, when an order is cancelled in whole or in part.

A sale that is being processed cannot be cancelled itself (ERP reference A.4): its open shipments are, and the sale is
told not to ship them again. A shipment of which only a part is no longer wanted keeps a note: what is shipped of it
in the end is said by the delivery.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal

from gladhand.errors import FailedPrecondition, Unavailable
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.type.v1 import reference_pb2
from services.erp_gateway.adapters.tryton_delivery_plan import live_moves
from services.erp_gateway.adapters.tryton_order import open_shipments
from services.erp_gateway.adapters.tryton_press import Presses
from services.erp_gateway.adapters.tryton_rpc import TrytonSession
from services.erp_gateway.adapters.tryton_sales import ignore_cancelled, note_once, read_sale
from services.erp_gateway.adapters.tryton_snapshot import SaleSnapshot, ShipmentRow

_PAUSE_S = 0.25
_SALE, _SHIPMENT = "sale.sale", "stock.shipment.out"
_CANCELLED = frozenset({"cancelled"})
_NOT_YET = frozenset({"draft", "quotation"})
_PROCESSED = frozenset({"processing", "done"})


class SaleCanceller:
    """Cancels sales of one ERP instance. Its callers hold the order's lock.

    ``wait_s`` bounds how long the ERP's own queue is waited for.
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

    async def cancel(self, sale_id: int, request: erp.CancelSaleRequest) -> erp.CancelSaleResponse:
        """Cancel what is named and not shipped; repeating it changes nothing.

        Raises Unavailable while the ERP still processes the sale, FailedPrecondition for a line it does not have.
        """
        sale = await read_sale(self._session, sale_id)
        unwanted = _unwanted(sale, request)
        already = sale.state == "cancelled"
        if sale.state in _NOT_YET and not request.lines:
            await self._presses.press(_SALE, "cancel", [sale_id], _CANCELLED)
        elif sale.state in _PROCESSED:
            already = not await self._shipments(sale, unwanted)
        elif not already:
            raise Unavailable(
                f"the ERP has not processed sale {sale.number} yet; is its queue running?",
                retry_after_s=5.0, reason="ERP_UNAVAILABLE", metadata={"erp": self._instance},
            )  # fmt: skip
        said = f"Cancelled by {request.posting_key}"
        noted = await note_once(self._session, f"{_SALE},{sale_id}", said, _note(request))
        return erp.CancelSaleResponse(references=self._names(sale), already_cancelled=already and not noted)

    async def _shipments(self, sale: SaleSnapshot, unwanted: Mapping[int, Decimal] | None) -> bool:
        """Cancel every open shipment that carries nothing wanted; whether there was one. Waits for the ERP's queue."""
        worked, waited = False, 0.0
        while True:
            due = [each.id for each in _open(sale) if _carries_nothing(sale, each, unwanted)]
            for shipment in due:
                await self._presses.press(_SHIPMENT, "cancel", [shipment], _CANCELLED)
            worked = worked or bool(due)
            await ignore_cancelled(self._session, sale.id)
            sale = await read_sale(self._session, sale.id)
            if not due and sale.shipment_state != "exception":
                return worked
            if waited >= self._wait_s:
                raise Unavailable(
                    "the ERP has not processed the cancelling yet; is its queue running?",
                    retry_after_s=5.0, reason="ERP_UNAVAILABLE", metadata={"erp": self._instance},
                )  # fmt: skip
            await self._sleep(_PAUSE_S)
            waited += _PAUSE_S

    def _names(self, sale: SaleSnapshot) -> list[reference_pb2.ExternalReference]:
        kind = reference_pb2.REFERENCE_TYPE_DELIVERY_ORDER
        return [
            reference_pb2.ExternalReference(system=self._instance, type=kind, value=each.number or str(each.id))
            for each in sale.shipments
            if each.state != "done"
        ]


def _unwanted(sale: SaleSnapshot, request: erp.CancelSaleRequest) -> dict[int, Decimal] | None:
    """How much of each sale line is no longer wanted; None for everything. Raises FailedPrecondition."""
    if not request.lines:
        return None
    known = {line.id for line in sale.lines}
    unwanted: dict[int, Decimal] = {}
    for line in request.lines:
        name = line.line_id.partition("-")[0]
        if not name.isdigit() or int(name) not in known:
            raise FailedPrecondition(
                f"sale {sale.number} has no line {line.line_id!r}",
                reason="ERP_DOCUMENT_NOT_FOUND",
                metadata={"document": f"{_SALE},{sale.id}", "line_id": line.line_id},
            )
        unwanted[int(name)] = unwanted.get(int(name), Decimal(0)) + Decimal(line.quantity.value)
    return unwanted


def _open(sale: SaleSnapshot) -> list[ShipmentRow]:
    return [shipment for shipment in open_shipments(sale) if shipment.state != "done"]


def _carries_nothing(sale: SaleSnapshot, shipment: ShipmentRow, unwanted: Mapping[int, Decimal] | None) -> bool:
    if unwanted is None:
        return True
    moves = [move for move in live_moves(sale) if move.shipment == shipment.id]
    return all(move.quantity <= unwanted.get(move.line, Decimal(0)) for move in moves)


def _note(request: erp.CancelSaleRequest) -> str:
    parts = [f"line {line.line_id}: {line.quantity.value} {line.quantity.unit_code}" for line in request.lines]
    return "\n".join([request.reason or "no reason was given", *(parts or ["everything that is not shipped"])])
