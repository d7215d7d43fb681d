"""How goods on a load must be kept stays with them, whatever a planner makes of the load (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from logistics.load.v1 import Load, Stop


def kept_cold(load: Load, stops: Sequence[Stop]) -> list[Stop]:
    """Return stops whose tasks have the profiles that the load knows; a task that brings its own keeps it."""
    profiles = {
        (task.order_id, task.line_id): task.profile
        for stop in load.stops
        for task in stop.tasks
        if task.HasField("profile")
    }
    if not profiles:
        return list(stops)
    kept = []
    for stop in stops:
        told = Stop()
        told.CopyFrom(stop)
        for task in told.tasks:
            profile = profiles.get((task.order_id, task.line_id))
            if profile is not None and not task.HasField("profile"):
                task.profile.CopyFrom(profile)
        kept.append(told)
    return kept
