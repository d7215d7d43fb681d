from __future__ import annotations

from contextlib import aclosing
from typing import Any, cast

import pytest

from gladhand.errors import NotFound
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.order.v1 import order_pb2
from services.erp_gateway.sales_feed import FeedOptions
from services.erp_gateway.servicer import ErpGatewayServicer
from tests.unit.erp_gateway.shop import Shop, place

CONTEXT = cast(Any, None)


async def from_the_start() -> str:
    return ""


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def servicer(shop: Shop) -> ErpGatewayServicer:
    return ErpGatewayServicer(shop.adapter, shop.clock, FeedOptions(interval_s=0.0, settle_s=0.0), from_the_start)


async def test_an_order_is_judged(shop: Shop, servicer: ErpGatewayServicer) -> None:
    order = shop.erp.sales[shop.sell(5)].order
    answer = await servicer.ValidateOrder(erp.ValidateOrderRequest(order=order), CONTEXT)
    assert {check.result for check in answer.checks} == {order_pb2.CHECK_RESULT_PASS}
    assert [reference.value for reference in answer.references] == ["1/1"]
    order.lines[0].quantities.ordered.value = "500"
    order.ship_to.CopyFrom(place("store", point=False))
    answer = await servicer.ValidateOrder(erp.ValidateOrderRequest(order=order), CONTEXT)
    assert {check.reason for check in answer.checks if check.reason} == {"STOCK_SHORT", "LOCATION_INVALID"}


async def test_sales_are_watched_with_checkpoints_in_between(shop: Shop, servicer: ErpGatewayServicer) -> None:
    first = shop.sell(5)
    async with aclosing(cast(Any, servicer.WatchSales(erp.WatchSalesRequest(), CONTEXT))) as answers:
        sale = await anext(answers)
        checkpoint = await anext(answers)
        shop.sell(7)
        later = [await anext(answers) for _ in range(3)]
    assert sale.order.references[0].value == first
    assert not checkpoint.HasField("order")
    assert [answer.order.lines[0].quantities.ordered.value for answer in later if answer.HasField("order")] == ["7"]
    async with aclosing(cast(Any, servicer.WatchSales(erp.WatchSalesRequest(cursor=checkpoint.cursor), CONTEXT))) as on:
        assert (await anext(on)).order.lines[0].quantities.ordered.value == "7"


async def test_master_data_and_documents(shop: Shop, servicer: ErpGatewayServicer) -> None:
    customer = await servicer.GetCustomer(erp.GetCustomerRequest(customer_code="C1"), CONTEXT)
    assert customer.customer.party.name == "Grocers"
    stock = await servicer.CheckAvailability(
        erp.CheckAvailabilityRequest(warehouse_code="depot", skus=["WATER24"]), CONTEXT
    )
    assert stock.availabilities[0].available.value == "100"
    with pytest.raises(NotFound):
        await servicer.GetCustomer(erp.GetCustomerRequest(customer_code="C2"), CONTEXT)
