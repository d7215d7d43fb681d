"""What the commands ask the orchestrator, over gRPC."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from gladhand.cli.failure import Exit, Failure
from gladhand.cli.words import purchase_order, sale
from gladhand.client import call, channel
from gladhand.errors import NotFound
from gladhand.security.credentials import TlsCredentials
from logistics.load.v1.load_pb2 import Load
from logistics.orchestrator.v1 import orchestrator_service_pb2 as api
from logistics.orchestrator.v1 import orchestrator_service_pb2_grpc as rpc
from logistics.order.v1.order_pb2 import Order, OrderState

_PAGE = 200


class Orchestrator:
    """A client of OrchestratorService. Its methods raise the GladhandError that the service meant."""

    def __init__(self, stub: rpc.OrchestratorServiceAsyncStub) -> None:
        self.stub = stub

    async def orders(
        self, *, limit: int = 0, reference: str = "", states: Sequence[OrderState.ValueType] = ()
    ) -> list[Order]:
        """Orders, newest first; all of them where `limit` is 0."""
        found: list[Order] = []
        token = ""
        while True:
            request = api.ListOrdersRequest(page_size=_PAGE, page_token=token, reference=reference, states=states)
            page = await call(self.stub.ListOrders(request))
            found.extend(page.orders)
            token = page.next_page_token
            if not token or (limit and len(found) >= limit):
                return found[:limit] if limit else found

    async def loads(self, *, limit: int = 0, order_id: str = "") -> list[Load]:
        """Loads, newest first; all of them where `limit` is 0."""
        found: list[Load] = []
        token = ""
        while True:
            page = await call(
                self.stub.ListLoads(api.ListLoadsRequest(page_size=_PAGE, page_token=token, order_id=order_id))
            )
            found.extend(page.loads)
            token = page.next_page_token
            if not token or (limit and len(found) >= limit):
                return found[:limit] if limit else found

    async def order(self, name: str) -> Order:
        """The order with this id, ERP number, customer's number or invoice number. Raises Failure where none has."""
        if _is_uuid(name):
            try:
                return (await call(self.stub.GetOrder(api.GetOrderRequest(order_id=name)))).order
            except NotFound as error:
                raise _unknown("order", name) from error
        found = _named(await self.orders(reference=name, limit=_PAGE), name)
        if len(found) > 1:
            candidates = ", ".join(f"sale {sale(each)}: {each.order_id}" for each in found)
            raise Failure(f"more than one order is known as {name}", f"name it by its id: {candidates}")
        if found:
            return found[0]
        return await self._order_of_invoice(name)

    async def _order_of_invoice(self, number: str) -> Order:
        token = ""
        while True:
            page = await call(self.stub.ListInvoices(api.ListInvoicesRequest(page_size=_PAGE, page_token=token)))
            for invoice in page.invoices:
                if any(each.value == number for each in invoice.references):
                    answer = await call(self.stub.GetOrder(api.GetOrderRequest(order_id=invoice.order_id)))
                    return answer.order
            token = page.next_page_token
            if not token:
                raise _unknown("order", number)

    async def load(self, load_id: str) -> Load:
        """The load with this id, or with the only id that begins or ends so. Raises Failure where none has."""
        if _is_uuid(load_id):
            try:
                return (await call(self.stub.GetLoad(api.GetLoadRequest(load_id=load_id)))).load
            except NotFound as error:
                raise _unknown("load", load_id) from error
        found = [
            load for load in await self.loads() if load.load_id.startswith(load_id) or load.load_id.endswith(load_id)
        ]
        if len(found) != 1:
            raise _unknown("load", load_id)
        return found[0]

    async def journey(self, order_id: str) -> list[api.HistoryEntry]:
        """Every event that belongs to the order's journey."""
        request = api.GetHistoryRequest(aggregate="order", id=order_id, journey=True)
        return list((await call(self.stub.GetHistory(request))).entries)


@asynccontextmanager
async def orchestrator(target: str, credentials: TlsCredentials | None) -> AsyncIterator[Orchestrator]:
    """A client of the orchestrator at `target`; None is for a mesh without TLS."""
    async with channel(target, api.DESCRIPTOR, credentials=credentials) as opened:
        yield Orchestrator(rpc.OrchestratorServiceStub(opened))


def _named(orders: Sequence[Order], name: str) -> list[Order]:
    """Those with this ERP number; else with this customer's number; else with any reference of this value."""
    for kind in (sale, purchase_order):
        found = [order for order in orders if kind(order) == name]
        if found:
            return found
    return list(orders)


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def _unknown(what: str, name: str) -> Failure:
    return Failure(f"no {what} is known as {name}", f"list what there is: gladhand {what}s list", Exit.NOT_FOUND)
