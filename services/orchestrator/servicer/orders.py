"""Orders: submit, amend, cancel, read, watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import grpc

from gladhand.decider import Rejected
from gladhand.envelope import EnvelopeType
from gladhand.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, RequestIdReused
from logistics.orchestrator.v1 import (
    AmendOrderRequest,
    AmendOrderResponse,
    CancelOrderRequest,
    CancelOrderResponse,
    GetOrderRequest,
    GetOrderResponse,
    ListOrdersRequest,
    ListOrdersResponse,
    SubmitOrderRequest,
    SubmitOrderResponse,
    WatchOrdersRequest,
    WatchOrdersResponse,
)
from logistics.order.v1 import EndOrder, Order, OrderEvent, ReceiveOrder, ReviseOrder
from services.orchestrator.billing import invoice_id_of
from services.orchestrator.deciders import order
from services.orchestrator.policies import label_of
from services.orchestrator.servicer.desk import Methods, cause_of, whose
from services.orchestrator.servicer.endings import consequence_of
from services.orchestrator.servicer.own_orders import OwnOrders
from services.orchestrator.submission import content_of, content_sha256, order_id_of, sales_reference

_CHECKPOINT_S = 15.0


class OrderMethods(Methods):
    """The part of the service that concerns orders."""

    async def SubmitOrder(
        self, request: SubmitOrderRequest, context: grpc.aio.ServicerContext[SubmitOrderRequest, SubmitOrderResponse]
    ) -> SubmitOrderResponse:
        """Record an order; the same sale with other content is an amendment while that is possible."""
        reference = sales_reference(request.order)
        if not reference:
            raise InvalidArgument(
                "the order carries no SALES_ORDER reference of its ERP instance",
                field="order.references",
                remedy=f"add a reference with system {request.order.erp_instance!r}, type SALES_ORDER and its number",
            )
        self._desk.erps.of(request.order.erp_instance)
        order_id = order_id_of(request.order.erp_instance, reference)
        digest = content_sha256(request.order)
        cause = cause_of(request.request_id, region=request.order.region, correlation_id=order_id)
        submitted = content_of(request.order)
        submitted.order_id = order_id
        submitted.policy_version = label_of(self._desk.policies.at_receipt(submitted))
        cause = replace(cause, policy_version=submitted.policy_version)
        try:
            outcome = await self._desk.journal.order(
                order_id, ReceiveOrder(order=submitted, content_sha256=digest), cause
            )
        except Rejected as refusal:
            if refusal.reason != "REFERENCE_CONFLICT":
                raise
            return await self._amended(order_id, submitted, digest, request.request_id)
        if outcome.repeated and outcome.event is not None:
            first = outcome.event.received.content_sha256
            if first != digest:
                raise RequestIdReused(request.request_id, first)
        return SubmitOrderResponse(
            order=outcome.state.order,
            created=outcome.event is not None and not outcome.repeated,
            version=outcome.version,
        )

    async def _amended(self, order_id: str, submitted: Order, digest: str, request_id: str) -> SubmitOrderResponse:
        cause = cause_of(request_id).step("amend")
        submitted.ClearField("policy_version")  # it keeps the one with which it came
        try:
            outcome = await self._desk.journal.order(
                order_id, ReviseOrder(order=submitted, content_sha256=digest), cause
            )
        except Rejected as refusal:
            raise AlreadyExists(
                f"the sale came before with other content: {refusal.message}",
                reason="REFERENCE_CONFLICT",
                metadata={"order_id": order_id, "reference": sales_reference(submitted)},
            ) from refusal
        late = outcome.state.refused_contents.get(digest)
        if late is not None:
            raise AlreadyExists(
                f"the sale came before with other content, and it is too late to change it: {late}",
                reason="REFERENCE_CONFLICT",
                metadata={"order_id": order_id, "reference": sales_reference(submitted)},
            )
        return SubmitOrderResponse(order=outcome.state.order, created=False, version=outcome.version)

    async def AmendOrder(
        self, request: AmendOrderRequest, context: grpc.aio.ServicerContext[AmendOrderRequest, AmendOrderResponse]
    ) -> AmendOrderResponse:
        """Record that the ERP changed an order."""
        await self._existing(request.order_id)
        amended = content_of(request.order)
        amended.order_id = request.order_id
        if order_id_of(amended.erp_instance, sales_reference(amended)) != request.order_id:
            raise InvalidArgument(
                "the order is another sale than the one it amends",
                field="order.references",
                remedy="send the same ERP instance and SALES_ORDER reference as at first",
            )
        wish = ReviseOrder(order=amended, content_sha256=content_sha256(amended))
        outcome = await self._desk.journal.order(request.order_id, wish, cause_of(request.request_id))
        late = outcome.state.refused_contents.get(wish.content_sha256)
        if late is not None:
            raise FailedPrecondition(
                f"order {request.order_id} can no longer be changed: {late}",
                reason="AMEND_NOT_POSSIBLE",
                metadata={"order_id": request.order_id, "remedy": late[:200]},
            )
        return AmendOrderResponse(order=outcome.state.order, version=outcome.version)

    async def CancelOrder(
        self, request: CancelOrderRequest, context: grpc.aio.ServicerContext[CancelOrderRequest, CancelOrderResponse]
    ) -> CancelOrderResponse:
        """Cancel an order, with the consequence of its phase."""
        await self._existing(request.order_id)
        wish = EndOrder(reason=request.reason)
        if request.HasField("reconsign_to"):
            wish.place.CopyFrom(request.reconsign_to)
        outcome = await self._desk.journal.order(request.order_id, wish, cause_of(request.request_id))
        consequence, text = consequence_of(outcome)
        return CancelOrderResponse(
            order=outcome.state.order, version=outcome.version, consequence=consequence, consequence_text=text
        )

    async def GetOrder(
        self, request: GetOrderRequest, context: grpc.aio.ServicerContext[GetOrderRequest, GetOrderResponse]
    ) -> GetOrderResponse:
        """Read one order."""
        found = await self._desk.read_model.order(request.order_id, request.at_least_version, party=whose())
        if found is None:
            raise NotFound("order", request.order_id, reason="ORDER_NOT_FOUND")
        if whose() is not None:
            return GetOrderResponse(order=found)
        billed = await self._desk.read_model.invoice(invoice_id_of(found.order_id))
        return GetOrderResponse(order=found, gate_checks=billed.checks if billed is not None else ())

    async def ListOrders(
        self, request: ListOrdersRequest, context: grpc.aio.ServicerContext[ListOrdersRequest, ListOrdersResponse]
    ) -> ListOrdersResponse:
        """List orders, newest first."""
        page = await self._desk.read_model.orders(
            page_size=request.page_size,
            page_token=request.page_token,
            states=request.states,
            region=request.region,
            reference=request.reference,
            party=whose(),
        )
        return ListOrdersResponse(orders=page.items, next_page_token=page.next_token)

    async def WatchOrders(
        self, request: WatchOrdersRequest, context: grpc.aio.ServicerContext[WatchOrdersRequest, WatchOrdersResponse]
    ) -> AsyncIterator[WatchOrdersResponse]:
        """Stream every event of orders; a checkpoint now and then tells that idle is not dead."""
        kind = EnvelopeType.of(OrderEvent)
        party = whose()
        own = OwnOrders(self._desk.journal, party) if party is not None else None
        if own is not None:
            for order_id in request.order_ids:
                await own.check(order_id)
        start = request.after_sequence + 1
        if not request.after_sequence and not request.from_beginning:
            start = await self._desk.store.last_sequence(kind.stream) + 1
        filters = [kind.history_subjects(order_id) for order_id in request.order_ids]
        stored = self._desk.store.read_all(kind.stream, start=start, filters=filters, follow=True)
        sequence = start - 1
        async with aclosing(stored) as messages:
            ahead = asyncio.ensure_future(anext(messages))
            try:
                while True:
                    done, _ = await asyncio.wait({ahead}, timeout=_CHECKPOINT_S)
                    if not done:
                        yield WatchOrdersResponse(sequence=sequence)
                        continue
                    message = ahead.result()
                    event = kind.decode(message.payload)
                    if own is None or await own.holds(event):
                        sequence = message.sequence
                        if own is not None:
                            event.ClearField("actor")  # who of our staff did it is not the customer's business
                        yield WatchOrdersResponse(event=event, sequence=sequence)
                    ahead = asyncio.ensure_future(anext(messages))
            finally:
                ahead.cancel()
                await asyncio.wait({ahead})

    async def _existing(self, order_id: str) -> None:
        if not (await self._desk.journal.find(order.DECIDER, order_id)).version:
            raise NotFound("order", order_id, reason="ORDER_NOT_FOUND")
