"""Lives of excursions, to every kind of end."""

from __future__ import annotations

from google.protobuf.message import Message

from logistics.exception.v1 import (
    ColdChainFigures,
    ColdChainFinding,
    ColdChainVerdict,
    DecideOnExcursion,
    ExcursionDecision,
    ExcursionOutcome,
    OpenExcursionReview,
    RecordColdChainFinding,
    RecordReviewOverdue,
)
from logistics.type.v1 import Money, TemperatureProfile
from tools.corpus.stories.freight import EXCEPTION, HOLD, LOAD, ORDER, at
from tools.corpus.telling import Story

_EXCURSION = "018f0000-0000-7000-8000-0000000000ea"
_FINDINGS = "018f0000-0000-7000-8000-0000000000{:02x}"
_OUT = ColdChainVerdict.COLD_CHAIN_VERDICT_OUT_OF_RANGE
_MISS = ColdChainVerdict.COLD_CHAIN_VERDICT_NEAR_MISS
_BREACH = ColdChainVerdict.COLD_CHAIN_VERDICT_BREACH
_FINE = ColdChainVerdict.COLD_CHAIN_VERDICT_IN_RANGE


def _found(
    revision: int, verdict: ColdChainVerdict.ValueType, *, lost: bool = False, over: bool = False
) -> RecordColdChainFinding:
    figures = ColdChainFigures(
        ride_start_time=at(0), peak_celsius=11.5, coverage_percent=97, samples=revision * 12, newest_sample_time=at(60)
    )
    return RecordColdChainFinding(
        finding=ColdChainFinding(
            finding_id=_FINDINGS.format(revision),
            load_id=LOAD,
            order_id=ORDER,
            line_id="a",
            revision=revision,
            verdict=verdict,
            sensor_lost=lost,
            ride_over=over,
            vehicle_ids=["truck-1"],
            profile=TemperatureProfile(min_celsius=2, max_celsius=8),
            figures=figures,
            judge_time=at(61),
            region="us",
        )
    )


_ASK = OpenExcursionReview(exception_id=EXCEPTION, hold_id=HOLD, due_time=at(1))
_ALARM = (_found(1, _BREACH), _found(1, _BREACH), _ASK)


def _decide(outcome: ExcursionOutcome.ValueType, **more: object) -> DecideOnExcursion:
    told = ExcursionDecision(outcome=outcome, decided_by="quinn", evidence="six hours of budget", **more)  # type: ignore[arg-type]
    return DecideOnExcursion(decision=told, dispatched_by=["dora"])


_RELEASE = _decide(ExcursionOutcome.EXCURSION_OUTCOME_RELEASED)
_CREDIT = _decide(
    ExcursionOutcome.EXCURSION_OUTCOME_RELEASED_WITH_CREDIT, credit=Money(currency="USD", units=12, nanos=500_000_000)
)
_REJECT = _decide(ExcursionOutcome.EXCURSION_OUTCOME_REJECTED, destroy=True)


def _story(name: str, what: str, *wishes: Message, unknown: bool = False) -> Story:
    return Story("excursion", name, what, _EXCURSION, wishes, ends_with_the_unknown=unknown)


EXCURSIONS = (
    _story("ended", "A near miss.", _found(1, _OUT), _found(2, _MISS), _found(3, _MISS, over=True), _found(3, _MISS)),
    _story("released", "A breach that is let go, after its time.", *_ALARM, RecordReviewOverdue(), _RELEASE),
    _story("released_with_credit", "A breach with something off.", *_ALARM, _CREDIT),
    _story("rejected", "Goods that must not be used.", *_ALARM, _REJECT),
    _story("refuted", "Late samples refute a breach.", *_ALARM, _found(2, _MISS, over=True), _RELEASE),
    _story("heard_of", "A sensor that is heard of late.", _found(1, _FINE, lost=True), _ASK, _found(2, _FINE)),
    _story(
        "decided_again", "A breach after a decision.",
        _found(1, _FINE, lost=True), _ASK, _RELEASE, _found(2, _BREACH), _ASK, _CREDIT,
    ),
    _story("newer_writer", "A newer writer adds an event.", _found(1, _OUT), unknown=True),
)  # fmt: skip
"""Every life of an excursion in the corpus."""
