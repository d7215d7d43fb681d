"""Posts dispatch and delivery on Tryton's customer shipments."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo

from gladhand.errors import FailedPrecondition, Unavailable
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.type.v1 import reference_pb2
from services.erp_gateway.adapters.tryton_delivery_plan import (
    DeliveryPlan,
    TooMuchAcceptedError,
    TooMuchShippedError,
    UnknownLineError,
    moves_of,
    plan_delivery,
    shipped_quantities,
)
from services.erp_gateway.adapters.tryton_order import open_shipments
from services.erp_gateway.adapters.tryton_press import Presses
from services.erp_gateway.adapters.tryton_rpc import TrytonSession
from services.erp_gateway.adapters.tryton_sales import ignore_cancelled, note_once, read_sale
from services.erp_gateway.adapters.tryton_snapshot import SaleSnapshot, ShipmentRow
from services.erp_gateway.adapters.tryton_units import quantity
from services.erp_gateway.translation import plain

_PAUSE_S = 0.25
_ROUNDS = 8
"""Rounds of work in one call; three are the most that a delivery takes."""
_SHIPMENT = "stock.shipment.out"
_ASSIGNED = frozenset({"assigned", "picked", "packed", "shipped", "done"})
_PICKED = _ASSIGNED - {"assigned"}
_PACKED = _PICKED - {"picked"}
_DONE = frozenset({"done"})
_CANCELLED = frozenset({"cancelled"})
_SETTLED = frozenset({"sent", "none"})
"""Shipment states of a sale with nothing left to deliver; "none" where all of it was cancelled."""


class DeliveryPoster:
    """Dispatch and delivery of one ERP instance. Its callers hold the order's lock.

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

    async def confirm_dispatch(self, sale_id: int, request: erp.ConfirmDispatchRequest) -> list[str]:
        """Write dispatch reference and note on the shipments that ride; return their numbers.

        The reference is what ERP users see in lists; several loads on one shipment stand side by side.
        """
        sale = await read_sale(self._session, sale_id)
        live = open_shipments(sale)
        riding = {move.shipment for name in request.line_ids for move in moves_of(sale, name)}
        shipments = [shipment for shipment in live if not request.line_ids or shipment.id in riding]
        if not shipments:
            raise _refused(f"sale {sale.number} has no delivery for these lines", "ERP_DOCUMENT_NOT_FOUND", sale)
        when = request.dispatch_time.ToDatetime(dt.UTC)
        lines = [f"Dispatched {when:%Y-%m-%d %H:%M:%S} UTC"]
        lines += [f"Vehicle: {request.vehicle_name}"] if request.vehicle_name else []
        lines += [f"Driver: {request.driver_name}"] if request.driver_name else []
        for shipment in shipments:
            known = [part for part in (shipment.reference or "").split(", ") if part]
            if request.dispatch_reference not in known:
                text = ", ".join([*known, request.dispatch_reference])
                await self._session.write(_SHIPMENT, [shipment.id], {"reference": text})
            key = f"Load {request.load_id}, dispatch {request.dispatch_reference}"
            await note_once(self._session, f"{_SHIPMENT},{shipment.id}", key, "\n".join(lines))
        return [_name(shipment) for shipment in shipments]

    async def post_delivery(
        self, sale_id: int, request: erp.PostDeliveryRequest, today: dt.date
    ) -> erp.PostDeliveryResponse:
        """Complete and cancel shipments until the ERP shows exactly what was accepted; tell what it shows.

        The ERP may process the sale through its queue, so that the remainder of a partial delivery appears later; it is
        waited for, because it must be cancelled too. Raises Unavailable where that takes too long.
        """
        waited, worked = 0.0, 0
        while True:
            sale = await read_sale(self._session, sale_id)
            if worked < _ROUNDS and await self._work(sale, request, today):
                worked += 1
            elif sale.shipment_state in _SETTLED:
                break
            elif waited < self._wait_s:
                await self._sleep(_PAUSE_S)
                waited += _PAUSE_S
            else:
                raise Unavailable(
                    "the ERP has not processed the delivery yet; is its queue running?",
                    retry_after_s=5.0,
                    reason="ERP_UNAVAILABLE",
                    metadata={"erp": self._instance},
                )
        await self._note_proofs(sale, request)
        return self._answer(sale, request)

    async def _work(self, sale: SaleSnapshot, request: erp.PostDeliveryRequest, today: dt.date) -> bool:
        """Do what is due as the sale stands; whether there was anything."""
        plan = self._plan(sale, {line.line_id: Decimal(line.accepted.value) for line in request.lines})
        if plan.complete:
            await self._complete(sale, plan, request, today)
            return True
        for shipment in plan.cancel:
            await self._presses.press(_SHIPMENT, "cancel", [shipment], _CANCELLED)
        if plan.cancel or sale.shipment_state == "exception":
            await ignore_cancelled(self._session, sale.id)
            return True
        return False

    def _plan(self, sale: SaleSnapshot, accepted: Mapping[str, Decimal]) -> DeliveryPlan:
        if sale.state not in ("processing", "done"):
            raise _refused(f"sale {sale.number} is in state {sale.state!r}, not processing", "ERP_REFUSED", sale)
        try:
            return plan_delivery(sale, accepted)
        except UnknownLineError as error:
            raise _refused(str(error), "ERP_DOCUMENT_NOT_FOUND", sale) from error
        except TooMuchAcceptedError as error:
            raise _refused(str(error), "QUANTITY_EXCEEDED", sale, line_id=error.line_id) from error
        except TooMuchShippedError as error:
            raise _refused(f"{error}; book a return in the ERP", "ERP_REFUSED", sale, line_id=error.line_id) from error

    async def _complete(
        self, sale: SaleSnapshot, plan: DeliveryPlan, request: erp.PostDeliveryRequest, today: dt.date
    ) -> None:
        """All shipments together through each step, so that the ERP makes one invoice of them."""
        await self._set_quantities(sale, plan)
        await self._set_date(sale, plan, request, today)
        ids = list(plan.complete)
        states = await self._presses.press(_SHIPMENT, "assign_try", ids, _ASSIGNED)
        if not all(state in _ASSIGNED for state in states):
            short = await self._short_products(ids)
            raise _refused(
                f"the warehouse lacks stock of {', '.join(short)}; book the stock in the ERP", "STOCK_SHORT", sale,
                sku=short[0] if short else "",
            )  # fmt: skip
        for button, reached in (("pick", _PICKED), ("pack", _PACKED), ("do", _DONE)):
            states = await self._presses.press(_SHIPMENT, button, ids, reached, states)
            if not all(state in reached for state in states):
                raise _refused(f"the ERP left shipments in {sorted(set(states))} after {button!r}", "ERP_REFUSED", sale)

    async def _set_quantities(self, sale: SaleSnapshot, plan: DeliveryPlan) -> None:
        """Write what was accepted on the picking moves; only those of a waiting shipment may be written."""
        changed = {
            move.id: plan.quantities[move.id]
            for move in sale.moves
            if move.shipment in plan.complete and plan.quantities.get(move.id, move.quantity) != move.quantity
        }
        if not changed:
            return
        touched = {move.shipment for move in sale.moves if move.id in changed}
        for shipment in sale.shipments:
            if shipment.id in touched:
                await self._back_to_waiting(sale, shipment)
        picking = await self._session.search_read(
            "stock.move", [("origin", "in", [f"stock.move,{move}" for move in changed])], ["origin", "quantity"]
        )
        for row in picking:
            wanted = changed[int(row["origin"].partition(",")[2])]
            if Decimal(str(row["quantity"])) != wanted:
                await self._session.write("stock.move", [row["id"]], {"quantity": float(wanted)})

    async def _back_to_waiting(self, sale: SaleSnapshot, shipment: ShipmentRow) -> None:
        """A reserved shipment, or one still in draft, is opened for changes; goods already picked are not touched."""
        if shipment.state in ("draft", "assigned"):
            await self._presses.press(_SHIPMENT, "wait", [shipment.id], {"waiting"})
        elif shipment.state != "waiting":
            raise _refused(
                f"shipment {_name(shipment)} is {shipment.state} with other quantities; "
                "book the difference as a return in the ERP",
                "ERP_REFUSED",
                sale,
            )

    async def _set_date(
        self, sale: SaleSnapshot, plan: DeliveryPlan, request: erp.PostDeliveryRequest, today: dt.date
    ) -> None:
        """The day of delivery where it lies before the ERP's today; the ERP warns of days to come."""
        day = request.delivery_time.ToDatetime(dt.UTC).astimezone(ZoneInfo(sale.time_zone)).date()
        unset = [s.id for s in sale.shipments if s.id in plan.complete and s.effective_date is None]
        if day < today and unset:
            await self._session.write(_SHIPMENT, unset, {"effective_date": day})

    async def _short_products(self, ids: Sequence[int]) -> list[str]:
        """Products that could not be reserved; what could be is given back."""
        rows = await self._session.search_read(
            "stock.move",
            [("shipment", "in", [f"{_SHIPMENT},{i}" for i in ids]), ("state", "=", "draft"),
             ("origin", "like", "stock.move,%")],
            ["product.code"],
        )  # fmt: skip
        await self._session.model(_SHIPMENT, "wait", list(ids))
        return sorted({row["product."]["code"] or f"product {row['product.']['id']}" for row in rows})

    async def _note_proofs(self, sale: SaleSnapshot, request: erp.PostDeliveryRequest) -> None:
        for shipment in sale.shipments:
            for proof in request.proofs if shipment.state == "done" else ():
                lines = [f"Captured {proof.capture_time.ToDatetime(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"]
                lines += [f"{artifact.media_type} sha256:{artifact.sha256}" for artifact in proof.artifacts]
                key = f"Proof of delivery {proof.pod_id}"
                await note_once(self._session, f"{_SHIPMENT},{shipment.id}", key, "\n".join(lines))

    def _answer(self, sale: SaleSnapshot, request: erp.PostDeliveryRequest) -> erp.PostDeliveryResponse:
        units = {
            name: moves[0].unit for name in (ln.line_id for ln in request.lines) if (moves := moves_of(sale, name))
        }
        shipped = shipped_quantities(sale, [line.line_id for line in request.lines])
        return erp.PostDeliveryResponse(
            references=[
                reference_pb2.ExternalReference(
                    system=self._instance, type=reference_pb2.REFERENCE_TYPE_DELIVERY_ORDER, value=_name(shipment)
                )
                for shipment in sale.shipments
                if shipment.state == "done"
            ],
            lines=[
                erp.DeliveredLine(
                    line_id=line.line_id,
                    accepted=quantity(shipped[line.line_id], units[line.line_id])
                    if line.line_id in units
                    else type(line.accepted)(value=plain(shipped[line.line_id]), unit_code=line.accepted.unit_code),
                )
                for line in request.lines
            ],
        )


def _name(shipment: ShipmentRow) -> str:
    return shipment.number or str(shipment.id)


def _refused(message: str, reason: str, sale: SaleSnapshot, **metadata: str) -> FailedPrecondition:
    return FailedPrecondition(
        message, reason=reason, metadata={"document": f"sale.sale,{sale.id}", "erp_message": message, **metadata}
    )
