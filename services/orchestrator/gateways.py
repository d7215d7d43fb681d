"""The outside systems as the processes see them, and the gRPC clients behind that view."""

from __future__ import annotations

from typing import Protocol

import grpc

from gladhand.client import call
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
    TenderLoadRequest,
    TenderLoadResponse,
)
from logistics.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
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
from logistics.erp.v1.erp_gateway_service_pb2_grpc import ErpGatewayServiceStub


class ErpGateway(Protocol):
    """What processes ask of an ERP. Every method raises the GladhandError that the gateway meant."""

    async def validate_order(self, request: ValidateOrderRequest) -> ValidateOrderResponse:
        """Ask whether the order may be delivered."""
        ...

    async def confirm_dispatch(self, request: ConfirmDispatchRequest) -> ConfirmDispatchResponse:
        """Tell that a vehicle is on its way."""
        ...

    async def post_delivery(self, request: PostDeliveryRequest) -> PostDeliveryResponse:
        """Complete the goods shipments."""
        ...

    async def post_invoice(self, request: PostInvoiceRequest) -> PostInvoiceResponse:
        """Post the invoice, once."""
        ...

    async def cancel_sale(self, request: CancelSaleRequest) -> CancelSaleResponse:
        """Give free what the ERP still means to ship."""
        ...

    async def receive_return(self, request: ReceiveReturnRequest) -> ReceiveReturnResponse:
        """Receive goods that came back, once."""
        ...

    async def post_credit_memo(self, request: PostCreditMemoRequest) -> PostCreditMemoResponse:
        """Post the credit memo, once."""
        ...

    async def post_payable(self, request: PostPayableRequest) -> PostPayableResponse:
        """Post what a carrier is paid, once."""
        ...


class FleetGateway(Protocol):
    """What processes ask of a fleet. Every method raises the GladhandError that the gateway meant."""

    async def plan_loads(self, request: PlanLoadsRequest) -> PlanLoadsResponse:
        """Lay orders on loads."""
        ...

    async def tender_load(self, request: TenderLoadRequest) -> TenderLoadResponse:
        """Offer a load to a carrier."""
        ...

    async def assign_load(self, request: AssignLoadRequest) -> AssignLoadResponse:
        """Name vehicle and driver."""
        ...

    async def dispatch_load(self, request: DispatchLoadRequest) -> DispatchLoadResponse:
        """Send them out."""
        ...

    async def complete_load(self, request: CompleteLoadRequest) -> CompleteLoadResponse:
        """Free vehicle and driver."""
        ...

    async def cancel_load(self, request: CancelLoadRequest) -> CancelLoadResponse:
        """Take the load back."""
        ...

    async def get_vehicle(self, request: GetVehicleRequest) -> GetVehicleResponse:
        """Read a vehicle."""
        ...

    async def get_driver(self, request: GetDriverRequest) -> GetDriverResponse:
        """Read a driver."""
        ...

    async def get_load(self, request: GetLoadRequest) -> GetLoadResponse:
        """Read a load as the fleet's own book has it."""
        ...

    async def reassign_load(self, request: ReassignLoadRequest) -> ReassignLoadResponse:
        """End the assignment in force and begin the next."""
        ...

    async def replan_load(self, request: ReplanLoadRequest) -> ReplanLoadResponse:
        """Make a new plan, or put one in force."""
        ...


class GrpcErpGateway:
    """An ERP gateway over gRPC."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = ErpGatewayServiceStub(channel)

    async def validate_order(self, request: ValidateOrderRequest) -> ValidateOrderResponse:
        """Ask whether the order may be delivered."""
        return await call(self._stub.ValidateOrder(request))

    async def confirm_dispatch(self, request: ConfirmDispatchRequest) -> ConfirmDispatchResponse:
        """Tell that a vehicle is on its way."""
        return await call(self._stub.ConfirmDispatch(request))

    async def post_delivery(self, request: PostDeliveryRequest) -> PostDeliveryResponse:
        """Complete the goods shipments."""
        return await call(self._stub.PostDelivery(request))

    async def post_invoice(self, request: PostInvoiceRequest) -> PostInvoiceResponse:
        """Post the invoice, once."""
        return await call(self._stub.PostInvoice(request))

    async def cancel_sale(self, request: CancelSaleRequest) -> CancelSaleResponse:
        """Give free what the ERP still means to ship."""
        return await call(self._stub.CancelSale(request))

    async def receive_return(self, request: ReceiveReturnRequest) -> ReceiveReturnResponse:
        """Receive goods that came back, once."""
        return await call(self._stub.ReceiveReturn(request))

    async def post_credit_memo(self, request: PostCreditMemoRequest) -> PostCreditMemoResponse:
        """Post the credit memo, once."""
        return await call(self._stub.PostCreditMemo(request))

    async def post_payable(self, request: PostPayableRequest) -> PostPayableResponse:
        """Post what a carrier is paid, once."""
        return await call(self._stub.PostPayable(request))


class GrpcFleetGateway:
    """A fleet gateway over gRPC."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = DispatchServiceStub(channel)

    async def plan_loads(self, request: PlanLoadsRequest) -> PlanLoadsResponse:
        """Lay orders on loads."""
        return await call(self._stub.PlanLoads(request))

    async def tender_load(self, request: TenderLoadRequest) -> TenderLoadResponse:
        """Offer a load to a carrier."""
        return await call(self._stub.TenderLoad(request))

    async def assign_load(self, request: AssignLoadRequest) -> AssignLoadResponse:
        """Name vehicle and driver."""
        return await call(self._stub.AssignLoad(request))

    async def dispatch_load(self, request: DispatchLoadRequest) -> DispatchLoadResponse:
        """Send them out."""
        return await call(self._stub.DispatchLoad(request))

    async def complete_load(self, request: CompleteLoadRequest) -> CompleteLoadResponse:
        """Free vehicle and driver."""
        return await call(self._stub.CompleteLoad(request))

    async def cancel_load(self, request: CancelLoadRequest) -> CancelLoadResponse:
        """Take the load back."""
        return await call(self._stub.CancelLoad(request))

    async def get_vehicle(self, request: GetVehicleRequest) -> GetVehicleResponse:
        """Read a vehicle."""
        return await call(self._stub.GetVehicle(request))

    async def get_driver(self, request: GetDriverRequest) -> GetDriverResponse:
        """Read a driver."""
        return await call(self._stub.GetDriver(request))

    async def get_load(self, request: GetLoadRequest) -> GetLoadResponse:
        """Read a load as the fleet's own book has it."""
        return await call(self._stub.GetLoad(request))

    async def reassign_load(self, request: ReassignLoadRequest) -> ReassignLoadResponse:
        """End the assignment in force and begin the next."""
        return await call(self._stub.ReassignLoad(request))

    async def replan_load(self, request: ReplanLoadRequest) -> ReplanLoadResponse:
        """Make a new plan, or put one in force."""
        return await call(self._stub.ReplanLoad(request))
