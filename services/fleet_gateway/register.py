"""The fleet register: a TOML file that names the vehicles and drivers of the own fleet.

Entries under `[[vehicles]]` and `[[drivers]]` have the field names of `logistics.fleet.v1.Vehicle` and `Driver`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from gladhand.errors import InvalidArgument, StartRefused
from gladhand.validation import check
from logistics.fleet.v1 import Driver, Vehicle
from services.fleet_gateway.planner.demand import DemandInvalid, capacity_of

MessageT = TypeVar("MessageT", bound=Message)


@dataclass(frozen=True, slots=True)
class Register:
    """The fleet as its owner describes it."""

    vehicles: tuple[Vehicle, ...]
    drivers: tuple[Driver, ...]


def read_register(file: Path) -> Register:
    """Read the file. Raises StartRefused naming the file, the entry and the field that is wrong."""
    try:
        with file.open("rb") as source:
            raw = tomllib.load(source)
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise StartRefused(f"the fleet register {file} cannot be read: {error}") from error
    unknown = sorted(set(raw) - {"vehicles", "drivers"})
    if unknown:
        raise StartRefused(f"the fleet register {file} holds {', '.join(unknown)}; it may hold vehicles and drivers")
    vehicles = tuple(_entries(file, "vehicles", raw.get("vehicles", []), Vehicle))
    drivers = tuple(_entries(file, "drivers", raw.get("drivers", []), Driver))
    for index, vehicle in enumerate(vehicles):
        try:
            capacity_of(vehicle)
        except DemandInvalid as error:
            raise StartRefused(f"the fleet register {file}: vehicles[{index}].{error}") from error
    for name, ids in (("vehicle_id", [v.vehicle_id for v in vehicles]), ("driver_id", [d.driver_id for d in drivers])):
        twice = sorted({key for key in ids if ids.count(key) > 1})
        if twice:
            raise StartRefused(f"the fleet register {file} gives {name} {', '.join(twice)} more than once")
    return Register(vehicles, drivers)


def _entries(file: Path, name: str, entries: Any, kind: type[MessageT]) -> Iterable[MessageT]:
    if not isinstance(entries, list):
        raise StartRefused(f"the fleet register {file}: {name} must be a list of tables, [[{name}]]")
    for index, entry in enumerate(entries):
        where = f"the fleet register {file}: {name}[{index}]"
        try:
            message = ParseDict(_plain(entry), kind())
            check(message)
        except (ParseError, InvalidArgument) as error:
            raise StartRefused(f"{where}: {error}") from error
        yield message


def _plain(value: Any) -> Any:
    """Return TOML values as JSON knows them: times become RFC 3339 text."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    if isinstance(value, datetime):
        aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value
