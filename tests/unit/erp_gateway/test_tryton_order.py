from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from gladhand import validation
from logistics.orchestrator.v1 import orchestrator_service_pb2 as orchestrator
from logistics.type.v1 import time_pb2
from services.erp_gateway.adapters.tryton_order import (
    UntranslatableSaleError,
    geo_point,
    is_ready,
    is_withdrawn,
    order_from_sale,
)
from services.erp_gateway.adapters.tryton_snapshot import SaleSnapshot
from services.erp_gateway.adapters.tryton_units import UnknownUnitError
from services.erp_gateway.translation import content_digest
from tests.unit.erp_gateway.sales import OTHER, SALE, move, shipment, with_


def window_of(sale: SaleSnapshot) -> time_pb2.TimeWindow:
    return order_from_sale(sale, "tryton-us", "us").delivery_window


def test_the_order_keeps_the_rules_of_the_contract() -> None:
    order = order_from_sale(SALE, "tryton-us", "us")
    request = orchestrator.SubmitOrderRequest(request_id="5f0c54a6-2c9f-4f6e-9a53-0f5f3b8f6a10", order=order)
    validation.check(request)
    assert [reference.value for reference in order.references] == ["S-17", "PO-1"]
    assert order.instructions == "Ring twice"
    water, coffee = order.lines
    assert (water.line_id, water.weight.value, water.volume.value) == ("11", "125", "0.18")
    assert (water.unit_price.units, water.unit_price.nanos) == (9, 600_000_000)
    assert not water.HasField("ship_to")
    assert coffee.ship_to.name == "Annex"


def test_a_line_whose_goods_go_to_two_addresses_becomes_two() -> None:
    parted = with_(moves=(move(101, 11, 1, "6"), move(103, 11, 2, "4"), move(102, 12, 2, "4")))
    lines = order_from_sale(parted, "tryton-us", "us").lines
    assert [(ln.line_id, ln.quantities.ordered.value) for ln in lines] == [("11-7", "6"), ("11-8", "4"), ("12", "4")]


def test_the_whole_day_in_the_companys_time_zone_is_the_window() -> None:
    window = window_of(SALE)
    assert window.start_time.ToDatetime(dt.UTC) == dt.datetime(2026, 1, 6, 7, tzinfo=dt.UTC)
    assert window.end_time.ToDatetime(dt.UTC) == dt.datetime(2026, 1, 7, 7, tzinfo=dt.UTC)
    assert not window.hard


def test_an_interval_in_the_description_is_a_hard_window() -> None:
    window = window_of(with_(description="Deliver 2026-01-06T08:00-07:00/2026-01-06T12:00:00-07:00, please"))
    assert window.start_time.ToDatetime(dt.UTC) == dt.datetime(2026, 1, 6, 15, tzinfo=dt.UTC)
    assert window.end_time.ToDatetime(dt.UTC) == dt.datetime(2026, 1, 6, 19, tzinfo=dt.UTC)
    assert window.hard


def test_without_a_date_there_is_no_window() -> None:
    order = order_from_sale(with_(shipping_date=None), "tryton-us", "us")
    assert not order.HasField("delivery_window")


def test_what_an_order_cannot_do_without_is_named() -> None:
    for sale in (with_(number=None), with_(warehouse=None), with_(moves=())):
        with pytest.raises(UntranslatableSaleError, match=r"sale (5|S-17)"):
            order_from_sale(sale, "tryton-us", "us")
    with pytest.raises(UnknownUnitError, match="pallet"):
        order_from_sale(with_(moves=(replace(SALE.moves[0], unit="pallet"),)), "tryton-us", "us")


def test_the_digest_follows_the_content_alone() -> None:
    first = content_digest(order_from_sale(SALE, "tryton-us", "us"))
    later = with_(stamp=SALE.stamp + dt.timedelta(hours=1))
    assert content_digest(order_from_sale(later, "tryton-us", "us")) == first
    smaller = with_(moves=(move(101, 11, 1, "9"), SALE.moves[1]))
    assert content_digest(order_from_sale(smaller, "tryton-us", "us")) != first


@pytest.mark.parametrize(
    ("sale", "ready", "withdrawn"),
    [
        (SALE, True, False),
        (with_(state="confirmed", shipments=(), moves=()), False, False),
        (with_(state="cancelled"), False, True),
        (with_(shipments=(shipment(1), shipment(2, OTHER, "draft"))), False, False),
        (with_(shipments=(shipment(1), shipment(2, OTHER, "assigned"))), False, False),
        (with_(shipments=(shipment(1), shipment(2, OTHER, "cancelled"))), True, False),
        (with_(shipments=(shipment(1, state="cancelled"),)), False, True),
        (with_(shipments=(shipment(1, state="done"),)), False, False),
    ],
)
def test_when_a_sale_is_picked_up(sale: SaleSnapshot, ready: bool, withdrawn: bool) -> None:
    assert (is_ready(sale), is_withdrawn(sale)) == (ready, withdrawn)


@pytest.mark.parametrize("uri", [None, "", "geo:", "geo:91,0", "geo:0,181", "https://example.com", "geo:north,west"])
def test_no_point_is_read_from_what_is_none(uri: str | None) -> None:
    assert geo_point(uri) is None


def test_a_point_with_height_and_uncertainty_is_read() -> None:
    point = geo_point("geo:39.655193,-104.919294,1609;u=10")
    assert point is not None
    assert (point.latitude, point.longitude) == (39.655193, -104.919294)
