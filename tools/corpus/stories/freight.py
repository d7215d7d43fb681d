"""A small world of freight around Denver: an order of two lines to two shops, its load, and what is said of both."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from logistics.load.v1 import Assignment, Load, Stop, StopKind, StopTask, StopTime
from logistics.order.v1 import (
    LineMovement,
    LineQuantities,
    Order,
    OrderLine,
    OrderType,
    TemperatureRange,
)
from logistics.type.v1 import (
    Address,
    Classifier,
    ExternalReference,
    GeoPoint,
    Location,
    Money,
    Party,
    Quantity,
    ReferenceType,
    TimeWindow,
)
from tools.corpus.telling import START

ORDER = "018f0000-0000-7000-8000-00000000000a"
OTHER_ORDER = "018f0000-0000-7000-8000-00000000000b"
LOAD = "018f0000-0000-7000-8000-0000000000c1"
PICKUP = "018f0000-0000-7000-8000-0000000000d0"
FIRST = "018f0000-0000-7000-8000-0000000000d1"
SECOND = "018f0000-0000-7000-8000-0000000000d2"
POD = "018f0000-0000-7000-8000-0000000000e1"
OTHER_POD = "018f0000-0000-7000-8000-0000000000e2"
INVOICE = "018f0000-0000-7000-8000-0000000000f1"
HOLD = "018f0000-0000-7000-8000-0000000000aa"
OTHER_HOLD = "018f0000-0000-7000-8000-0000000000ab"
EXCEPTION = "018f0000-0000-7000-8000-0000000000ac"
WAVE = "018f0000-0000-7000-8000-0000000000ad"


def at(minutes: float) -> Timestamp:
    """A moment of the day, minutes after its start."""
    moment = Timestamp()
    moment.FromDatetime(START + timedelta(minutes=minutes))
    return moment


def pieces(value: int | str) -> Quantity:
    """A quantity in pieces."""
    return Quantity(value=str(value), unit_code="C62")


def dollars(units: int, nanos: int = 0) -> Money:
    """An amount in US dollars."""
    return Money(currency="USD", units=units, nanos=nanos)


def name(kind: ReferenceType.ValueType, value: str) -> ExternalReference:
    """A name that the ERP gave."""
    return ExternalReference(system="tryton-us", type=kind, value=value)


def place(title: str, latitude: float, longitude: float) -> Location:
    """A place in Denver."""
    return Location(
        name=title,
        address=Address(
            lines=[f"{title}, dock 2"], city="Denver", subdivision="CO", postal_code="80202", country_code="US"
        ),
        point=GeoPoint(latitude=latitude, longitude=longitude),
        geofence_radius_m=120,
        time_zone="America/Denver",
        references=[name(ReferenceType.REFERENCE_TYPE_ADDRESS, title.upper().replace(" ", "-"))],
    )


WAREHOUSE = place("Warehouse Broadway", 39.7251, -104.9875)
SHOP_ONE = place("Shop One", 39.7392, -104.9903)
SHOP_TWO = place("Shop Two", 39.7508, -105.0005)


def sale(*, ordered: int = 10, cold: bool = False) -> Order:
    """An order with lines `a` and `b`, of ten and four pieces unless told otherwise."""
    lines = [
        OrderLine(
            line_id="a",
            sku="PALLET-A",
            description="Pallet of apples",
            quantities=LineQuantities(ordered=pieces(ordered)),
            unit_price=dollars(25, 500_000_000),
            weight=Quantity(value="250.5", unit_code="KGM"),
        ),
        OrderLine(
            line_id="b",
            sku="PALLET-B",
            quantities=LineQuantities(ordered=pieces(4)),
            volume=Quantity(value="1.25", unit_code="MTQ"),
            ship_to=SHOP_TWO,
        ),
    ]
    if cold:
        lines[0].temperature.CopyFrom(TemperatureRange(min_celsius=2, max_celsius=8))
    return Order(
        references=[
            name(ReferenceType.REFERENCE_TYPE_SALES_ORDER, "SO-17"),
            name(ReferenceType.REFERENCE_TYPE_PURCHASE_ORDER, "PO-4711"),
        ],
        erp_instance="tryton-us",
        region="us",
        order_type=OrderType.ORDER_TYPE_SALES,
        customer=Party(name="Broadway Grocers", references=[name(ReferenceType.REFERENCE_TYPE_PARTY, "K0042")]),
        ship_from=WAREHOUSE,
        ship_to=SHOP_ONE,
        delivery_window=TimeWindow(start_time=at(30), end_time=at(480)),
        currency="USD",
        lines=lines,
        instructions="Ring twice.",
        incoterm="DAP",
    )


def moved(line_id: str, count: int) -> LineMovement:
    """What moved of one line."""
    return LineMovement(line_id=line_id, quantity=pieces(count))


def set_down(line_id: str, accepted: int, rejected: int = 0) -> LineMovement:
    """What was set down of one line, kept and refused."""
    return LineMovement(
        line_id=line_id,
        quantity=pieces(accepted + rejected),
        accepted=pieces(accepted),
        rejected=pieces(rejected),
        reason="DAMAGED" if rejected else "",
    )


def task(line_id: str, count: int, order_id: str = ORDER) -> StopTask:
    """What is to be handled at a stop."""
    return StopTask(order_id=order_id, line_id=line_id, expected=pieces(count), sku=f"PALLET-{line_id.upper()}")


def outcome(line_id: str, accepted: int, rejected: int = 0, order_id: str = ORDER) -> StopTask:
    """What became of a task."""
    return StopTask(order_id=order_id, line_id=line_id, accepted=pieces(accepted), rejected=pieces(rejected))


def truck(*, shared: bool = False) -> Load:
    """A load that takes line `a` to the first and line `b` to the second shop; `shared` adds another order's goods."""
    extra = [task("x", 3, OTHER_ORDER)] if shared else []
    return Load(
        load_id=LOAD,
        region="us",
        plan_version=1,
        planned_vehicle_id="truck-1",
        wave_id=WAVE,
        stops=[
            Stop(
                stop_id=PICKUP,
                sequence=1,
                kind=StopKind.STOP_KIND_PICKUP,
                location=WAREHOUSE,
                tasks=[task("a", 10), task("b", 4), *extra],
                planned_arrival_time=at(30),
                planned_departure_time=at(45),
            ),
            Stop(
                stop_id=FIRST,
                sequence=2,
                kind=StopKind.STOP_KIND_DELIVERY,
                location=SHOP_ONE,
                tasks=[task("a", 10)],
                pod_required=True,
            ),
            Stop(
                stop_id=SECOND,
                sequence=3,
                kind=StopKind.STOP_KIND_DELIVERY,
                location=SHOP_TWO,
                tasks=[task("b", 4), *extra],
                pod_required=True,
                window=TimeWindow(start_time=at(60), end_time=at(480)),
            ),
        ],
    )


def crew(epoch: int = 1, vehicle: str = "truck-1", start: float = 0) -> Assignment:
    """An assignment of vehicle and driver."""
    return Assignment(epoch=epoch, vehicle_id=vehicle, driver_ids=["driver-1"], start_time=at(start))


def when(minutes: float, source: str = "geofence") -> StopTime:
    """A time at a stop with what it stands on."""
    return StopTime(
        time=at(minutes),
        classifier=Classifier.CLASSIFIER_ACTUAL,
        source=source,
        evidence_id=f"{source}@{minutes:g}",
    )
