"""Which orders and lines ride on a load, and where they leave it (pure).

Stops that carry out a decision about goods (`disposition_id`) are not part of an order's first way and are left out
here; `disposition_stops` names them.
"""

from __future__ import annotations

from collections import defaultdict

from logistics.load.v1 import DeliveryEvent, Load, Stop, StopKind, StopTask
from services.orchestrator.deciders.load.road import epoch_at


def orders_on(load: Load) -> list[str]:
    """Return the orders that ride on a load, each once, in driving order."""
    return list(dict.fromkeys(task.order_id for stop in first_way(load) for task in stop.tasks))


def lines_on(load: Load, order_id: str) -> list[str]:
    """Return the lines of an order that a load delivers, each once."""
    stops = [stop for stop in first_way(load) if stop.kind == StopKind.STOP_KIND_DELIVERY]
    return list(dict.fromkeys(task.line_id for stop in stops for task in stop.tasks if task.order_id == order_id))


def delivery_stops(load: Load, order_id: str) -> list[str]:
    """Return the stops at which a load delivers lines of an order."""
    return [
        stop.stop_id
        for stop in first_way(load)
        if stop.kind == StopKind.STOP_KIND_DELIVERY and any(task.order_id == order_id for task in stop.tasks)
    ]


def first_way(load: Load) -> list[Stop]:
    """Return the stops of a load that are part of the first way of orders."""
    return [stop for stop in load.stops if not stop.disposition_id]


def disposition_stops(load: Load) -> dict[str, Stop]:
    """Return the delivery stop that carries out each decision about goods on a load, by disposition_id."""
    return {
        stop.disposition_id: stop
        for stop in load.stops
        if stop.disposition_id and stop.kind == StopKind.STOP_KIND_DELIVERY
    }


def stop_of(load: Load, stop_id: str) -> Stop | None:
    """Return a stop of a load, None where it has no such stop."""
    return next((stop for stop in load.stops if stop.stop_id == stop_id), None)


def epoch_told(load: Load, seen: DeliveryEvent) -> int:
    """Return the assignment that a milestone speaks of: as it says, else the newest of its vehicle, else by its time.

    A vehicle that was replaced goes on telling; what it tells is never taken for a word of the one that replaced it.
    """
    if seen.epoch:
        return seen.epoch
    at = epoch_at(load, seen.occur_time)
    driven = [each.epoch for each in load.assignments if each.vehicle_id == seen.vehicle_id]
    return at if at in driven or not driven else driven[-1]


def tasks_by_order(stop: Stop) -> dict[str, list[StopTask]]:
    """Return the tasks of a stop, order by order."""
    tasks: dict[str, list[StopTask]] = defaultdict(list)
    for task in stop.tasks:
        tasks[task.order_id].append(task)
    return dict(tasks)
