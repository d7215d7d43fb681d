from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

from logistics.order.v1 import order_pb2
from services.erp_gateway.adapters.port import KnownPlace, OrderFacts
from services.erp_gateway.adapters.tryton_order import order_from_sale
from services.erp_gateway.validation import checks_of
from tests.unit.erp_gateway.sales import SALE, address, with_

NOW = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
ORDER = order_from_sale(SALE, "tryton-us", "us")
FACTS = OrderFacts(
    customer_active=True,
    places={"7": KnownPlace("C1002", True), "8": KnownPlace("C1002", True), "2": KnownPlace("", True)},
    available={"WATER24": Decimal(10), "COFFEE5": Decimal(4)},
)


def failures(
    facts: OrderFacts = FACTS, order: order_pb2.Order = ORDER, now: dt.datetime = NOW
) -> list[tuple[str, str]]:
    return [
        (check.reason, check.line_id)
        for check in checks_of(order, facts, now)
        if check.result == order_pb2.CHECK_RESULT_FAIL
    ]


def test_every_kind_is_answered() -> None:
    checks = checks_of(ORDER, FACTS, NOW)
    assert {check.kind for check in checks} == set(order_pb2.ValidationKind.values()) - {0}
    assert failures() == []


def test_an_unknown_and_a_closed_customer() -> None:
    assert failures(replace(FACTS, customer_active=None)) == [("CUSTOMER_UNKNOWN", "")]
    assert failures(replace(FACTS, customer_active=False)) == [("CUSTOMER_UNKNOWN", "")]


def test_stock_counts_over_the_lines_of_one_product() -> None:
    order = order_pb2.Order()
    order.CopyFrom(ORDER)
    order.lines[1].sku = "WATER24"
    assert failures(order=order) == [("STOCK_SHORT", "12")]
    assert failures(replace(FACTS, available={"WATER24": Decimal(10), "COFFEE5": None})) == [("STOCK_SHORT", "12")]


def test_each_line_with_a_bad_address_is_named() -> None:
    unknown = replace(FACTS, places={"7": FACTS.places["7"], "2": FACTS.places["2"]})
    assert failures(unknown) == [("LOCATION_INVALID", "12")]
    foreign = replace(FACTS, places={**FACTS.places, "7": KnownPlace("C9", True)})
    assert failures(foreign) == [("LOCATION_INVALID", "11")]


def test_an_address_without_position_cannot_be_served() -> None:
    sale = with_(addresses={**SALE.addresses, 7: address(7, "Store", geo=None)})
    facts = replace(FACTS, places={**FACTS.places, "7": KnownPlace("C1002", False)})
    order = order_from_sale(sale, "tryton-us", "us")
    assert failures(facts, order) == [("LOCATION_INVALID", "11")]


def test_a_window_that_is_over_or_nearly_so() -> None:
    end = dt.datetime(2026, 1, 7, 7, tzinfo=dt.UTC)
    assert failures(now=end - dt.timedelta(minutes=20)) == []
    assert failures(now=end - dt.timedelta(minutes=10)) == [("DELIVERY_WINDOW_INVALID", "")]
    assert failures(now=end + dt.timedelta(days=1)) == [("DELIVERY_WINDOW_INVALID", "")]


def test_credit_that_does_not_cover_the_order() -> None:
    assert failures(replace(FACTS, credit_limit=Decimal(500), credit_used=Decimal(500))) == []
    assert failures(replace(FACTS, credit_limit=Decimal(500), credit_used=Decimal("500.01"))) == [
        ("CREDIT_REFUSED", "")
    ]


def test_a_failure_says_what_would_help() -> None:
    facts = replace(FACTS, available={"WATER24": Decimal(3), "COFFEE5": Decimal(4)})
    (check,) = [c for c in checks_of(ORDER, facts, NOW) if c.reason]
    assert "10 of WATER24 ordered, 3 available" in check.message
    assert "wait for stock" in check.message
