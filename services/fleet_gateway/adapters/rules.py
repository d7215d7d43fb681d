"""The rules of the desk: what may be done to a load, by whom, and what it is afterwards. Pure.

Domain reference 2.2 (assignment epochs), 2.5 (hours age) and 3.2 (the load; own-fleet loads skip tendering).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gladhand.errors import Conflict, FailedPrecondition, Precondition
from logistics.fleet.v1 import Driver, Vehicle
from logistics.fleet.v1.driver_pb2 import DRIVER_STATUS_AVAILABLE, DriverStatus
from logistics.fleet.v1.vehicle_pb2 import (
    VEHICLE_KIND_OTHER,
    VEHICLE_KIND_STRAIGHT_TRUCK,
    VEHICLE_KIND_TRACTOR,
    VEHICLE_KIND_VAN,
    VEHICLE_STATUS_AVAILABLE,
    VEHICLE_STATUS_OUT_OF_SERVICE,
    VehicleStatus,
)
from logistics.load.v1 import Assignment, Load
from logistics.load.v1.load_pb2 import (
    LOAD_STATE_ASSIGNED,
    LOAD_STATE_COMPLETED,
    LOAD_STATE_DISPATCHED,
    LOAD_STATE_PLANNED,
    STOP_KIND_DELIVERY,
    STOP_KIND_PICKUP,
    LoadState,
)
from services.fleet_gateway.adapters.port import Booking
from services.fleet_gateway.planner.demand import capacity_of, volume_of, weight_of
from services.fleet_gateway.planner.draft import moment, point_of
from services.fleet_gateway.planner.feasibility import fits
from services.fleet_gateway.planner.layout import stamp

OPEN: Final = frozenset({LOAD_STATE_PLANNED, LOAD_STATE_ASSIGNED, LOAD_STATE_DISPATCHED})
"""States in which a load may still change."""

_SELF_MOVING: Final = frozenset(
    {VEHICLE_KIND_OTHER, VEHICLE_KIND_TRACTOR, VEHICLE_KIND_STRAIGHT_TRUCK, VEHICLE_KIND_VAN}
)
_HOURS_FRESH_FOR: Final = timedelta(minutes=15)
_SKEW: Final = timedelta(minutes=5)


def unavailable(message: str, **metadata: str) -> FailedPrecondition:
    """Return the refusal VEHICLE_UNAVAILABLE."""
    return FailedPrecondition(message, reason="VEHICLE_UNAVAILABLE", metadata=metadata)


def require_state(load: Load, action: str, allowed: Collection[LoadState.ValueType]) -> None:
    """Raise FailedPrecondition TRANSITION_NOT_ALLOWED where the load's state does not allow the action."""
    if load.state in allowed:
        return
    state, names = LoadState.Name(load.state), ", ".join(sorted(LoadState.Name(value) for value in allowed))
    raise FailedPrecondition(
        f"load {load.load_id} is {state} and cannot be {action}; it would have to be one of {names}",
        preconditions=[Precondition("TRANSITION", load.load_id, f"{state}: {action} needs {names}")],
        metadata={"state": state, "event": action, "load_id": load.load_id},
    )


def require_plan(load: Load, expected: int | None) -> None:
    """Raise Conflict PLAN_VERSION_CONFLICT where another plan is in force; None expects nothing."""
    if expected is not None and expected != load.plan_version:
        raise Conflict(
            f"plan {load.plan_version} of load {load.load_id} is in force, not {expected}; read the load again",
            reason="PLAN_VERSION_CONFLICT",
            metadata={"expected": str(expected), "in_force": str(load.plan_version)},
        )


def in_force(load: Load) -> Assignment | None:
    """Return the assignment without an end; None where there is none."""
    if load.assignments and not load.assignments[-1].HasField("end_time"):
        return load.assignments[-1]
    return None


def require_epoch(load: Load, expected: int | None) -> Assignment:
    """Return the assignment in force. Raises FailedPrecondition EPOCH_MISMATCH where it is not the expected one."""
    current = in_force(load)
    if current is None or (expected is not None and expected != current.epoch):
        found = current.epoch if current else 0
        raise FailedPrecondition(
            f"assignment {found} of load {load.load_id} is in force, not {expected}; read the load again",
            reason="EPOCH_MISMATCH",
            metadata={"epoch": str(expected or 0), "in_force": str(found)},
        )
    return current


def driveable(vehicle: Vehicle) -> bool:
    """Whether the fleet lets the vehicle drive, and a plan knows where from."""
    return (
        vehicle.status == VEHICLE_STATUS_AVAILABLE
        and vehicle.kind in _SELF_MOVING
        and not vehicle.carrier_scac
        and point_of(vehicle.home_site) is not None
    )


def require_vehicle(vehicle: Vehicle, booking: Booking, taken_by: str) -> None:
    """Raise FailedPrecondition VEHICLE_UNAVAILABLE unless the vehicle can drive the load now.

    `taken_by` is the other load that has or keeps the vehicle, empty where none does.
    """
    name, load_id = vehicle.vehicle_id, booking.load.load_id
    if taken_by and taken_by != load_id:
        raise unavailable(f"vehicle {name} is taken by load {taken_by}", vehicle_id=name, load_id=taken_by)
    if not driveable(vehicle):
        status = VehicleStatus.Name(vehicle.status)
        raise unavailable(f"vehicle {name} cannot be used: {status}", vehicle_id=name, load_id=load_id, status=status)
    missing = sorted(booking.features - set(vehicle.features))
    if missing:
        what = ",".join(missing)
        raise unavailable(f"vehicle {name} lacks {what}", vehicle_id=name, load_id=load_id, features=what)
    peak, room = peak_of(booking.load), capacity_of(vehicle)
    if not fits(peak, room):
        raise unavailable(
            f"load {load_id} needs {peak[0]} g and {peak[1]} cm3; vehicle {name} holds {room[0]} g and {room[1]} cm3",
            vehicle_id=name,
            load_id=load_id,
        )


def peak_of(load: Load) -> tuple[int, int]:
    """Return the most grams and cubic centimetres on board at any moment of the plan."""
    loaded = {(task.order_id, task.line_id) for s in load.stops if s.kind == STOP_KIND_PICKUP for task in s.tasks}
    steps: list[tuple[int, int]] = []
    aboard = [0, 0]
    for stop in load.stops:
        for task in stop.tasks:
            weight = weight_of(task.weight) if task.HasField("weight") else 0
            volume = volume_of(task.volume) if task.HasField("volume") else 0
            if stop.kind == STOP_KIND_PICKUP:
                steps.append((weight, volume))
            elif stop.kind == STOP_KIND_DELIVERY:
                steps.append((-weight, -volume))
                if (task.order_id, task.line_id) not in loaded:
                    aboard = [aboard[0] + weight, aboard[1] + volume]
    peak = list(aboard)
    for step in steps:
        aboard = [have + more for have, more in zip(aboard, step, strict=True)]
        peak = [max(pair) for pair in zip(peak, aboard, strict=True)]
    return peak[0], peak[1]


def licensed(driver: Driver, today: datetime) -> bool:
    """Whether the licence holds; one without a known end does."""
    return not driver.license.expire_date or driver.license.expire_date > today.date().isoformat()


def employable(driver: Driver, now: datetime) -> bool:
    """Whether the fleet lets the driver drive."""
    return driver.status == DRIVER_STATUS_AVAILABLE and licensed(driver, now)


def require_driver(driver: Driver, booking: Booking, taken_by: str, now: datetime, *, known_hours: bool) -> None:
    """Raise FailedPrecondition VEHICLE_UNAVAILABLE unless the driver can drive the load now.

    Fresh hours must cover the plan. Stale or missing ones are unknown, never enough: with `known_hours` they refuse
    the driver, without it hours are somebody else's to watch.
    """
    name, load_id = driver.driver_id, booking.load.load_id
    if taken_by and taken_by != load_id:
        raise unavailable(f"driver {name} is taken by load {taken_by}", driver_id=name, load_id=taken_by)
    if not licensed(driver, now):
        raise unavailable(f"the licence of driver {name} has expired", driver_id=name, load_id=load_id)
    if not employable(driver, now):
        status = DriverStatus.Name(driver.status)
        raise unavailable(f"driver {name} cannot drive: {status}", driver_id=name, load_id=load_id, status=status)
    hours = driver.hours_of_service
    fresh_for = hours.fresh_for.ToTimedelta() if hours.HasField("fresh_for") else _HOURS_FRESH_FOR
    fresh = driver.HasField("hours_of_service") and now < moment(hours.as_of_time) + fresh_for
    if not fresh or not hours.HasField("shift_remaining"):
        if known_hours:
            raise unavailable(f"the hours of driver {name} are unknown", driver_id=name, load_id=load_id)
        return
    if hours.shift_remaining.ToTimedelta() < booking.load.figures.duration.ToTimedelta():
        raise unavailable(f"driver {name} has too few hours left for the load", driver_id=name, load_id=load_id)


def crewed(vehicles: Sequence[Vehicle], kept: Iterable[Vehicle], drivers: Sequence[Driver]) -> list[Vehicle]:
    """Return the vehicles for which a driver is left, when the kept ones take theirs first.

    Each takes its usual driver where free; the others then take who remains.
    """
    free = {driver.driver_id for driver in drivers}
    wanting: list[Vehicle] = []
    manned: set[str] = set()
    crews = [*kept, *vehicles]
    for vehicle in crews:
        if vehicle.usual_driver_id in free:
            free.remove(vehicle.usual_driver_id)
            manned.add(vehicle.vehicle_id)
        else:
            wanting.append(vehicle)
    manned |= {vehicle.vehicle_id for vehicle in wanting[: len(free)]}
    return [vehicle for vehicle in vehicles if vehicle.vehicle_id in manned]


def choose_driver(vehicle: Vehicle, free: Sequence[Driver], usual: Mapping[str, str]) -> Driver | None:
    """Return the vehicle's usual driver, else one who is nobody's usual driver, else the first; None where none is.

    `free` is by id; `usual` maps drivers to the vehicle that they usually drive.
    """
    own = next((driver for driver in free if driver.driver_id == vehicle.usual_driver_id), None)
    spare = next((driver for driver in free if driver.driver_id not in usual), None)
    return own or spare or next(iter(free), None)


def _changed(booking: Booking) -> tuple[Booking, Load]:
    load = Load()
    load.CopyFrom(booking.load)
    return replace(booking, load=load, hold_until=None), load


def assigned(booking: Booking, vehicle_id: str, driver_id: str, now: datetime, reason: str = "") -> Booking:
    """Return the load with a new assignment in force and the one before it, if any, ended."""
    changed, load = _changed(booking)
    current = in_force(load)
    if current is not None:
        current.end_time.CopyFrom(stamp(now))
    load.assignments.append(
        Assignment(
            epoch=load.assignments[-1].epoch + 1 if load.assignments else 1,
            vehicle_id=vehicle_id,
            driver_ids=[driver_id],
            start_time=stamp(now),
            reason=reason,
        )
    )
    load.planned_vehicle_id = vehicle_id
    load.state = LOAD_STATE_ASSIGNED
    load.ClearField("dispatch_reference")
    return changed


def dispatched(booking: Booking, reference: str) -> Booking:
    """Return the load on its way."""
    changed, load = _changed(booking)
    load.state = LOAD_STATE_DISPATCHED
    load.dispatch_reference = reference
    return changed


def ended(booking: Booking, state: LoadState.ValueType, at: datetime) -> Booking:
    """Return the load ended, its assignment too."""
    changed, load = _changed(booking)
    current = in_force(load)
    if current is not None:
        current.end_time.CopyFrom(stamp(max(at, moment(current.start_time))))
    load.state = state
    return changed


def replanned(booking: Booking, load: Load, features: frozenset[str]) -> Booking:
    """Return the load under a new plan, whose added goods need `features`.

    Assignment and state stay, and a proposal stays one.
    """
    changed, fresh = _changed(booking)
    fresh.ClearField("stops")
    fresh.stops.extend(load.stops)
    fresh.plan_version = booking.load.plan_version + 1
    fresh.figures.CopyFrom(load.figures)
    return replace(changed, hold_until=booking.hold_until, features=booking.features | features)


def cancellable(booking: Booking) -> None:
    """Raise FailedPrecondition CANCEL_NOT_POSSIBLE where the load is completed."""
    if booking.load.state == LOAD_STATE_COMPLETED:
        state = LoadState.Name(booking.load.state)
        raise FailedPrecondition(
            f"load {booking.load.load_id} is completed and cannot be cancelled; a return needs a load of its own",
            reason="CANCEL_NOT_POSSIBLE",
            metadata={"state": state, "remedy": "return"},
        )


def too_early(at: datetime, now: datetime) -> bool:
    """Whether a time lies further ahead than clocks may differ."""
    return at > now + _SKEW


def already(current: Assignment, vehicle_id: str, driver_id: str) -> bool:
    """Whether the assignment in force is what is asked for; an empty id asks for nothing."""
    return vehicle_id in ("", current.vehicle_id) and driver_id in ("", *current.driver_ids)


def registered(vehicle: Vehicle, known: Vehicle | None) -> Vehicle:
    """Return a vehicle as it is to be written: its first registration sets the status, later ones leave it."""
    return vehicle if known is None else with_status(vehicle, known.status)


def with_status(vehicle: Vehicle, status: VehicleStatus.ValueType) -> Vehicle:
    """Return the vehicle with another status."""
    changed = Vehicle()
    changed.CopyFrom(vehicle)
    changed.status = status
    return changed


def require_settable(vehicle: Vehicle, status: VehicleStatus.ValueType, taken_by: str) -> None:
    """Raise FailedPrecondition where a vehicle on a load is to be anything but out of service."""
    if taken_by and status not in (VEHICLE_STATUS_OUT_OF_SERVICE, vehicle.status):
        name = vehicle.vehicle_id
        raise unavailable(
            f"vehicle {name} is on load {taken_by}; reassign or end the load first", vehicle_id=name, load_id=taken_by
        )
