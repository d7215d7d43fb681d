"""What excursions answer: limits, reviews, decisions, and samples that come late (domain reference 3.6)."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message

from gladhand.testing.given import Given, given
from logistics.exception.v1 import (
    ColdChainFigures,
    ColdChainFinding,
    ColdChainVerdict,
    DecideOnExcursion,
    ExcursionCommand,
    ExcursionDecision,
    ExcursionEvent,
    ExcursionOutcome,
    ExcursionState,
    OpenExcursionReview,
    RecordColdChainFinding,
    RecordReviewOverdue,
)
from logistics.type.v1 import Money, TemperatureProfile
from services.orchestrator.deciders import excursion
from tests.unit.orchestrator.deciders.freight import LOAD, ORDER, POD, ask, at

Story = Given[excursion.State, ExcursionCommand, ExcursionEvent]
IN_RANGE, NEAR_MISS, OUT, BREACH = (
    ColdChainVerdict.COLD_CHAIN_VERDICT_IN_RANGE,
    ColdChainVerdict.COLD_CHAIN_VERDICT_NEAR_MISS,
    ColdChainVerdict.COLD_CHAIN_VERDICT_OUT_OF_RANGE,
    ColdChainVerdict.COLD_CHAIN_VERDICT_BREACH,
)
RELEASED, CREDIT, REJECTED = (
    ExcursionOutcome.EXCURSION_OUTCOME_RELEASED,
    ExcursionOutcome.EXCURSION_OUTCOME_RELEASED_WITH_CREDIT,
    ExcursionOutcome.EXCURSION_OUTCOME_REJECTED,
)
REVIEW = OpenExcursionReview(exception_id=POD, hold_id=LOAD, due_time=at(240))


def found(
    revision: int, verdict: ColdChainVerdict.ValueType, *, lost: bool = False, over: bool = False
) -> RecordColdChainFinding:
    return RecordColdChainFinding(
        finding=ColdChainFinding(
            finding_id=POD,
            load_id=LOAD,
            order_id=ORDER,
            line_id="a",
            revision=revision,
            verdict=verdict,
            sensor_lost=lost,
            ride_over=over,
            profile=TemperatureProfile(min_celsius=2, max_celsius=8),
            figures=ColdChainFigures(ride_start_time=at(0), samples=revision * 10, newest_sample_time=at(revision)),
            judge_time=at(revision),
            region="us",
        )
    )


def decide(outcome: ExcursionOutcome.ValueType = RELEASED, *, sent_by: tuple[str, ...] = (), **more: Any) -> Message:
    told = {"outcome": outcome, "decided_by": "quinn", "evidence": "6 hours of budget", **more}
    return DecideOnExcursion(decision=ExcursionDecision(**told), dispatched_by=sent_by)


def told(body: Message, minute: float = 0) -> ExcursionCommand:
    command: ExcursionCommand = ask(ExcursionCommand(excursion_id=POD, decide_time=at(minute)), body)
    return command


def story(*bodies: Message) -> Story:
    """The excursion after these wishes, each given until it changes nothing more, as the process does."""
    past = given(excursion.DECIDER)
    for body in bodies:
        while (decided := excursion.DECIDER.decide(past.state, told(body))) is not None:
            past = past.and_given(decided)
    return past


def state_of(past: Story) -> str:
    assert past.state.excursion is not None
    return ExcursionState.Name(past.state.excursion.state).removeprefix("EXCURSION_STATE_")


IN_REVIEW = story(found(1, BREACH), REVIEW)


@pytest.mark.parametrize(
    ("past", "expected"),
    [
        (story(found(1, OUT)), "OBSERVING"),
        (story(found(1, OUT), found(2, NEAR_MISS)), "OBSERVING"),
        (story(found(1, OUT), found(2, NEAR_MISS, over=True)), "ENDED"),
        (story(found(1, BREACH)), "BREACH"),
        (story(found(1, OUT), found(2, BREACH)), "BREACH"),
        (story(found(1, OUT), found(2, BREACH), found(3, BREACH, over=True)), "BREACH"),
        (IN_REVIEW, "IN_REVIEW"),
        (story(found(1, IN_RANGE, lost=True), REVIEW), "IN_REVIEW"),
        (story(found(1, BREACH), REVIEW, decide()), "RELEASED"),
        (story(found(1, BREACH), REVIEW, decide(CREDIT, credit_permille=100)), "RELEASED_WITH_CREDIT"),
        (story(found(1, BREACH), REVIEW, decide(REJECTED, destroy=True)), "REJECTED"),
    ],
)
def test_it_goes_its_way(past: Story, expected: str) -> None:
    assert state_of(past) == expected


def test_what_was_never_wrong_opens_nothing() -> None:
    given(excursion.DECIDER).when(told(found(1, IN_RANGE, over=True))).then_nothing()


def test_verdict_and_watermark_are_stored_together_and_older_findings_change_neither() -> None:
    past = story(found(1, OUT), found(3, BREACH))
    shown = past.state.excursion
    assert shown is not None
    assert (shown.verdict, shown.figures.samples, shown.revision) == (BREACH, 30, 3)
    past.when(told(found(2, NEAR_MISS))).then_nothing()
    past.when(told(found(3, BREACH))).then_nothing()


def test_late_samples_make_a_breach_of_what_had_ended() -> None:
    past = story(found(1, OUT), found(2, NEAR_MISS, over=True), found(3, BREACH, over=True))
    assert state_of(past) == "BREACH"


def test_a_refuted_breach_is_told_and_still_let_go_by_a_person_only() -> None:
    past = IN_REVIEW.when(told(found(2, NEAR_MISS, over=True))).then_event("revised")
    assert state_of(past) == "IN_REVIEW"
    assert past.state.excursion is not None
    assert (past.state.excursion.verdict, past.state.excursion.was_breached) == (NEAR_MISS, True)
    # And when still more samples restore it, that is told as well.
    past.when(told(found(3, BREACH, over=True))).then_event("breached")


def test_a_lost_sensor_that_is_heard_of_after_all_ends_its_review() -> None:
    past = story(found(1, IN_RANGE, lost=True), REVIEW).when(told(found(2, IN_RANGE, over=True))).then_event("revised")
    assert state_of(past) == "OBSERVING"
    past.when(told(found(2, IN_RANGE, over=True))).then_event("ended")


def test_a_lost_sensor_that_hid_a_breach_stays_in_review() -> None:
    past = story(found(1, IN_RANGE, lost=True), REVIEW, found(2, BREACH))
    assert state_of(past) == "IN_REVIEW"
    past.when(told(found(3, NEAR_MISS))).then_event("revised")
    assert state_of(story(found(1, IN_RANGE, lost=True), REVIEW, found(2, BREACH), found(3, NEAR_MISS))) == "IN_REVIEW"


def test_a_breach_after_a_decision_on_less_asks_again_and_after_one_on_a_breach_does_not() -> None:
    less = story(found(1, IN_RANGE, lost=True), REVIEW, decide(), found(2, BREACH))
    assert state_of(less) == "BREACH"
    again = less.when(told(REVIEW)).then_event("review_opened")
    assert again.state.excursion is not None
    assert (again.state.excursion.reviews, again.state.excursion.HasField("decision")) == (2, False)
    assert state_of(story(found(1, BREACH), REVIEW, decide(), found(2, BREACH, over=True))) == "RELEASED"
    rejected = story(found(1, IN_RANGE, lost=True), REVIEW, decide(REJECTED), found(2, BREACH))
    assert state_of(rejected) == "REJECTED"


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        (decide(sent_by=("quinn", "dora")), "NOT_PERMITTED"),
        (decide(decided_by=""), "CONTRACT_VIOLATION"),
        (decide(evidence=""), "CONTRACT_VIOLATION"),
        (decide(CREDIT), "CONTRACT_VIOLATION"),
        (decide(CREDIT, credit_permille=5, credit=Money(currency="USD", units=1)), "CONTRACT_VIOLATION"),
        (decide(CREDIT, credit=Money(currency="USD", units=-1)), "CONTRACT_VIOLATION"),
        (decide(RELEASED, credit_permille=5), "CONTRACT_VIOLATION"),
        (decide(RELEASED, destroy=True), "CONTRACT_VIOLATION"),
    ],
)
def test_what_may_not_be_decided(wish: Message, reason: str) -> None:
    IN_REVIEW.when(told(wish)).then_rejected(reason)


def test_a_decision_is_made_once_and_only_where_one_is_asked_for() -> None:
    past = IN_REVIEW.when(told(decide())).then_event("decided")
    past.when(told(decide())).then_nothing()
    past.when(told(decide(REJECTED))).then_rejected("TRANSITION_NOT_ALLOWED")
    story(found(1, OUT)).when(told(decide())).then_rejected("TRANSITION_NOT_ALLOWED")
    given(excursion.DECIDER).when(told(decide())).then_rejected("EXCURSION_NOT_FOUND")


def test_a_review_is_overdue_once_and_not_before_its_time() -> None:
    IN_REVIEW.when(told(RecordReviewOverdue(), 239)).then_nothing()
    past = IN_REVIEW.when(told(RecordReviewOverdue(), 240)).then_event("review_overdue")
    past.when(told(RecordReviewOverdue(), 300)).then_nothing()
    story(found(1, BREACH), REVIEW, decide()).when(told(RecordReviewOverdue(), 300)).then_nothing()


def test_a_review_is_not_asked_for_twice_nor_where_nothing_is_to_be_decided() -> None:
    IN_REVIEW.when(told(REVIEW)).then_nothing()
    story(found(1, OUT)).when(told(REVIEW)).then_nothing()
