"""Whether a driver has hours enough for what is left of a load (domain reference 2.5; pure).

What is not known is not enough, and what was known too long ago is not known.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from logistics.fleet.v1 import Driver, HosRuleset, HoursOfService
from logistics.load.v1 import Assignment, HoursCheck, HoursVerdict, Load
from logistics.process.v1 import DriverHoursPolicy
from services.orchestrator.deciders.load.hours import enough
from services.orchestrator.deciders.load.road import ENDED

_FRESH_FOR: Final = timedelta(minutes=15)


def due(assignment: Assignment, policy: DriverHoursPolicy, now: datetime) -> bool:
    """Return whether hours must be judged before this assignment is dispatched now."""
    if not policy.required or assignment.hours.overridden_by:
        return False
    return not enough(assignment) or now >= _until(assignment.hours.as_of_time, policy, None)


def judge(driver: Driver | None, load: Load, policy: DriverHoursPolicy, now: datetime) -> HoursCheck:
    """Return whether the driver in charge can end the load within the hours left. `driver` is None where unknown."""
    check = HoursCheck(driver_id=load.assignments[-1].driver_ids[0] if load.assignments[-1].driver_ids else "")
    needed = needed_for(load, now)
    if needed is not None:
        check.needed.FromTimedelta(needed + policy.margin.ToTimedelta())
    hours = driver.hours_of_service if driver is not None else HoursOfService()
    for name in ("shift_remaining", "drive_remaining", "as_of_time"):
        if hours.HasField(name):
            getattr(check, name).CopyFrom(getattr(hours, name))
    check.verdict, check.message = _verdict(hours, check, load, policy, now)
    return check


def needed_for(load: Load, now: datetime) -> timedelta | None:
    """Return how long what is left of a load takes; None where the plan does not say."""
    begun = any(stop.state in ENDED or stop.HasField("arrival") for stop in load.stops)
    if not begun and load.figures.HasField("duration"):
        return load.figures.duration.ToTimedelta()
    ends = [
        stop.planned_departure_time.ToDatetime(tzinfo=UTC)
        for stop in load.stops
        if stop.state not in ENDED and stop.HasField("planned_departure_time")
    ]
    starts = [
        stop.planned_arrival_time.ToDatetime(tzinfo=UTC)
        for stop in load.stops
        if stop.state not in ENDED and stop.HasField("planned_arrival_time")
    ]
    if not ends:
        return load.figures.duration.ToTimedelta() if load.figures.HasField("duration") else None
    # A plan that is late takes at least as long as it would have taken from its first open stop.
    return max(max(ends) - now, max(ends) - min(starts, default=max(ends)), timedelta(0))


def _verdict(
    hours: HoursOfService, check: HoursCheck, load: Load, policy: DriverHoursPolicy, now: datetime
) -> tuple[HoursVerdict.ValueType, str]:
    who = f"driver {check.driver_id or 'nobody'}"
    if hours.ruleset == HosRuleset.HOS_RULESET_EXEMPT:
        return HoursVerdict.HOURS_VERDICT_ENOUGH, ""
    if not hours.HasField("as_of_time") or not _known(hours):
        return HoursVerdict.HOURS_VERDICT_UNKNOWN, f"the hours of {who} are unknown; let the log be sent"
    if now >= _until(hours.as_of_time, policy, hours.fresh_for if hours.HasField("fresh_for") else None):
        since = hours.as_of_time.ToJsonString()
        return HoursVerdict.HOURS_VERDICT_STALE, f"the hours of {who} are of {since}; let the log be sent anew"
    if hours.violations:
        what = ", ".join(hours.violations[:3])
        return HoursVerdict.HOURS_VERDICT_TOO_SHORT, f"{who} is in violation: {what}"[:1000]
    if not check.HasField("needed"):
        return HoursVerdict.HOURS_VERDICT_UNKNOWN, "the plan does not say how long the load takes; plan it with times"
    needed = check.needed.ToTimedelta()
    at_stops = sum(
        (stop.service_duration.ToTimedelta() for stop in load.stops if stop.state not in ENDED), timedelta(0)
    )
    demands = [("shift", hours.shift_remaining, needed), ("driving", hours.drive_remaining, needed - at_stops)]
    if hours.HasField("cycle_remaining"):
        demands.append(("cycle", hours.cycle_remaining, needed))
    for name, left, wanted in demands:
        if left.ToTimedelta() < wanted:
            words = f"{who} has {_words(left.ToTimedelta())} of {name} left and needs {_words(wanted)}"
            return HoursVerdict.HOURS_VERDICT_TOO_SHORT, f"{words}; name another driver, or plan a shorter load"
    return HoursVerdict.HOURS_VERDICT_ENOUGH, ""


def _known(hours: HoursOfService) -> bool:
    return hours.HasField("shift_remaining") and hours.HasField("drive_remaining")


def _until(as_of: Timestamp, policy: DriverHoursPolicy, told: Duration | None) -> datetime:
    """Return until when hours count, excluded: as the policy says, and never longer than whoever told them says."""
    allowed = policy.fresh_for.ToTimedelta() if policy.HasField("fresh_for") else _FRESH_FOR
    return as_of.ToDatetime(tzinfo=UTC) + (min(allowed, told.ToTimedelta()) if told is not None else allowed)


def _words(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // 60
    return f"{minutes // 60} h {minutes % 60:02d} min"
