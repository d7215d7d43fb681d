"""``ErpGatewayService``: each call handed to the adapter, whose writes are idempotent by what they leave in the ERP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import grpc

from gladhand.clock import Clock
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.erp.v1 import erp_gateway_service_pb2_grpc as erp_grpc
from services.erp_gateway.adapters.port import ErpAdapter
from services.erp_gateway.sales_feed import FeedOptions, SalesFeed
from services.erp_gateway.validation import checks_of

_FROM_FIRST = "begin"

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
CursorReader = Callable[[], Awaitable[str]]


class ErpGatewayServicer(erp_grpc.ErpGatewayServiceServicer):
    """Serves one ERP instance. ``clock`` is the mesh's: delivery windows are judged by it."""

    def __init__(self, adapter: ErpAdapter, clock: Clock, feed: FeedOptions, own_cursor: CursorReader) -> None:
        self._adapter = adapter
        self._clock = clock
        self._feed = feed
        self._own_cursor = own_cursor

    async def ValidateOrder(self, request: erp.ValidateOrderRequest, _context: Context) -> erp.ValidateOrderResponse:
        """Judge the order by what the ERP knows."""
        facts = await self._adapter.order_facts(request.order)
        return erp.ValidateOrderResponse(
            checks=checks_of(request.order, facts, self._clock.now()), references=facts.references
        )

    async def GetCustomer(self, request: erp.GetCustomerRequest, _context: Context) -> erp.GetCustomerResponse:
        """A master record."""
        return erp.GetCustomerResponse(customer=await self._adapter.get_customer(request.customer_code))

    async def CheckAvailability(
        self, request: erp.CheckAvailabilityRequest, _context: Context
    ) -> erp.CheckAvailabilityResponse:
        """Stock that is promised to nobody."""
        found = await self._adapter.check_availability(request.warehouse_code, request.skus)
        return erp.CheckAvailabilityResponse(availabilities=found)

    async def WatchSales(
        self, request: erp.WatchSalesRequest, _context: Context
    ) -> AsyncIterator[erp.WatchSalesResponse]:
        """Sales as they become ready, and a checkpoint after each look at the ERP."""
        cursor = request.cursor or await self._own_cursor()
        feed = SalesFeed(self._adapter, self._feed, "" if cursor == _FROM_FIRST else cursor)
        while True:
            for sale in await feed.poll():
                if sale.order is not None:
                    feed.settled(sale)
                    yield erp.WatchSalesResponse(
                        order=sale.order, content_sha256=sale.content_sha256, cursor=feed.cursor
                    )
            yield erp.WatchSalesResponse(cursor=feed.cursor)
            await asyncio.sleep(self._feed.interval_s)

    async def ConfirmDispatch(
        self, request: erp.ConfirmDispatchRequest, _context: Context
    ) -> erp.ConfirmDispatchResponse:
        """Show a dispatch to the ERP's users."""
        return await self._adapter.confirm_dispatch(request)

    async def PostDelivery(self, request: erp.PostDeliveryRequest, _context: Context) -> erp.PostDeliveryResponse:
        """Complete deliveries."""
        return await self._adapter.post_delivery(request)

    async def PostInvoice(self, request: erp.PostInvoiceRequest, _context: Context) -> erp.PostInvoiceResponse:
        """Post the invoice once."""
        return await self._adapter.post_invoice(request)

    async def CancelSale(self, request: erp.CancelSaleRequest, _context: Context) -> erp.CancelSaleResponse:
        """Give free what is not shipped."""
        return await self._adapter.cancel_sale(request)

    async def ReceiveReturn(self, request: erp.ReceiveReturnRequest, _context: Context) -> erp.ReceiveReturnResponse:
        """Receive what came back once."""
        return await self._adapter.receive_return(request)

    async def PostCreditMemo(self, request: erp.PostCreditMemoRequest, _context: Context) -> erp.PostCreditMemoResponse:
        """Post the credit memo once."""
        return await self._adapter.post_credit_memo(request)

    async def PostPayable(self, request: erp.PostPayableRequest, _context: Context) -> erp.PostPayableResponse:
        """Post the carrier's invoice once."""
        return await self._adapter.post_payable(request)

    async def GetPayable(self, request: erp.GetPayableRequest, _context: Context) -> erp.GetPayableResponse:
        """A carrier's invoice as it stands."""
        return await self._adapter.get_payable(request.posting_key)

    async def GetDocument(self, request: erp.GetDocumentRequest, _context: Context) -> erp.GetDocumentResponse:
        """A document as it stands."""
        return erp.GetDocumentResponse(document=await self._adapter.get_document(request.reference))
