"""What becomes of positions between the satellite and the server: trackers repeat, mix up, hold back and lie."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from examples.denver.roads import Place
from examples.denver.trip import Fix, Trip

REPEATED: Final = 0.03
SWAPPED: Final = 0.03
HELD_BACK: Final = 8
"""How many positions a tracker sends in one burst after it had no network."""
FUTURE_S: Final = 2 * 86_400.0
_RESEND_S: Final = 7.0


class Kind(StrEnum):
    """What happened to the position."""

    CLEAN = "clean"
    REPEATED = "repeated"
    LATE = "late"
    BUFFERED = "buffered"
    FUTURE = "future"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Sending:
    """A position as it is sent: `at` is the second of the trip at which it leaves the tracker.

    `buffered` is what the tracker itself says of it, so it stays when the position is sent again.
    """

    at: float
    fix: Fix
    kind: Kind
    buffered: bool = False


def disturb(trip: Trip, chance: random.Random) -> list[Sending]:
    """Every position of the trip as a poor tracker sends it, in the order of sending. None is lost."""
    sendings = [Sending(fix.at, fix, Kind.CLEAN) for fix in trip.fixes]
    sendings = _hold_back(sendings, trip, chance)
    disturbed: list[Sending] = []
    for sending in sendings:
        draw = chance.random()
        if sending.kind is Kind.CLEAN and draw < SWAPPED:
            disturbed.append(Sending(sending.at + _RESEND_S, sending.fix, Kind.LATE))
            continue
        disturbed.append(sending)
        if draw > 1 - REPEATED:
            disturbed.append(replace(sending, at=sending.at + 1.0, kind=Kind.REPEATED))
    disturbed.extend(_lies(trip, chance))
    return sorted(disturbed, key=lambda each: each.at)


def _hold_back(sendings: Sequence[Sending], trip: Trip, chance: random.Random) -> list[Sending]:
    """Let a stretch of the drive, away from every stop, arrive in one burst."""
    still = [_stands(trip, sending.at, margin=40.0) for sending in sendings]
    moving = [index for index in range(len(sendings) - HELD_BACK) if not any(still[index : index + HELD_BACK + 1])]
    if not moving:
        return list(sendings)
    first = chance.choice(moving)
    release = sendings[first + HELD_BACK].at
    return [
        Sending(release + 0.01 * (index - first), sending.fix, Kind.BUFFERED, buffered=True)
        if first <= index < first + HELD_BACK
        else sending
        for index, sending in enumerate(sendings)
    ]


def _stands(trip: Trip, at: float, margin: float) -> bool:
    return any(start - margin <= at <= end + margin for start, end in trip.stands)


def _lies(trip: Trip, chance: random.Random) -> list[Sending]:
    """One position from the future and one from where no road is, both to be refused."""
    if not trip.fixes:
        return []
    ahead, nowhere = chance.choice(trip.fixes), chance.choice(trip.fixes)
    return [
        Sending(ahead.at + 0.5, Fix(ahead.at + FUTURE_S, ahead.place, ahead.speed_mps, ahead.course), Kind.FUTURE),
        Sending(nowhere.at + 0.6, Fix(nowhere.at + 0.6, Place(0.0, 0.0), 0.0, 0.0), Kind.NOWHERE),
    ]
