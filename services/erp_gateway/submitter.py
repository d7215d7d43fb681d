"""Hands sales from INBOX to the orchestrator.

A sale that is ready is submitted under the id of its INBOX message, so that a repeat gives the first answer; the
orchestrator takes other content under the same ERP number as an amendment while that is possible. A sale that was
withdrawn cancels its order. What is refused for good becomes a dead letter with the refusal as its reason.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Protocol

from google.protobuf.message import DecodeError

from gladhand.bus.port import Backoff, Delivery, Poison, Retry, Subscription
from gladhand.calls import correlated
from gladhand.client import call
from gladhand.errors import (
    AlreadyExists,
    FailedPrecondition,
    GladhandError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unsupported,
)
from gladhand.ids import derive
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.orchestrator.v1 import orchestrator_service_pb2 as orchestrator
from logistics.orchestrator.v1 import orchestrator_service_pb2_grpc as orchestrator_grpc
from logistics.order.v1 import order_pb2
from logistics.type.v1 import reference_pb2
from services.erp_gateway.adapters.port import SaleCondition
from services.erp_gateway.watcher import CONDITION_HEADER, INBOX, NUMBER_HEADER, PROBLEM_HEADER, inbox_subject

_log = logging.getLogger(__name__)

_FOR_GOOD = (AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Unsupported)
_CANCELLABLE = (
    order_pb2.ORDER_STATE_DRAFT,
    order_pb2.ORDER_STATE_RECEIVED,
    order_pb2.ORDER_STATE_VALIDATING,
    order_pb2.ORDER_STATE_ON_HOLD,
    order_pb2.ORDER_STATE_RELEASED,
    order_pb2.ORDER_STATE_PLANNED,
    order_pb2.ORDER_STATE_DISPATCHED,
    order_pb2.ORDER_STATE_IN_EXECUTION,
)
"""States that a withdrawn sale still concerns; later ones were brought about by deliveries of ours."""


class Orders(Protocol):
    """What of the orchestrator is needed; errors are those of ``gladhand.errors``."""

    async def submit(self, request: orchestrator.SubmitOrderRequest) -> orchestrator.SubmitOrderResponse:
        """``OrchestratorService.SubmitOrder``."""
        ...

    async def with_reference(self, value: str) -> list[order_pb2.Order]:
        """Orders that carry a reference of that value."""
        ...

    async def cancel(self, request: orchestrator.CancelOrderRequest) -> orchestrator.CancelOrderResponse:
        """``OrchestratorService.CancelOrder``."""
        ...


class RemoteOrders:
    """``Orders`` over gRPC."""

    def __init__(self, stub: orchestrator_grpc.OrchestratorServiceAsyncStub) -> None:
        self._stub = stub

    async def submit(self, request: orchestrator.SubmitOrderRequest) -> orchestrator.SubmitOrderResponse:
        """Submit an order."""
        return await call(self._stub.SubmitOrder(request))

    async def with_reference(self, value: str) -> list[order_pb2.Order]:
        """Find orders by reference."""
        found = await call(self._stub.ListOrders(orchestrator.ListOrdersRequest(reference=value, page_size=100)))
        return list(found.orders)

    async def cancel(self, request: orchestrator.CancelOrderRequest) -> orchestrator.CancelOrderResponse:
        """Cancel an order."""
        return await call(self._stub.CancelOrder(request))


class SalesSubmitter:
    """The handler behind the durable consumer of one ERP instance's sales."""

    def __init__(self, orders: Orders, instance: str) -> None:
        self._orders = orders
        self._instance = instance

    def subscription(self, region: str) -> Subscription:
        """The consumer. It tries for about an hour before it parks a sale that the orchestrator cannot take."""
        return Subscription(
            stream=INBOX,
            durable=f"erp_gateway_{self._instance.replace('.', '_')}",
            handler=self.handle,
            filters=(inbox_subject(region, self._instance, ">"),),
            concurrency=4,
            key=lambda delivery: delivery.subject,
            max_deliver=240,
            backoff=Backoff(first=0.5, longest=15.0, jitter=0.5),
            ack_wait=timedelta(seconds=30),
        )

    async def handle(self, delivery: Delivery) -> None:
        """Deal with one sale. Raises Poison where it is refused for good, Retry where it may be taken later."""
        try:
            condition = SaleCondition(delivery.headers.get(CONDITION_HEADER, ""))
            message = erp.WatchSalesResponse.FromString(delivery.payload)
        except (ValueError, DecodeError) as error:
            raise Poison(f"the message is no sale: {error}") from error
        number = delivery.headers.get(NUMBER_HEADER, "")
        if condition is SaleCondition.UNREADABLE:
            raise Poison(f"sale {number}: {delivery.headers.get(PROBLEM_HEADER, 'unreadable')}")
        with correlated(delivery.message_id, timeout_s=20.0):
            try:
                if condition is SaleCondition.READY:
                    await self._submit(delivery.message_id, message.order)
                elif condition is SaleCondition.WITHDRAWN:
                    await self._cancel(delivery.message_id, number)
            except _FOR_GOOD as error:
                raise Poison(f"sale {number} refused with {error.reason}: {error.message}") from error
            except GladhandError as error:
                raise Retry(f"{error.reason}: {error.message}") from error

    async def _submit(self, request_id: str, order: order_pb2.Order) -> None:
        answer = await self._orders.submit(orchestrator.SubmitOrderRequest(request_id=request_id, order=order))
        facts = {"order_id": answer.order.order_id, "created": answer.created, "version": answer.version}
        _log.info("sale submitted", extra={"facts": facts})

    async def _cancel(self, request_id: str, number: str) -> None:
        if not number:
            return
        for order in await self._orders.with_reference(number):
            if order.state in _CANCELLABLE and any(self._names(reference, number) for reference in order.references):
                await self._orders.cancel(
                    orchestrator.CancelOrderRequest(
                        request_id=derive(request_id, "cancel", order.order_id),
                        order_id=order.order_id,
                        reason=f"sale {number} was withdrawn in the ERP",
                    )
                )

    def _names(self, reference: reference_pb2.ExternalReference, number: str) -> bool:
        return (reference.system, reference.type, reference.value) == (
            self._instance,
            reference_pb2.REFERENCE_TYPE_SALES_ORDER,
            number,
        )
