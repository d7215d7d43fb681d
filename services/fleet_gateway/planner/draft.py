"""Orders and vehicles of the contract as a planning problem. Pure.

A shipment of the problem is a lot: the lines of one order that go to one place. Where a lot is more than any vehicle
holds, each of its lines becomes a lot of its own: a line is planned whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from gladhand.errors import InvalidArgument
from logistics.dispatch.v1 import OrderToPlan, UnassignedOrder
from logistics.dispatch.v1.dispatch_service_pb2 import SkipReason
from logistics.fleet.v1 import Vehicle
from logistics.order.v1 import Order, OrderLine
from logistics.type.v1 import Location, TimeWindow
from services.fleet_gateway.planner.demand import DemandInvalid, amount_of, capacity_of
from services.fleet_gateway.planner.feasibility import fits
from services.fleet_gateway.planner.port import Point, Problem, Shipment, Skip, Truck, Visit

COOLED: Final = "cooled"
"""The feature that goods with a temperature need."""

_NO_AMOUNT: Final = (0, 0)


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """How long work at a stop takes, in seconds."""

    pickup_setup_s: int = 300
    """Docking at a warehouse, once per arrival."""

    delivery_setup_s: int = 240
    """Parking and finding the consignee, once per arrival."""

    per_order_s: int = 120
    """Loading or unloading one order."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """When vehicles may be on the road; the start is the origin of the problem's seconds."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> int:
        """Its length in whole seconds."""
        return int((self.end - self.start).total_seconds())

    def bounds(self, window: TimeWindow | None) -> tuple[int, int, bool]:
        """Return the first and last second in which work may begin, and whether the window is soft."""
        if window is None:
            return 0, self.seconds, False
        earliest, latest = 0, self.seconds
        if window.HasField("start_time"):
            earliest = max(0, _seconds_up(moment(window.start_time) - self.start))
        if window.HasField("end_time"):  # the end is excluded
            latest = min(latest, _seconds_up(moment(window.end_time) - self.start) - 1)
        return earliest, latest, not window.hard

    def at(self, seconds: int) -> datetime:
        """Return the moment so many seconds after the start."""
        return self.start + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Lot:
    """Lines of one order that travel together from one place to one other."""

    key: str
    order: Order
    lines: tuple[OrderLine, ...]
    ship_to: Location
    amount: tuple[int, ...]
    features: frozenset[str]
    priority: int

    @property
    def pickup_window(self) -> TimeWindow | None:
        """When the goods may be fetched; None means at any time."""
        return self.order.pickup_window if self.order.HasField("pickup_window") else None

    @property
    def delivery_window(self) -> TimeWindow | None:
        """When the goods are wanted; None means at any time."""
        return self.order.delivery_window if self.order.HasField("delivery_window") else None


@dataclass(frozen=True, slots=True)
class Draft:
    """A problem, the lots behind its shipments by key, and what cannot even be asked."""

    problem: Problem
    lots: Mapping[str, Lot]
    refused: Sequence[tuple[Lot, Skip, str]]


def moment(stamp: Timestamp) -> datetime:
    """Return a protobuf timestamp as an aware moment."""
    return stamp.ToDatetime(tzinfo=UTC)


def _seconds_up(span: timedelta) -> int:
    return -int(-span // timedelta(seconds=1))


def point_of(location: Location) -> Point | None:
    """Return where a location is; None where it has no point, or the (0, 0) of an empty form."""
    point = location.point
    if not location.HasField("point") or (point.latitude == 0 and point.longitude == 0):
        return None
    return Point(round(point.latitude, 6), round(point.longitude, 6))


def trucks_of(vehicles: Iterable[Vehicle], horizon: Horizon) -> tuple[Truck, ...]:
    """Return vehicles as trucks by id; each needs a home site with a point, to which it returns.

    Raises DemandInvalid where a capacity cannot be read.
    """
    return tuple(
        Truck(
            key=vehicle.vehicle_id,
            start=home,
            end=home,
            capacity=capacity_of(vehicle),
            features=frozenset(vehicle.features),
            earliest_s=0,
            latest_s=horizon.seconds,
            speed_factor=vehicle.speed_factor if vehicle.HasField("speed_factor") else 1.0,
        )
        for vehicle in sorted(vehicles, key=lambda v: v.vehicle_id)
        if (home := point_of(vehicle.home_site)) is not None
    )


def draft(
    orders: Sequence[OrderToPlan],
    trucks: Sequence[Truck],
    horizon: Horizon,
    times: ServiceTimes,
    field: str = "orders",
) -> Draft:
    """Return the problem that the orders pose to the trucks. `field` is where the request holds the orders.

    Raises InvalidArgument where a line is asked for that its order does not have.
    """
    lots: dict[str, Lot] = {}
    refused: list[tuple[Lot, Skip, str]] = []
    for lot, skip, why in _lots(orders, [truck.capacity for truck in trucks], field):
        if skip is None:
            lots[lot.key] = lot
        else:
            refused.append((lot, skip, why))
    shipments = tuple(shipment_of(lot, horizon, times) for lot in lots.values())
    return Draft(Problem(tuple(trucks), shipments), lots, refused)


def shipment_of(lot: Lot, horizon: Horizon, times: ServiceTimes) -> Shipment:
    """Return the shipment of a lot whose places are known."""
    start, end = point_of(lot.order.ship_from), point_of(lot.ship_to)
    if start is None or end is None:
        raise ValueError(f"lot {lot.key} has no places")
    early, late, soft = horizon.bounds(lot.pickup_window)
    wanted, until, wish = horizon.bounds(lot.delivery_window)
    return Shipment(
        key=lot.key,
        pickup=Visit(start, early, late, times.pickup_setup_s, times.per_order_s, soft),
        delivery=Visit(end, wanted, until, times.delivery_setup_s, times.per_order_s, wish),
        amount=lot.amount,
        features=lot.features,
        priority=lot.priority,
    )


def _lots(
    orders: Sequence[OrderToPlan], rooms: Sequence[tuple[int, ...]], field: str
) -> Iterable[tuple[Lot, Skip | None, str]]:
    for number, wanted in enumerate(orders):
        order = wanted.order
        groups: dict[bytes, list[OrderLine]] = {}
        places: dict[bytes, Location] = {}
        for line in _wanted_lines(wanted, f"{field}[{number}]"):
            place = line.ship_to if line.HasField("ship_to") else order.ship_to
            key = place.SerializeToString(deterministic=True)
            places[key] = place
            groups.setdefault(key, []).append(line)
        count = 0
        for key, lines in groups.items():
            for part, amount, why in _parts(lines, rooms):
                lot = Lot(
                    key=f"{order.order_id}/{count}",
                    order=order,
                    lines=tuple(part),
                    ship_to=places[key],
                    amount=amount,
                    features=frozenset(wanted.features) | _temperature(part),
                    priority=wanted.priority,
                )
                count += 1
                yield (lot, Skip.DEMAND_INVALID, why) if why else (lot, *_unknown_place(lot))


def _wanted_lines(wanted: OrderToPlan, field: str) -> list[OrderLine]:
    lines = {line.line_id: line for line in wanted.order.lines}
    for index, line_id in enumerate(wanted.line_ids):
        if line_id not in lines:
            raise InvalidArgument(
                f"order {wanted.order.order_id} has no line {line_id!r}",
                field=f"{field}.line_ids[{index}]",
                remedy="name a line of the order, or leave line_ids empty for all",
            )
    chosen = set(wanted.line_ids) or set(lines)
    return [line for line in wanted.order.lines if line.line_id in chosen]


def _parts(
    lines: list[OrderLine], rooms: Sequence[tuple[int, ...]]
) -> Iterable[tuple[list[OrderLine], tuple[int, ...], str]]:
    try:
        whole = amount_of(lines)
    except DemandInvalid as error:
        if len(lines) == 1:
            yield lines, _NO_AMOUNT, str(error)
            return
        whole = None
    if whole is not None and (len(lines) == 1 or not rooms or any(fits(whole, room) for room in rooms)):
        yield lines, whole, ""
        return
    for line in lines:
        yield from _parts([line], rooms)


def _temperature(lines: Iterable[OrderLine]) -> frozenset[str]:
    return frozenset({COOLED} if any(line.HasField("temperature") for line in lines) else ())


def _unknown_place(lot: Lot) -> tuple[Skip | None, str]:
    if point_of(lot.order.ship_from) is None:
        return Skip.LOCATION_UNKNOWN, f"the pickup place {lot.order.ship_from.name!r} has no coordinates"
    if point_of(lot.ship_to) is None:
        return Skip.LOCATION_UNKNOWN, f"the delivery place {lot.ship_to.name!r} has no coordinates"
    return None, ""


_SENTENCES: Final = {
    Skip.NO_VEHICLE: "no vehicle with a driver is free; plan again when one returns",
    Skip.DEMAND_EXCEEDS_VEHICLE_CAPACITY: "the goods exceed what any free vehicle holds; split the line",
    Skip.WINDOW_IMPOSSIBLE: "no free vehicle can reach both places within the time windows; move a window",
    Skip.FEATURE_MISSING: "no free vehicle has the features that the goods need",
    Skip.NO_CAPACITY_LEFT: "the free vehicles are full or busy with other orders of this plan; plan again later",
}


def unassigned_of(draft: Draft, skips: Mapping[str, Skip]) -> list[UnassignedOrder]:
    """Return what was not planned, one entry per order and reason, in the order in which it was asked for."""
    told: dict[tuple[str, Skip, str], UnassignedOrder] = {}
    lost = [*draft.refused, *((draft.lots[key], skip, _SENTENCES[skip]) for key, skip in skips.items())]
    for lot, skip, why in lost:
        entry = told.setdefault(
            (lot.order.order_id, skip, why),
            UnassignedOrder(
                order_id=lot.order.order_id, reason=SkipReason.Value(f"SKIP_REASON_{skip.value}"), message=why[:1000]
            ),
        )
        entry.line_ids.extend(line.line_id for line in lot.lines)
    return list(told.values())
