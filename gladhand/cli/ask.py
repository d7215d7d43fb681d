"""What the commands ask the orchestrator, over gRPC."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from gladhand.cli.failure import Exit, Failure
from gladhand.cli.words import purchase_order, sale
from gladhand.client import call, channel
from gladhand.errors import NotFound
from gladhand.security.credentials import TlsCredentials
from logistics.exception.v1.exception_pb2 import Exception as MeshException
from logistics.exception.v1.exception_pb2 import ExceptionState
from logistics.exception.v1.hold_pb2 import Hold
from logistics.load.v1.load_pb2 import Load
from logistics.orchestrator.v1 import orchestrator_service_pb2 as api
from logistics.orchestrator.v1 import orchestrator_service_pb2_grpc as rpc
from logistics.order.v1.order_pb2 import Order, OrderState

_PAGE = 200
_UNSOLVED = (
    ExceptionState.EXCEPTION_STATE_OPEN,
    ExceptionState.EXCEPTION_STATE_ACKNOWLEDGED,
    ExceptionState.EXCEPTION_STATE_IN_PROGRESS,
)


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

    async def exceptions(
        self, *, limit: int = 0, every: bool = False, order_id: str = "", load_id: str = ""
    ) -> list[MeshException]:
        """Exceptions, newest first; without `every` those alone that somebody must act on."""
        states = () if every else _UNSOLVED
        found: list[MeshException] = []
        token = ""
        while True:
            request = api.ListExceptionsRequest(
                page_size=_PAGE, page_token=token, states=states, order_id=order_id, load_id=load_id
            )
            page = await call(self.stub.ListExceptions(request))
            found.extend(page.exceptions)
            token = page.next_page_token
            if not token or (limit and len(found) >= limit):
                return found[:limit] if limit else found

    async def exception(self, name: str) -> MeshException:
        """The exception with this id, or with the only id that begins or ends so. Raises Failure where none has."""
        if _is_uuid(name):
            try:
                return (await call(self.stub.GetException(api.GetExceptionRequest(exception_id=name)))).exception
            except NotFound as error:
                raise _unknown("exception", name) from error
        every = await self.exceptions(every=True)
        found = [each for each in every if each.exception_id.startswith(name) or each.exception_id.endswith(name)]
        if len(found) != 1:
            raise _unknown("exception", name)
        return found[0]

    async def change_exception(
        self, method: str, exception_id: str, request_id: str, fields: Mapping[str, str]
    ) -> MeshException:
        """Call a method that changes one exception, by its name; return the exception after it."""
        kind = getattr(api, f"{method}Request")
        request = kind(request_id=request_id, exception_id=exception_id, **fields)
        answer = await call(getattr(self.stub, method)(request))
        changed: MeshException = answer.exception
        return changed

    async def holds(self, *, limit: int = 0, every: bool = False, order_id: str = "") -> list[Hold]:
        """Holds, newest first; without `every` those alone that block."""
        found: list[Hold] = []
        token = ""
        while True:
            request = api.ListHoldsRequest(page_size=_PAGE, page_token=token, order_id=order_id, active_only=not every)
            page = await call(self.stub.ListHolds(request))
            found.extend(page.holds)
            token = page.next_page_token
            if not token or (limit and len(found) >= limit):
                return found[:limit] if limit else found

    async def place_hold(self, wanted: Hold, request_id: str) -> Hold:
        """Place a hold; return it as recorded. Raises Failure where it names nothing that is there."""
        wanted.hold_id, wanted.region = str(uuid.uuid4()), await self._region_of(wanted)
        return (await call(self.stub.PlaceHold(api.PlaceHoldRequest(request_id=request_id, hold=wanted)))).hold

    async def _region_of(self, wanted: Hold) -> str:
        if wanted.load_id:
            return (await self.load(wanted.load_id)).region
        if wanted.order_id:
            return (await self.order(wanted.order_id)).region
        if not wanted.invoice_id:
            raise Failure("a hold needs something that it blocks", "give --order, --load or --invoice")
        return (await call(self.stub.GetInvoice(api.GetInvoiceRequest(invoice_id=wanted.invoice_id)))).invoice.region

    async def release_hold(self, hold_id: str, evidence: str, request_id: str) -> Hold:
        """Release a hold; return it as recorded. Who releases it the service takes from the certificate."""
        request = api.ReleaseHoldRequest(
            request_id=request_id, hold_id=hold_id, evidence=evidence, released_by="operator"
        )
        return (await call(self.stub.ReleaseHold(request))).hold

    async def blocked_by(self, request: api.BlockedByRequest) -> api.BlockedByResponse:
        """What blocks a gate of a subject."""
        return await call(self.stub.BlockedBy(request))

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
