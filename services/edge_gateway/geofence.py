"""Arrivals and departures from positions: a fold in order of occurrence, so that order of arrival is no matter (pure).

A vehicle has arrived when it stayed within a stop's fence for a dwell of its positions' own time, and left when it
stayed beyond a wider one (hysteresis), so that neither passing by nor a jittering receiver makes an event (domain
reference 3.3). Each stop counts once for each assignment epoch; stops are visited in any order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from services.edge_gateway.filters import distance_m

__all__ = ["Fence", "FenceKey", "FenceRules", "Fix", "Track", "Visit", "visits"]


@dataclass(frozen=True, slots=True)
class FenceRules:
    """When a position counts as presence. Seconds are seconds of the positions' own time."""

    radius_m: float = 150.0
    """Radius of a fence whose place tells none."""

    exit_factor: float = 1.3
    """How much wider the circle is that must be left."""

    dwell_s: float = 120.0
    """How long a vehicle must stay to have arrived."""

    still_dwell_s: float = 60.0
    """How long it must stay where it stands still all the while."""

    still_mps: float = 0.5
    """Metres per second up to which a vehicle stands still. Without a speed it is not known to stand."""

    exit_s: float = 30.0
    """How long it must stay outside to have left."""


class FenceKey(NamedTuple):
    """What a visit is a visit of."""

    load_id: str
    stop_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Fence:
    """A stop that one vehicle is to visit under one assignment. Times are seconds since 1970."""

    load_id: str
    stop_id: str
    epoch: int
    vehicle_id: str
    pickup: bool
    """Whether goods are loaded here; otherwise they are unloaded."""
    latitude: float
    longitude: float
    radius_m: float
    start: float
    """From when on presence counts, included."""
    end: float
    """Until when presence counts, excluded."""

    @property
    def key(self) -> FenceKey:
        """The load, the stop and the assignment."""
        return FenceKey(self.load_id, self.stop_id, self.epoch)


class Fix(NamedTuple):
    """One position of a vehicle. Sorts by the time it was taken, then by its id."""

    at: float
    """Seconds since 1970 by the sensor's clock."""
    position_id: str
    latitude: float
    longitude: float
    speed_mps: float | None = None
    received: float = 0.0
    evidence: str = ""
    """Where the raw message is kept."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A stay at a stop."""

    fence: Fence
    entered: Fix
    """The first position within the fence: the arrival."""
    confirmed: Fix
    """The position that made the stay long enough."""
    last_inside: Fix
    """The last position within the wider circle so far; the departure once `left` is set."""
    left: Fix | None
    """The position that made the absence long enough; None while the vehicle is there."""


@dataclass(frozen=True, slots=True)
class _Presence:
    """How far one fence's story has come."""

    entered: Fix | None = None
    still_since: Fix | None = None
    last_inside: Fix | None = None
    confirmed: Fix | None = None
    outside_since: Fix | None = None
    left: Fix | None = None


_ABSENT = _Presence()
_State = tuple[_Presence, ...]


def _step(presence: _Presence, fence: Fence, fix: Fix, rules: FenceRules) -> _Presence:
    if presence.left is not None or not fence.start <= fix.at < fence.end:
        return presence
    away = distance_m(fence.latitude, fence.longitude, fix.latitude, fix.longitude)
    still = fix.speed_mps is not None and fix.speed_mps <= rules.still_mps
    if presence.entered is None:
        if away > fence.radius_m:
            return presence
        return _Presence(entered=fix, still_since=fix if still else None, last_inside=fix)
    if away <= fence.radius_m * rules.exit_factor:
        since = (presence.still_since or fix) if still else None
        dwelt = fix.at - presence.entered.at >= rules.dwell_s or (
            since is not None and fix.at - since.at >= rules.still_dwell_s
        )
        return replace(
            presence,
            still_since=since,
            last_inside=fix,
            confirmed=presence.confirmed or (fix if dwelt else None),
            outside_since=None,
        )
    if presence.confirmed is None:
        return _ABSENT  # it passed by
    since = presence.outside_since or fix
    return replace(presence, outside_since=since, left=fix if fix.at - since.at >= rules.exit_s else None)


def _fold(state: _State, fences: Sequence[Fence], fix: Fix, rules: FenceRules) -> _State:
    stepped = tuple(_step(presence, fence, fix, rules) for presence, fence in zip(state, fences, strict=True))
    return state if all(new is old for new, old in zip(stepped, state, strict=True)) else stepped


def _visits(state: _State, fences: Sequence[Fence]) -> list[Visit]:
    return [
        Visit(fence, presence.entered, presence.confirmed, presence.last_inside, presence.left)
        for presence, fence in zip(state, fences, strict=True)
        if presence.entered is not None and presence.confirmed is not None and presence.last_inside is not None
    ]


def visits(fences: Sequence[Fence], fixes: Sequence[Fix], rules: FenceRules) -> list[Visit]:
    """Return the visits that positions, given in any order and with any repetition, amount to."""
    state: _State = (_ABSENT,) * len(fences)
    for fix in sorted(set(fixes)):
        state = _fold(state, fences, fix, rules)
    return _visits(state, fences)


class Track:
    """The newest positions of one vehicle, sorted by occurrence, and the fold over them.

    A position that comes in order costs one step; one that comes late is put in its place and what lies behind it is
    folded again. Bounded by `most_fixes` and `window_s`: what falls out is final, and a position older than that
    counts for nothing here.
    """

    def __init__(self, rules: FenceRules, *, most_fixes: int = 5000, window_s: float = 6 * 3600.0) -> None:
        self._rules = rules
        self._most = most_fixes
        self._window_s = window_s
        self._fences: tuple[Fence, ...] = ()
        self._fixes: list[Fix] = []
        self._ids: set[str] = set()
        self._base: _State = ()
        self._states: list[_State] = []
        self._sealed_until = float("-inf")

    @property
    def fences(self) -> tuple[Fence, ...]:
        """The fences watched now."""
        return self._fences

    @property
    def reaches_back_to(self) -> float:
        """Seconds since 1970 before which a position counts for nothing, minus infinity where none has come."""
        return self._fixes[-1].at - self._window_s if self._fixes else self._sealed_until

    def add(self, fix: Fix) -> bool:
        """Take in a position; return whether anything is new. False for a known one and one that is too late."""
        if fix.position_id in self._ids or fix.at <= self._sealed_until:
            return False
        index = bisect_left(self._fixes, fix)
        self._fixes.insert(index, fix)
        self._ids.add(fix.position_id)
        self._refold(index)
        self._trim()
        return True

    def watch(self, fences: Sequence[Fence]) -> bool:
        """Watch other fences and fold anew; return whether they differ from before.

        What had become final of a fence stays, also where its end has moved meanwhile.
        """
        wanted = tuple(sorted(set(fences), key=lambda fence: fence.key))
        if wanted == self._fences:
            return False
        known = {fence.key: presence for fence, presence in zip(self._fences, self._base, strict=True)}
        self._base = tuple(known.get(fence.key, _ABSENT) for fence in wanted)
        self._fences = wanted
        self._refold(0)
        return True

    def visits(self) -> list[Visit]:
        """Return the visits known now."""
        return _visits(self._states[-1] if self._states else self._base, self._fences)

    def _refold(self, index: int) -> None:
        del self._states[index:]
        state = self._states[-1] if self._states else self._base
        for fix in self._fixes[index:]:
            state = _fold(state, self._fences, fix, self._rules)
            self._states.append(state)

    def _trim(self) -> None:
        keep_from = self._fixes[-1].at - self._window_s
        surplus = max(0, len(self._fixes) - self._most)
        while surplus < len(self._fixes) and self._fixes[surplus].at < keep_from:
            surplus += 1
        if not surplus:
            return
        self._base = self._states[surplus - 1]
        self._sealed_until = self._fixes[surplus - 1].at
        self._ids.difference_update(fix.position_id for fix in self._fixes[:surplus])
        del self._fixes[:surplus]
        del self._states[:surplus]
