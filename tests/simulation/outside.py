"""An ERP and a fleet in memory, with ledgers of their own and faults on demand.

The ledgers count effects by business key, not by request, so that a second posting shows whatever its request id.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from google.protobuf.message import Message

from gladhand import ids
from gladhand.clock import Clock
from gladhand.errors import GladhandError, Unavailable
from logistics.dispatch.v1 import (
    AssignLoadRequest,
    AssignLoadResponse,
    CancelLoadRequest,
    CancelLoadResponse,
    CompleteLoadRequest,
    CompleteLoadResponse,
    DispatchLoadRequest,
    DispatchLoadResponse,
    GetDriverRequest,
    GetDriverResponse,
    GetLoadRequest,
    GetLoadResponse,
    GetVehicleRequest,
    GetVehicleResponse,
    PlanLoadsRequest,
    PlanLoadsResponse,
    ReassignLoadRequest,
    ReassignLoadResponse,
    ReplanLoadRequest,
    ReplanLoadResponse,
    SkipReason,
    TenderAnswer,
    TenderLoadRequest,
    TenderLoadResponse,
    UnassignedOrder,
)
from logistics.erp.v1 import (
    CancelSaleRequest,
    CancelSaleResponse,
    ConfirmDispatchRequest,
    ConfirmDispatchResponse,
    PostCreditMemoRequest,
    PostCreditMemoResponse,
    PostDeliveryRequest,
    PostDeliveryResponse,
    PostInvoiceRequest,
    PostInvoiceResponse,
    PostPayableRequest,
    PostPayableResponse,
    ReceiveReturnRequest,
    ReceiveReturnResponse,
    ValidateOrderRequest,
    ValidateOrderResponse,
)
from logistics.fleet.v1 import Driver, HoursOfService
from logistics.load.v1 import Load, LoadState, Stop, StopKind, StopState, StopTask
from logistics.order.v1 import CheckResult, Order, ValidationCheck, ValidationKind
from logistics.type.v1 import ExternalReference, Location, ReferenceType
from tests.simulation.yard_book import YardBook

T = TypeVar("T")
A = TypeVar("A", bound=Message)


class Faults:
    """What goes wrong: planned failures by method, and a share of lost answers and outages drawn from a seed."""

    def __init__(self, seed: int = 0, share: float = 0.0) -> None:
        self._random = random.Random(seed)
        self.share = share
        self.down = False
        """Whether nobody answers at all."""
        self.calls: Counter[str] = Counter()
        """Calls that came, by method."""
        self._planned: dict[str, deque[GladhandError]] = defaultdict(deque)
        self.injected: Counter[str] = Counter()

    def plan(self, method: str, *errors: GladhandError) -> None:
        """Let the next calls of a method fail, one after the other, before anything happens."""
        self._planned[method].extend(errors)

    async def call(self, method: str, act: Callable[[], T | Awaitable[T]]) -> T:
        """Act, with what goes wrong: nothing happens, or it happens and the answer is lost."""
        self.calls[method] += 1
        if self.down:
            self.injected[f"{method} down"] += 1
            raise Unavailable(f"{method}: nobody answers", reason="UNAVAILABLE")
        if self._planned[method]:
            self.injected[f"{method} refused"] += 1
            raise self._planned[method].popleft()
        if self._random.random() < self.share:
            self.injected[f"{method} down"] += 1
            raise Unavailable(f"{method}: nobody answers", reason="UNAVAILABLE")
        result = act()
        answer = await result if isinstance(result, Awaitable) else result
        if self._random.random() < self.share:
            self.injected[f"{method} answer lost"] += 1
            raise Unavailable(f"{method}: the answer was lost", reason="UNAVAILABLE")
        return answer


class LedgerErp:
    """An ERP that keeps books."""

    def __init__(self, faults: Faults, name: str = "books") -> None:
        self.faults = faults
        self.name = name
        self.short: set[str] = set()
        """Products of which nothing is in stock."""
        self.confirmed: Counter[tuple[str, str]] = Counter()
        """Dispatch confirmations, by order and load."""
        self.shipped: dict[str, dict[str, str]] = {}
        """Accepted quantity by line, by order."""
        self.posted: dict[str, str] = {}
        """The ERP's invoice number by posting key."""
        self.postings: Counter[str] = Counter()
        """Invoices in the books, by order."""
        self.cancelled: Counter[str] = Counter()
        """Sales that were cancelled, by order: repeated calls count once."""
        self.received: dict[str, ReceiveReturnRequest] = {}
        """Goods receipts of returns, by posting key."""
        self.credits: dict[str, PostCreditMemoRequest] = {}
        """Credit memos in the books, by posting key."""
        self.paid: dict[str, PostPayableRequest] = {}
        """Carriers' invoices in the books, by posting key."""

    async def validate_order(self, request: ValidateOrderRequest) -> ValidateOrderResponse:
        return await self.faults.call("validate_order", lambda: self._validate(request.order))

    def _validate(self, order: Order) -> ValidateOrderResponse:
        missing = [line for line in order.lines if line.sku in self.short]
        checks = [
            ValidationCheck(kind=kind, result=CheckResult.CHECK_RESULT_PASS)
            for kind in (ValidationKind.VALIDATION_KIND_CUSTOMER, ValidationKind.VALIDATION_KIND_LOCATION)
        ]
        checks.extend(
            ValidationCheck(
                kind=ValidationKind.VALIDATION_KIND_STOCK,
                result=CheckResult.CHECK_RESULT_FAIL,
                reason="STOCK_SHORT",
                message=f"nothing of {line.sku} is in stock",
                line_id=line.line_id,
            )
            for line in missing
        )
        return ValidateOrderResponse(checks=checks)

    async def confirm_dispatch(self, request: ConfirmDispatchRequest) -> ConfirmDispatchResponse:
        def act() -> ConfirmDispatchResponse:
            self.confirmed[(request.order_id, request.load_id)] += 1
            return ConfirmDispatchResponse()

        return await self.faults.call("confirm_dispatch", act)

    async def post_delivery(self, request: PostDeliveryRequest) -> PostDeliveryResponse:
        def act() -> PostDeliveryResponse:
            self.shipped[request.order_id] = {line.line_id: line.accepted.value for line in request.lines}
            return PostDeliveryResponse(lines=request.lines)

        return await self.faults.call("post_delivery", act)

    async def post_invoice(self, request: PostInvoiceRequest) -> PostInvoiceResponse:
        def act() -> PostInvoiceResponse:
            known = self.posted.get(request.posting_key)
            if known is None:
                known = self.posted[request.posting_key] = f"INV-{len(self.posted) + 1:04d}"
                self.postings[request.invoice.order_id] += 1
            number = ExternalReference(system=self.name, type=ReferenceType.REFERENCE_TYPE_INVOICE, value=known)
            return PostInvoiceResponse(erp_invoice=number, lines=request.invoice.lines)

        return await self.faults.call("post_invoice", act)

    async def cancel_sale(self, request: CancelSaleRequest) -> CancelSaleResponse:
        def act() -> CancelSaleResponse:
            again = bool(self.cancelled[request.order_id])
            self.cancelled[request.order_id] = 1
            return CancelSaleResponse(already_cancelled=again)

        return await self.faults.call("cancel_sale", act)

    async def receive_return(self, request: ReceiveReturnRequest) -> ReceiveReturnResponse:
        def act() -> ReceiveReturnResponse:
            again = request.posting_key in self.received
            self.received.setdefault(request.posting_key, request)
            return ReceiveReturnResponse(lines=request.lines, already_received=again)

        return await self.faults.call("receive_return", act)

    async def post_credit_memo(self, request: PostCreditMemoRequest) -> PostCreditMemoResponse:
        def act() -> PostCreditMemoResponse:
            again = request.posting_key in self.credits
            self.credits.setdefault(request.posting_key, request)
            position = list(self.credits).index(request.posting_key) + 1
            number = ExternalReference(
                system=self.name, type=ReferenceType.REFERENCE_TYPE_INVOICE, value=f"CRE-{position:04d}"
            )
            return PostCreditMemoResponse(erp_credit_memo=number, lines=request.lines, already_posted=again)

        return await self.faults.call("post_credit_memo", act)

    async def post_payable(self, request: PostPayableRequest) -> PostPayableResponse:
        def act() -> PostPayableResponse:
            again = request.posting_key in self.paid
            self.paid.setdefault(request.posting_key, request)
            position = list(self.paid).index(request.posting_key) + 1
            number = ExternalReference(
                system=self.name, type=ReferenceType.REFERENCE_TYPE_INVOICE, value=f"BILL-{position:04d}"
            )
            return PostPayableResponse(erp_document=number, already_posted=again)

        return await self.faults.call("post_payable", act)

    def credited(self, order_id: str) -> dict[str, int]:
        """Return how many pieces of each line credit memos of an order take back."""
        sums: Counter[str] = Counter()
        for memo in self.credits.values():
            if memo.order_id == order_id:
                sums.update({line.order_line_id: int(line.quantity.value) for line in memo.lines})
        return dict(sums)

    def returned(self, order_id: str, *, to_stock: bool | None = None) -> dict[str, int]:
        """Return how many pieces of each line came back; `to_stock` asks only for those that the stock had lost."""
        sums: Counter[str] = Counter()
        for receipt in self.received.values():
            if receipt.order_id == order_id and to_stock in {None, not receipt.never_shipped}:
                sums.update({line.line_id: int(line.quantity.value) for line in receipt.lines})
        return dict(sums)


class YardFleet:
    """A fleet with one vehicle for each load: every wave's orders of one warehouse ride together."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._clock = clock
        self.faults = faults
        self.book = YardBook(clock)
        self.hours: dict[str, HoursOfService] = {}
        """Hours of drivers, by driver; nobody else's are known."""
        self.live: set[str] = set()
        """Loads on the road."""
        self._answers: dict[str, bytes] = {}
        self._vehicles = 0
        self.hours_of_plan: timedelta | None = None
        """How long each planned load takes; None means that the plan does not say."""
        self.full = 0
        """How many of the next waves find no vehicle."""
        self.freed: Counter[str] = Counter()
        self.silent: set[str] = set()
        """Loads whose drivers answer no call back."""
        self.pickup_within: timedelta | None = None
        """How soon pickups were promised, from the plan on; None where nothing was."""
        self.offered: dict[str, list[str]] = defaultdict(list)
        """Carriers that a load was brought to, in their order."""
        self.connected: dict[str, TenderAnswer.ValueType] = {}
        """How carriers answer at once whose systems are connected; the others answer later."""

    async def plan_loads(self, request: PlanLoadsRequest) -> PlanLoadsResponse:
        return await self.faults.call("plan_loads", lambda: self._plan(request))

    def _plan(self, request: PlanLoadsRequest) -> PlanLoadsResponse:
        orders = [wanted.order for wanted in request.orders]
        if self.full:
            self.full -= 1
            reason = SkipReason.SKIP_REASON_NO_VEHICLE
            lines = {order.order_id: [line.line_id for line in order.lines] for order in orders}
            return PlanLoadsResponse(
                unassigned=[UnassignedOrder(order_id=i, line_ids=lines[i], reason=reason) for i in lines]
            )
        load_id = ids.derive(request.request_id, "load")
        pickup = Stop(
            stop_id=ids.derive(load_id, "pickup"),
            sequence=1,
            kind=StopKind.STOP_KIND_PICKUP,
            location=orders[0].ship_from,
            state=StopState.STOP_STATE_PLANNED,
            tasks=[task for order in orders for task in _tasks(order)],
        )
        if self.pickup_within is not None:
            pickup.window.hard = True
            pickup.window.end_time.FromDatetime(self._clock.now() + self.pickup_within)
        deliveries = [
            Stop(
                stop_id=ids.derive(load_id, order.order_id, name),
                sequence=position,
                kind=StopKind.STOP_KIND_DELIVERY,
                location=location,
                state=StopState.STOP_STATE_PLANNED,
                pod_required=True,
                tasks=tasks,
            )
            for position, (order, name, location, tasks) in enumerate(_drops(orders), 2)
        ]
        load = Load(
            load_id=load_id,
            region=request.region,
            plan_version=1,
            state=LoadState.LOAD_STATE_PLANNED,
            stops=[pickup, *deliveries],
            order_ids=[order.order_id for order in orders],
        )
        for position, stop in enumerate(load.stops[1:], 1):
            stop.planned_arrival_time.FromDatetime(self._clock.now() + position * timedelta(hours=2))
        if self.hours_of_plan is not None:
            load.figures.duration.FromTimedelta(self.hours_of_plan)
        self.book.loads.setdefault(load_id, Load.FromString(load.SerializeToString()))
        return PlanLoadsResponse(loads=[load])

    async def tender_load(self, request: TenderLoadRequest) -> TenderLoadResponse:
        def act() -> TenderLoadResponse:
            if request.carrier_scac not in self.offered[request.load_id]:
                self.offered[request.load_id].append(request.carrier_scac)
            answer = self.connected.get(request.carrier_scac, TenderAnswer.TENDER_ANSWER_PENDING)
            return TenderLoadResponse(answer=answer)

        return await self.faults.call("tender_load", act)

    async def assign_load(self, request: AssignLoadRequest) -> AssignLoadResponse:
        def act() -> AssignLoadResponse:
            known = self.book.load(request.load_id).assignments
            if known:
                return AssignLoadResponse(assignment=known[-1])
            if request.carrier_scac:
                sent = request.vehicle_id or f"{request.carrier_scac}-{request.load_id[:8]}"
                return AssignLoadResponse(assignment=self.book.begin(request.load_id, sent, request.driver_id))
            self._vehicles += 1
            return AssignLoadResponse(
                assignment=self.book.begin(request.load_id, f"truck-{self._vehicles}", f"driver-{self._vehicles}")
            )

        return await self.faults.call("assign_load", act)

    async def dispatch_load(self, request: DispatchLoadRequest) -> DispatchLoadResponse:
        def act() -> DispatchLoadResponse:
            sent = self.book.dispatch(request)
            self.live.add(request.load_id)
            return sent

        return await self.faults.call("dispatch_load", act)

    async def complete_load(self, request: CompleteLoadRequest) -> CompleteLoadResponse:
        def act() -> CompleteLoadResponse:
            self.live.discard(request.load_id)
            self.book.end(request.load_id, LoadState.LOAD_STATE_COMPLETED)
            self.freed[request.load_id] += 1
            return CompleteLoadResponse()

        return await self.faults.call("complete_load", act)

    async def cancel_load(self, request: CancelLoadRequest) -> CancelLoadResponse:
        if request.load_id in self.silent:
            raise Unavailable("the driver does not answer", reason="FLEET_UNAVAILABLE")
        self.live.discard(request.load_id)
        self.book.end(request.load_id, LoadState.LOAD_STATE_CANCELLED)
        return CancelLoadResponse()

    async def get_vehicle(self, request: GetVehicleRequest) -> GetVehicleResponse:
        return GetVehicleResponse()

    async def get_driver(self, request: GetDriverRequest) -> GetDriverResponse:
        hours = self.hours.get(request.driver_id)
        return GetDriverResponse(driver=Driver(driver_id=request.driver_id, hours_of_service=hours))

    async def get_load(self, request: GetLoadRequest) -> GetLoadResponse:
        return await self.faults.call("get_load", lambda: GetLoadResponse(load=self.book.load(request.load_id)))

    async def reassign_load(self, request: ReassignLoadRequest) -> ReassignLoadResponse:
        def act() -> ReassignLoadResponse:
            return self.once(request.request_id, ReassignLoadResponse, lambda: self.book.reassign(request))

        return await self.faults.call("reassign_load", act)

    async def replan_load(self, request: ReplanLoadRequest) -> ReplanLoadResponse:
        def act() -> ReplanLoadResponse:
            return self.once(request.request_id, ReplanLoadResponse, lambda: self.book.replan(request))

        return await self.faults.call("replan_load", act)

    def once(self, request_id: str, kind: type[A], act: Callable[[], A]) -> A:
        """Do something once for a request, and give the first answer again; a refusal is no answer."""
        if request_id not in self._answers:
            self._answers[request_id] = act().SerializeToString()
        return kind.FromString(self._answers[request_id])


def _tasks(order: Order) -> list[StopTask]:
    return [
        StopTask(order_id=order.order_id, line_id=line.line_id, expected=line.quantities.ordered, sku=line.sku)
        for line in order.lines
    ]


def _drops(orders: list[Order]) -> list[tuple[Order, str, Location, list[StopTask]]]:
    """Return where each order is set down, with its tasks there; the order's own place has no name."""
    drops = []
    for order in orders:
        places: dict[str, tuple[Location, list[StopTask]]] = {}
        for line, task in zip(order.lines, _tasks(order), strict=True):
            own = line.HasField("ship_to")
            place = places.setdefault(line.ship_to.name if own else "", (line.ship_to if own else order.ship_to, []))
            place[1].append(task)
        drops += [(order, name, location, tasks) for name, (location, tasks) in places.items()]
    return drops
