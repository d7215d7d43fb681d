"""What is told about a ride: when its verdict changes, and at its end; never for each sample (pure).

The id of a finding follows from what it says, and its revision from what was told before, so that telling it again
after a restart changes nothing. Where samples are no longer known, what was told on them is left standing: it may get
worse, never better.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from uuid import uuid5

from logistics.exception.v1 import (
    ColdChainFigures,
    ColdChainFinding,
    ColdChainVerdict,
    CurvePoint,
    CurvePointKind,
    ProbeFigures,
    SensorGap,
)
from services.edge_gateway.cold_chain.judging import Judgement, Kind, Point, Sample
from services.edge_gateway.cold_chain.rides import Ride, RideKey
from services.edge_gateway.report import EDGE_NAMESPACE

__all__ = ["SUBJECT_END", "Told", "figures_of", "news", "subject_of"]

SUBJECT_END: Final = "cold_chain"
"""The last token of the subjects of findings."""

_MOST_GAPS: Final = 50
_MOST_EVIDENCE: Final = 20
_BUCKETS: Final = 48
_MOST_CHANGES: Final = 18

_CURVES = {
    Kind.SETPOINT: CurvePointKind.CURVE_POINT_KIND_SETPOINT,
    Kind.SUPPLY_AIR: CurvePointKind.CURVE_POINT_KIND_SUPPLY_AIR,
}


class Told:
    """The newest finding about each ride; rebuilt from the stream of observations at start."""

    def __init__(self) -> None:
        self._newest: dict[RideKey, ColdChainFinding] = {}

    def __len__(self) -> int:
        return len(self._newest)

    def learn(self, finding: ColdChainFinding) -> None:
        """Take in a finding that is published."""
        key = RideKey(finding.load_id, finding.order_id, finding.line_id)
        known = self._newest.get(key)
        if known is None or known.revision < finding.revision:
            self._newest[key] = finding

    def of(self, key: RideKey) -> ColdChainFinding | None:
        """Return what was last told of a ride, None where that is nothing."""
        return self._newest.get(key)


def news(
    ride: Ride, judged: Judgement, last: ColdChainFinding | None, *, now: int, region: str, complete: bool
) -> ColdChainFinding | None:
    """Return what is to be told of a ride, None where that is nothing new.

    `complete` says whether every sample of the ride is still known.
    """
    over = ride.span.end is not None and ride.span.end <= now
    finding = ColdChainFinding(
        load_id=ride.key.load_id,
        order_id=ride.key.order_id,
        line_id=ride.key.line_id,
        revision=last.revision + 1 if last is not None else 1,
        verdict=judged.verdict,
        sensor_lost=judged.sensor_lost,
        ride_over=over,
        vehicle_ids=list(dict.fromkeys(leg.vehicle_id for leg in ride.legs)),
        profile=ride.profile,
        figures=figures_of(ride, judged),
        region=region,
    )
    if last is not None and not complete:
        _keep_what_stood(finding, last)
    if not _differs(finding, last):
        return None
    said = finding.SerializeToString(deterministic=True).hex()
    finding.finding_id = str(uuid5(EDGE_NAMESPACE, f"cold_chain/{said}"))
    finding.judge_time.FromNanoseconds(now)
    return finding


def subject_of(finding: ColdChainFinding) -> str:
    """Return where a finding is published."""
    return f"logistics.observation.{finding.region}.{finding.load_id}.{SUBJECT_END}"


def figures_of(ride: Ride, judged: Judgement) -> ColdChainFigures:
    """Return the figures behind a judgement, with the sample watermark."""
    figures = ColdChainFigures(
        coverage_percent=judged.coverage_percent,
        samples=len(judged.considered),
        probes=_probes(judged.considered),
        gaps=[_gap(start, end) for start, end in judged.gaps[:_MOST_GAPS]],
        evidence_ids=_evidence(judged),
        curve=_curve(judged),
    )
    figures.ride_start_time.FromNanoseconds(ride.span.start)
    figures.longest.FromNanoseconds(judged.longest)
    figures.cumulative.FromNanoseconds(judged.cumulative)
    for field, at in (
        (figures.ride_end_time, ride.span.end),
        (figures.out_start_time, judged.out_start),
        (figures.out_end_time, judged.out_end),
        (figures.breach_time, judged.breach),
        (figures.peak_time, judged.peak.at if judged.peak is not None else None),
        (figures.newest_sample_time, max((each.at for each in judged.considered), default=None)),
        (figures.newest_receive_time, max((each.received for each in judged.considered), default=None)),
    ):
        if at is not None:
            field.FromNanoseconds(at)
    if judged.peak is not None:
        figures.peak_celsius = _degrees(judged.peak)
    return figures


def _differs(finding: ColdChainFinding, last: ColdChainFinding | None) -> bool:
    if last is None:
        fine = finding.verdict == ColdChainVerdict.COLD_CHAIN_VERDICT_IN_RANGE and not finding.sensor_lost
        return finding.ride_over or not fine
    if finding.ride_over:
        return _gist(finding) != _gist(last) or finding.figures != last.figures
    return _gist(finding) != _gist(last)


def _gist(finding: ColdChainFinding) -> tuple[object, ...]:
    figures = finding.figures
    back = figures.HasField("out_end_time")
    silent = [gap.HasField("end_time") for gap in figures.gaps]
    return finding.verdict, finding.sensor_lost, finding.ride_over, back, silent


def _keep_what_stood(finding: ColdChainFinding, last: ColdChainFinding) -> None:
    """Let a finding on a part of the samples make nothing better than one on all of them."""
    coverage = last.figures.coverage_percent
    if last.ride_over:
        finding.sensor_lost = last.sensor_lost
    else:
        finding.sensor_lost = finding.sensor_lost or last.sensor_lost
        coverage = min(finding.figures.coverage_percent, coverage)
    if finding.verdict <= last.verdict:
        figures = ColdChainFigures()
        figures.CopyFrom(last.figures)
        if finding.ride_over and not last.ride_over:
            figures.ride_end_time.CopyFrom(finding.figures.ride_end_time)
        finding.verdict = last.verdict
        finding.figures.CopyFrom(figures)
    finding.figures.coverage_percent = coverage


def _probes(samples: Iterable[Sample]) -> list[ProbeFigures]:
    by_probe: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.kind in {Kind.CARGO, Kind.RETURN_AIR}:
            by_probe.setdefault(sample.probe, []).append(sample)
    return [
        ProbeFigures(
            probe=probe[:120],
            min_celsius=float(min(each.celsius for each in told)),
            max_celsius=float(max(each.celsius for each in told)),
            samples=len(told),
        )
        for probe, told in sorted(by_probe.items())[:50]
    ]


def _evidence(judged: Judgement) -> list[str]:
    """Return the samples that matter most: where it went out and came back, its peak, the breach, the newest."""
    moments = {judged.out_start, judged.out_end}
    chosen = [point.sample_id for point in judged.points if point.at in moments]
    if judged.peak is not None:
        chosen.append(judged.peak.sample_id)
    if judged.breach is not None:
        chosen += [point.sample_id for point in judged.points if point.at >= judged.breach][:1]
    if judged.points:
        chosen.append(judged.points[-1].sample_id)
    messages = {sample.sample_id: sample.evidence for sample in judged.considered}
    return list(dict.fromkeys(messages.get(name) or name for name in chosen))[:_MOST_EVIDENCE]


def _curve(judged: Judgement) -> list[CurvePoint]:
    """Return the curve, thinned out so that the extremes of each part stay, and what else changed meanwhile."""
    kind = CurvePointKind.CURVE_POINT_KIND_TEMPERATURE
    curve = [_point(kind, point.at, _degrees(point)) for point in _thinned(judged.points)]
    for told, shown in _CURVES.items():
        changes = _changes([sample for sample in judged.considered if sample.kind is told])
        curve += [_point(shown, sample.at, float(sample.celsius)) for sample in changes]
    for door in _changes([sample for sample in judged.considered if sample.kind is Kind.DOOR]):
        opened = bool(door.celsius)
        doors = CurvePointKind.CURVE_POINT_KIND_DOOR_OPENED if opened else CurvePointKind.CURVE_POINT_KIND_DOOR_CLOSED
        curve.append(_point(doors, door.at, None))
    return sorted(curve, key=lambda each: (each.time.ToNanoseconds(), each.kind))


def _thinned(points: Sequence[Point]) -> list[Point]:
    size = -(-len(points) // _BUCKETS)
    if size <= 1:
        return list(points)
    kept: dict[int, Point] = {}
    for first in range(0, len(points), size):
        part = points[first : first + size]
        for point in (min(part, key=_warmth), max(part, key=_warmth)):
            kept[point.at] = point
    return [kept[at] for at in sorted(kept)]


def _warmth(point: Point) -> tuple[object, int]:
    return point.celsius, point.at


def _changes(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples whose value differs from the one before, at most so many: the newest."""
    changed = [
        each for at, each in enumerate(samples) if at == 0 or samples[at - 1].celsius != each.celsius
    ]  # fmt: skip
    return changed[-_MOST_CHANGES:]


def _point(kind: CurvePointKind.ValueType, at: int, celsius: float | None) -> CurvePoint:
    point = CurvePoint(kind=kind, temperature_celsius=celsius)
    point.time.FromNanoseconds(at)
    return point


def _gap(start: int, end: int | None) -> SensorGap:
    gap = SensorGap()
    gap.start_time.FromNanoseconds(start)
    if end is not None:
        gap.end_time.FromNanoseconds(end)
    return gap


def _degrees(point: Point) -> float:
    return float(round(point.celsius, 3))
