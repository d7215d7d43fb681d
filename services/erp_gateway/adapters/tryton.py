"""The Tryton adapter: an ``ErpAdapter`` over one JSON-RPC session. Tryton itself is never imported.

Measured facts behind each rule: ERP reference A.3 to A.10. One adapter per ERP instance: its locks keep two calls on
one order from being in flight, and they hold within one process.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from gladhand.clock import Clock, SystemClock
from gladhand.passage import Passage
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.order.v1 import order_pb2
from logistics.type.v1 import reference_pb2
from services.erp_gateway.adapters.port import ChangePage, OrderFacts, SaleCondition, SaleReading
from services.erp_gateway.adapters.tryton_credit import CreditPoster
from services.erp_gateway.adapters.tryton_delivery import DeliveryPoster
from services.erp_gateway.adapters.tryton_documents import DocumentReader
from services.erp_gateway.adapters.tryton_errors import TrytonError, UserError
from services.erp_gateway.adapters.tryton_faults import as_mesh_error, as_read_error
from services.erp_gateway.adapters.tryton_feed import list_changes
from services.erp_gateway.adapters.tryton_invoice import InvoicePoster
from services.erp_gateway.adapters.tryton_master import MasterReader
from services.erp_gateway.adapters.tryton_order import (
    UntranslatableSaleError,
    is_ready,
    is_withdrawn,
    open_shipments,
    order_from_sale,
)
from services.erp_gateway.adapters.tryton_payable import PayablePoster
from services.erp_gateway.adapters.tryton_press import Presses, PressPolicy
from services.erp_gateway.adapters.tryton_reading import read_sales
from services.erp_gateway.adapters.tryton_returns import ReturnReceiver
from services.erp_gateway.adapters.tryton_rpc import TrytonLogin, TrytonSession
from services.erp_gateway.adapters.tryton_sales import find_sale
from services.erp_gateway.adapters.tryton_snapshot import SaleSnapshot
from services.erp_gateway.adapters.tryton_units import UnknownUnitError
from services.erp_gateway.adapters.tryton_withdrawal import SaleCanceller
from services.erp_gateway.translation import content_digest, sales_order_of

_Answer = TypeVar("_Answer")
_CONFIRMED_ON = frozenset({"processing", "done"})


@dataclass(frozen=True, slots=True)
class TrytonOptions:
    """``instance`` and ``region`` name the ERP in the mesh; ``overlap`` is how far polling reaches back.

    ``thorough_s`` is the pause between two looks at what hardly ever changes, at most a quarter of ``overlap``.
    ``queue_wait_s`` bounds how long work that the ERP does through its own queue is waited for.
    """

    instance: str
    region: str
    overlap: dt.timedelta = dt.timedelta(seconds=60)
    thorough_s: float = 5.0
    queue_wait_s: float = 10.0
    press: PressPolicy = field(default_factory=PressPolicy)


class TrytonAdapter:
    """One Tryton database as an ``ErpAdapter``. ``clock`` is real time: the ERP does not know the mesh's."""

    def __init__(
        self,
        login: TrytonLogin,
        options: TrytonOptions,
        *,
        clock: Clock | None = None,
        passage: Passage | None = None,
    ) -> None:
        self._session = TrytonSession(login, passage=passage)
        self._options = options
        self._clock = clock or SystemClock()
        self._next_thorough = 0.0
        self._presses = Presses(self._session, options.press)
        self._master = MasterReader(self._session, options.instance)
        self._deliveries = DeliveryPoster(self._session, self._presses, options.instance, wait_s=options.queue_wait_s)
        self._invoices = InvoicePoster(self._session, self._presses, options.instance, wait_s=options.queue_wait_s)
        self._cancels = SaleCanceller(self._session, self._presses, options.instance, wait_s=options.queue_wait_s)
        self._returns = ReturnReceiver(self._session, self._presses, options.instance)
        self._credits = CreditPoster(self._session, self._presses, options.instance)
        self._payables = PayablePoster(self._session, self._presses, options.instance)
        self._documents = DocumentReader(self._session, options.instance)

    @property
    def instance(self) -> str:
        """Its name in the mesh."""
        return self._options.instance

    async def check(self) -> None:
        """Log in and read one record. Raises Unavailable."""
        await self._reading(lambda: self._session.search_read("sale.sale", [], ["id"], limit=1))

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def list_changes(self, cursor: str) -> ChangePage:
        """See ``tryton_feed``; a thorough look now and then spares the ERP two fifths of the work."""
        now, overlap = self._clock.monotonic(), self._options.overlap
        thorough = not cursor or now >= self._next_thorough
        page = await self._reading(lambda: list_changes(self._session, cursor, overlap, thorough=thorough))
        if thorough:
            self._next_thorough = now + min(self._options.thorough_s, overlap.total_seconds() / 4)
        return page

    async def read_sales(self, sales: Sequence[str]) -> list[SaleReading]:
        """Each sale's condition, with its order where it is ready."""
        found = await self._reading(lambda: read_sales(self._session, [int(sale) for sale in sales]))
        by_id = {str(sale.id): sale for sale in found}
        return [
            self._reading_of(by_id[sale]) if sale in by_id else SaleReading(sale, SaleCondition.WITHDRAWN)
            for sale in sales
        ]

    async def redrive_stuck(self, older_than: dt.timedelta) -> list[str]:
        """Press "process" on sales that stand in "confirmed" for longer than ``older_than``.

        Tryton's task that processes a confirmed sale dies with the process (A.6). The button needs the right to it:
        a group on the button, or ``sale.group_sale_admin``; a refusal is raised with that remedy.
        """
        limit = self._clock.now() - older_than
        domain = [("state", "=", "confirmed"), ("last_modified_at", "<", limit)]
        stuck = await self._reading(lambda: self._session.search_read("sale.sale", domain, ["number"]))
        for row in stuck:
            async with self._writing(row["number"]):
                try:
                    await self._presses.press("sale.sale", "process", [row["id"]], _CONFIRMED_ON)
                except UserError as error:
                    raise UserError(
                        f"sale {row['number']} is stuck in 'confirmed' and may not be processed: {error.message}; "
                        "add a group of the gateway's user to the button sale.sale/process",
                    ) from error
        return [row["number"] for row in stuck]

    async def order_facts(self, order: order_pb2.Order) -> OrderFacts:
        """Customer, places, stock and credit behind an order."""
        return await self._reading(lambda: self._master.order_facts(order, self._clock.now().date()))

    async def get_customer(self, code: str) -> erp.Customer:
        """A customer's master record."""
        return await self._reading(lambda: self._master.customer(code))

    async def check_availability(self, warehouse: str, skus: Sequence[str]) -> list[erp.Availability]:
        """What a warehouse can supply."""
        return await self._reading(lambda: self._master.availability(warehouse, skus, self._clock.now().date()))

    async def get_document(self, reference: reference_pb2.ExternalReference) -> erp.ErpDocument:
        """A sale, shipment or invoice."""
        return await self._reading(lambda: self._documents.read(reference))

    async def confirm_dispatch(self, request: erp.ConfirmDispatchRequest) -> erp.ConfirmDispatchResponse:
        """Reference and note on the shipments."""
        async with self._writing_order(request.order_references) as sale_id:
            numbers = await self._deliveries.confirm_dispatch(sale_id, request)
        return erp.ConfirmDispatchResponse(
            references=[
                reference_pb2.ExternalReference(
                    system=self.instance, type=reference_pb2.REFERENCE_TYPE_DELIVERY_ORDER, value=number
                )
                for number in numbers
            ]
        )

    async def post_delivery(self, request: erp.PostDeliveryRequest) -> erp.PostDeliveryResponse:
        """Shipments done with the accepted quantities."""
        async with self._writing_order(request.order_references) as sale_id:
            return await self._deliveries.post_delivery(sale_id, request, self._clock.now().date())

    async def post_invoice(self, request: erp.PostInvoiceRequest) -> erp.PostInvoiceResponse:
        """The invoice posted once."""
        async with self._writing_order(request.order_references) as sale_id:
            return await self._invoices.post(sale_id, request)

    async def cancel_sale(self, request: erp.CancelSaleRequest) -> erp.CancelSaleResponse:
        """Open shipments cancelled."""
        async with self._writing_order(request.order_references) as sale_id:
            return await self._cancels.cancel(sale_id, request)

    async def receive_return(self, request: erp.ReceiveReturnRequest) -> erp.ReceiveReturnResponse:
        """A customer return done."""
        async with self._writing_order(request.order_references) as sale_id:
            return await self._returns.receive(sale_id, request)

    async def post_credit_memo(self, request: erp.PostCreditMemoRequest) -> erp.PostCreditMemoResponse:
        """The credit memo posted once."""
        async with self._writing_order(request.order_references) as sale_id:
            return await self._credits.post(sale_id, request)

    async def post_payable(self, request: erp.PostPayableRequest) -> erp.PostPayableResponse:
        """The supplier invoice posted once."""
        async with self._writing(request.posting_key):
            return await self._payables.post(request)

    async def get_payable(self, posting_key: str) -> erp.GetPayableResponse:
        """The supplier invoice as it stands."""
        return await self._reading(lambda: self._payables.read(posting_key))

    def _reading_of(self, sale: SaleSnapshot) -> SaleReading:
        reading = SaleReading(str(sale.id), _condition(sale), sale.number or "", sale.stamp.isoformat())
        if reading.condition is not SaleCondition.READY:
            return reading
        try:
            order = order_from_sale(sale, self._options.instance, self._options.region)
        except (UntranslatableSaleError, UnknownUnitError) as error:
            return replace(reading, condition=SaleCondition.UNREADABLE, problem=str(error))
        return replace(reading, order=order, content_sha256=content_digest(order))

    async def _reading(self, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        try:
            return await call()
        except TrytonError as error:
            raise as_read_error(error, self.instance) from error

    @asynccontextmanager
    async def _writing_order(self, references: Iterable[reference_pb2.ExternalReference]) -> AsyncIterator[int]:
        number = sales_order_of(references, self.instance)
        async with self._writing(number):
            yield await find_sale(self._session, number)

    @asynccontextmanager
    async def _writing(self, order: str) -> AsyncIterator[None]:
        """The order's lock, and the client's errors as the mesh's."""
        try:
            async with self._presses.only(order):
                yield
        except TrytonError as error:
            raise as_mesh_error(error, self.instance) from error


def _condition(sale: SaleSnapshot) -> SaleCondition:
    if is_withdrawn(sale):
        return SaleCondition.WITHDRAWN
    if is_ready(sale):
        return SaleCondition.READY
    executing = any(shipment.state not in ("draft", "waiting") for shipment in open_shipments(sale))
    return SaleCondition.EXECUTING if executing else SaleCondition.EDITED
