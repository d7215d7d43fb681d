"""What the temperatures of one ride amount to: a fold over its samples (pure).

Samples are put in order of occurrence first, so neither the order in which they come nor duplicates matter. A value
holds until the next one, but never for longer than samples may lie apart: a longer pause is a gap, which is never
counted as in range. Out of range before and after a gap is out of range in between; out of range before it alone
counts for as long as a value may hold. Times are nanoseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from itertools import pairwise
from typing import Final, NamedTuple

from logistics.exception.v1 import ColdChainVerdict
from logistics.type.v1 import DecidingProbe, TemperatureProfile

__all__ = ["Gap", "Judgement", "Kind", "Rules", "Sample", "Span", "judge"]

_MINUTE: Final = 60 * 1_000_000_000
_CONSECUTIVE, _CUMULATIVE, _GAP = 30 * _MINUTE, 60 * _MINUTE, 20 * _MINUTE
_ZERO: Final = Decimal(0)


class Kind(Enum):
    """What a sample tells of."""

    CARGO = "cargo"
    RETURN_AIR = "return air"
    SUPPLY_AIR = "supply air"
    SETPOINT = "setpoint"
    DOOR = "door"
    """The value is 1 where it was opened, 0 where it was closed."""


class Sample(NamedTuple):
    """One sample of one sensor."""

    at: int
    sample_id: str
    kind: Kind
    sensor: str
    """Tells several sensors of a kind apart; empty where there is one."""
    celsius: Decimal
    received: int
    evidence: str = ""
    """The message that it came with."""

    @property
    def probe(self) -> str:
        """How people name the sensor."""
        return f"{self.kind.value}/{self.sensor}" if self.sensor else self.kind.value


@dataclass(frozen=True, slots=True)
class Rules:
    """A profile with every limit filled in."""

    lowest: Decimal
    highest: Decimal
    consecutive: int = _CONSECUTIVE
    cumulative: int = _CUMULATIVE
    gap: int = _GAP
    probe: DecidingProbe.ValueType = DecidingProbe.DECIDING_PROBE_WORST

    @classmethod
    def of(cls, profile: TemperatureProfile) -> Rules:
        """Read a profile. A limit that it leaves open is the policy's default; whoever plans a load fills them in."""
        tolerance = _decimal(profile.tolerance_celsius)
        return cls(
            lowest=_decimal(profile.min_celsius) - tolerance,
            highest=_decimal(profile.max_celsius) + tolerance,
            consecutive=profile.consecutive_limit.ToNanoseconds() or _CONSECUTIVE,
            cumulative=profile.cumulative_limit.ToNanoseconds() or _CUMULATIVE,
            gap=profile.min_sample_interval.ToNanoseconds() or _GAP,
            probe=profile.deciding_probe or DecidingProbe.DECIDING_PROBE_WORST,
        )

    def beyond(self, celsius: Decimal) -> Decimal:
        """Return how far a value is out of range; negative is how far it is from leaving it."""
        return max(self.lowest - celsius, celsius - self.highest)

    def out(self, celsius: Decimal) -> bool:
        """Return whether a value is out of range."""
        return self.beyond(celsius) > _ZERO


class Span(NamedTuple):
    """The time on board. `end` None means that it goes on."""

    start: int
    end: int | None


class Gap(NamedTuple):
    """A stretch without samples. `end` None means that nothing was heard since."""

    start: int
    end: int | None


class Point(NamedTuple):
    """The deciding value at one time."""

    at: int
    celsius: Decimal
    sample_id: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the samples amount to."""

    verdict: ColdChainVerdict.ValueType
    gaps: tuple[Gap, ...]
    coverage_percent: int
    longest: int
    cumulative: int
    out_start: int | None = None
    out_end: int | None = None
    breach: int | None = None
    peak: Point | None = None
    points: tuple[Point, ...] = ()
    considered: tuple[Sample, ...] = ()
    """Every sample of the ride, in order."""

    @property
    def sensor_lost(self) -> bool:
        """Whether samples lie, or are now, farther apart than they may."""
        return bool(self.gaps)


def judge(rules: Rules, span: Span, samples: Iterable[Sample], now: int) -> Judgement:
    """Judge a ride by its samples, at a moment. Samples beyond the span, and later than now, are left out."""
    end = now if span.end is None else min(span.end, now)
    unique = {sample.sample_id: sample for sample in samples if span.start <= sample.at <= end}
    considered = sorted(unique.values(), key=lambda each: (each.at, rules.beyond(each.celsius), each.sample_id))
    points = _deciding(rules, considered)
    walk = _Walk(rules)
    over = span.end is not None and span.end <= now
    if points:
        walk.step(span.start, points[0].at, None, points[0])
        for here, there in pairwise(points):
            walk.step(here.at, there.at, here, there)
        walk.last(points[-1], end, over=over)
    elif over or end - span.start > rules.gap:
        walk.gaps.append(Gap(span.start, end if over else None))
        walk.elapsed = max(end - span.start, 1)
    peak = max(points, key=lambda point: (rules.beyond(point.celsius), -point.at), default=None)
    return Judgement(
        verdict=walk.verdict(points[-1] if points else None, over=over),
        gaps=tuple(walk.gaps),
        coverage_percent=walk.coverage(),
        longest=walk.longest,
        cumulative=walk.cumulative,
        out_start=walk.out_start,
        out_end=walk.out_end,
        breach=walk.breach,
        peak=peak,
        points=tuple(points),
        considered=tuple(considered),
    )


@dataclass(slots=True)
class _Walk:
    """Goes along the deciding values and sums up."""

    rules: Rules
    gaps: list[Gap] = field(default_factory=list)
    elapsed: int = 0
    covered: int = 0
    running: int = 0
    """How long the present stretch out of range has lasted."""
    longest: int = 0
    cumulative: int = 0
    out_start: int | None = None
    out_end: int | None = None
    breach: int | None = None

    def step(self, start: int, end: int, before: Point | None, after: Point) -> None:
        """Take the stretch between two values; `before` None is the time before the first one."""
        length = end - start
        self.elapsed += length
        lost = length > self.rules.gap
        if lost:
            self.gaps.append(Gap(start, end))
        else:
            self.covered += length
        back = not self.rules.out(after.celsius)
        if before is not None and self.rules.out(before.celsius):
            self._out(start, min(length, self.rules.gap) if lost and back else length)
            if back:
                self._came_back(min(end, start + self.rules.gap) if lost else end)
        if not back and self.out_start is None:
            self.out_start = after.at
        if not back:
            self.out_end = None

    def last(self, point: Point, end: int, *, over: bool) -> None:
        """Take what follows the newest value. While the ride goes on, only what has been heard counts."""
        length = end - point.at
        if length > self.rules.gap:
            self.gaps.append(Gap(point.at, end if over else None))
            self.elapsed += length
            length = self.rules.gap
        elif over:
            self.elapsed += length
            self.covered += length
        else:
            return
        if self.rules.out(point.celsius):
            self._out(point.at, length)

    def verdict(self, newest: Point | None, *, over: bool) -> ColdChainVerdict.ValueType:
        """Return what it all amounts to."""
        if self.breach is not None:
            return ColdChainVerdict.COLD_CHAIN_VERDICT_BREACH
        if self.out_start is None:
            return ColdChainVerdict.COLD_CHAIN_VERDICT_IN_RANGE
        if newest is not None and self.rules.out(newest.celsius) and not over:
            return ColdChainVerdict.COLD_CHAIN_VERDICT_OUT_OF_RANGE
        return ColdChainVerdict.COLD_CHAIN_VERDICT_NEAR_MISS

    def coverage(self) -> int:
        """Return the covered share in percent, rounded down. Where no time has passed, nothing is missing."""
        return self.covered * 100 // self.elapsed if self.elapsed else 100

    def _out(self, start: int, length: int) -> None:
        room = min(self.rules.consecutive - self.running, self.rules.cumulative - self.cumulative)
        if self.breach is None and length > room:
            self.breach = start + max(room, 0)
        self.running += length
        self.cumulative += length
        self.longest = max(self.longest, self.running)

    def _came_back(self, at: int) -> None:
        self.running = 0
        self.out_end = at


def _deciding(rules: Rules, samples: Sequence[Sample]) -> list[Point]:
    """Return the value that decides at each time at which a deciding probe told something."""
    wanted = Kind.RETURN_AIR if rules.probe == DecidingProbe.DECIDING_PROBE_RETURN_AIR else Kind.CARGO
    if wanted is Kind.CARGO and not any(sample.kind is Kind.CARGO for sample in samples):
        wanted = Kind.RETURN_AIR
    newest: dict[str, Sample] = {}
    points: list[Point] = []
    for sample in samples:
        if sample.kind is not wanted:
            continue
        newest[sample.sensor] = sample
        point = _point(rules, sample.at, newest)
        if points and points[-1].at == sample.at:
            points[-1] = point
        else:
            points.append(point)
    return points


def _point(rules: Rules, at: int, newest: Mapping[str, Sample]) -> Point:
    """Return the deciding value at a time, by the probes that still count then."""
    heard = [sample for sample in newest.values() if at - sample.at <= rules.gap]
    worst = max(heard, key=lambda each: (rules.beyond(each.celsius), each.at, each.sample_id))
    if rules.probe == DecidingProbe.DECIDING_PROBE_MEAN:
        return Point(at, sum((each.celsius for each in heard), _ZERO) / len(heard), worst.sample_id)
    return Point(at, worst.celsius, worst.sample_id)


def _decimal(value: float) -> Decimal:
    return Decimal(repr(value))
