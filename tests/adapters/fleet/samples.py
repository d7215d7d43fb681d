"""A small fleet around Denver and orders for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, uuid5

from google.protobuf.timestamp_pb2 import Timestamp

from logistics.dispatch.v1 import OrderToPlan
from logistics.fleet.v1 import Capacity, Driver, TelematicsDevice, Vehicle
from logistics.fleet.v1.driver_pb2 import DRIVER_STATUS_AVAILABLE
from logistics.fleet.v1.vehicle_pb2 import (
    CAPACITY_DIMENSION_VOLUME,
    CAPACITY_DIMENSION_WEIGHT,
    VEHICLE_KIND_STRAIGHT_TRUCK,
    VEHICLE_STATUS_AVAILABLE,
)
from logistics.load.v1 import Load, Stop, StopTask
from logistics.load.v1.load_pb2 import (
    LOAD_STATE_PLANNED,
    STOP_KIND_DELIVERY,
    STOP_KIND_PICKUP,
    STOP_STATE_PLANNED,
)
from logistics.order.v1 import LineQuantities, Order, OrderLine
from logistics.type.v1 import ExternalReference, GeoPoint, Location, Party, Quantity, TimeWindow
from logistics.type.v1.reference_pb2 import REFERENCE_TYPE_SALES_ORDER
from services.fleet_gateway.adapters.port import Proposal

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
HAMPDEN = Location(name="Hampden Distribution Center", point=GeoPoint(latitude=39.655193, longitude=-104.919294))
BANNOCK = Location(name="Bannock Street Depot", point=GeoPoint(latitude=39.731831, longitude=-104.990147))
STORE = Location(name="University Boulevard", point=GeoPoint(latitude=39.702988, longitude=-104.959294))
COLFAX = Location(name="Colfax", point=GeoPoint(latitude=39.738226, longitude=-104.958642))
HOTEL = Location(name="Sherman Street Hotel", point=GeoPoint(latitude=39.743378, longitude=-104.985203))


def an_id(name: str) -> str:
    """A UUID that the same name always gives."""
    return str(uuid5(NAMESPACE_URL, name))


def stamp(at: datetime) -> Timestamp:
    value = Timestamp()
    value.FromDatetime(at)
    return value


def window(start: timedelta, end: timedelta, *, hard: bool = True) -> TimeWindow:
    return TimeWindow(start_time=stamp(START + start), end_time=stamp(START + end), hard=hard)


def vehicle(name: str, **fields: object) -> Vehicle:
    given: dict[str, object] = {
        "vehicle_id": name,
        "kind": VEHICLE_KIND_STRAIGHT_TRUCK,
        "status": VEHICLE_STATUS_AVAILABLE,
        "home_site": HAMPDEN,
        "usual_driver_id": name.replace("truck", "driver"),
        "capacities": [
            Capacity(dimension=CAPACITY_DIMENSION_WEIGHT, quantity=Quantity(value="1000", unit_code="KGM")),
            Capacity(dimension=CAPACITY_DIMENSION_VOLUME, quantity=Quantity(value="10", unit_code="MTQ")),
        ],
        "telematics_devices": [TelematicsDevice(provider="osmand", device_id=f"device-{name}")],
    }
    return Vehicle(**(given | fields))  # type: ignore[arg-type]


def driver(name: str, **fields: object) -> Driver:
    given: dict[str, object] = {"driver_id": name, "status": DRIVER_STATUS_AVAILABLE}
    return Driver(**(given | fields))  # type: ignore[arg-type]


VEHICLES = [
    vehicle("truck-1"),
    vehicle("truck-2", features=["cooled"]),
    vehicle("truck-3", home_site=BANNOCK, region="eu"),
]
DRIVERS = [driver("driver-1"), driver("driver-2"), driver("driver-3")]


def line(
    line_id: str,
    *,
    kilograms: str = "100",
    cubic_metres: str = "1",
    ship_to: Location | None = None,
    pieces: str = "4",
) -> OrderLine:
    return OrderLine(
        line_id=line_id,
        sku=f"sku-{line_id}",
        quantities=LineQuantities(ordered=Quantity(value=pieces, unit_code="C62")),
        weight=Quantity(value=kilograms, unit_code="KGM"),
        volume=Quantity(value=cubic_metres, unit_code="MTQ"),
        ship_to=ship_to,
    )


def order(
    name: str,
    lines: Iterable[OrderLine] = (),
    *,
    ship_from: Location = HAMPDEN,
    ship_to: Location = STORE,
    delivery_window: TimeWindow | None = None,
    pickup_window: TimeWindow | None = None,
) -> Order:
    return Order(
        order_id=an_id(name),
        references=[ExternalReference(system="tryton-us", type=REFERENCE_TYPE_SALES_ORDER, value=name)],
        erp_instance="tryton-us",
        region="us",
        customer=Party(name="A customer"),
        ship_from=ship_from,
        ship_to=ship_to,
        currency="USD",
        lines=list(lines) or [line("1")],
        delivery_window=delivery_window,
        pickup_window=pickup_window,
    )


def to_plan(name: str, lines: Iterable[OrderLine] = (), **fields: object) -> OrderToPlan:
    """An order to plan; `features`, `priority` and `line_ids` go to the request, the rest to the order."""
    asked = {key: fields.pop(key) for key in ("features", "priority", "line_ids") if key in fields}
    return OrderToPlan(order=order(name, lines, **fields), **asked)  # type: ignore[arg-type]


def load(name: str, vehicle_id: str, *, kilograms: str = "100") -> Load:
    task = StopTask(
        order_id=an_id(f"order of {name}"),
        line_id="1",
        expected=Quantity(value="4", unit_code="C62"),
        weight=Quantity(value=kilograms, unit_code="KGM"),
    )
    places = [(STOP_KIND_PICKUP, HAMPDEN), (STOP_KIND_DELIVERY, STORE)]
    return Load(
        load_id=an_id(name),
        region="us",
        stops=[
            Stop(
                stop_id=an_id(f"{name} stop {n}"),
                sequence=n,
                kind=kind,
                location=place,
                tasks=[task],
                state=STOP_STATE_PLANNED,
            )
            for n, (kind, place) in enumerate(places, 1)
        ],
        plan_version=1,
        planned_vehicle_id=vehicle_id,
        state=LOAD_STATE_PLANNED,
    )


def proposal(name: str, vehicle_id: str, *, features: Iterable[str] = (), kilograms: str = "100") -> Proposal:
    planned = load(name, vehicle_id, kilograms=kilograms)
    return Proposal(planned, frozenset(features), START, START + timedelta(hours=10))
