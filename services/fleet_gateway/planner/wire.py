"""Problems and solutions as JSON, for the pipe between a service and its planning process."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from services.fleet_gateway.planner.port import (
    PlannedVisit,
    Point,
    Problem,
    Route,
    Shipment,
    Skip,
    Skipped,
    Solution,
    Task,
    Truck,
    Visit,
)


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} does not travel to the planning process")


def dumps(value: Problem | Solution) -> bytes:
    """Return one line of JSON without its line end."""
    return json.dumps(asdict(value), default=_plain, separators=(",", ":")).encode()


def problem_of(text: bytes) -> Problem:
    """Read a problem. Raises KeyError, TypeError or ValueError where the text is none."""
    raw = json.loads(text)
    return Problem(
        trucks=tuple(_truck(truck) for truck in raw["trucks"]),
        shipments=tuple(_shipment(shipment) for shipment in raw["shipments"]),
        reload=raw["reload"],
    )


def solution_of(text: bytes) -> Solution:
    """Read a solution. Raises KeyError, TypeError or ValueError where the text is none."""
    raw = json.loads(text)
    return Solution(
        routes=tuple(_route(route) for route in raw["routes"]),
        skipped=tuple(Skipped(skip["shipment"], Skip(skip["reason"])) for skip in raw["skipped"]),
        late=frozenset(raw["late"]),
        planner=raw["planner"],
        matrix=raw["matrix"],
    )


def _truck(raw: dict[str, Any]) -> Truck:
    return Truck(
        **{
            **raw,
            "start": Point(**raw["start"]),
            "end": None if raw["end"] is None else Point(**raw["end"]),
            "capacity": tuple(raw["capacity"]),
            "features": frozenset(raw["features"]),
        }
    )


def _visit(raw: dict[str, Any]) -> Visit:
    return Visit(**{**raw, "point": Point(**raw["point"])})


def _shipment(raw: dict[str, Any]) -> Shipment:
    return Shipment(
        **{
            **raw,
            "pickup": None if raw["pickup"] is None else _visit(raw["pickup"]),
            "delivery": _visit(raw["delivery"]),
            "amount": tuple(raw["amount"]),
            "features": frozenset(raw["features"]),
        }
    )


def _route(raw: dict[str, Any]) -> Route:
    visits = tuple(PlannedVisit(**{**visit, "task": Task(visit["task"])}) for visit in raw["visits"])
    return Route(**{**raw, "visits": visits})
