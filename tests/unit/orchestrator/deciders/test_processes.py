"""What the fulfilment process and the planning wave answer."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from gladhand.testing.given import Given, given
from logistics.process.v1 import FulfilmentEvent, UnplannedOrder, WaveEvent
from logistics.type.v1 import ExternalReference
from services.orchestrator.deciders import fulfilment, wave
from services.orchestrator.deciders.fulfilment import Begin, Fail, Finish, Park, Resume, Succeed
from services.orchestrator.deciders.wave import Abandon, Lay, Propose, Start
from tests.unit.orchestrator.deciders.freight import ORDER, OTHER_ORDER, START, truck

Run = Given[fulfilment.State, fulfilment.Command, FulfilmentEvent]
Wave = Given[wave.State, wave.Command, WaveEvent]
RETRY = START + timedelta(minutes=1)
FAIL = Fail("post_delivery", "ERP_UNAVAILABLE", "busy", RETRY)
PARK = Park("post_delivery", "ERP_REFUSED", "period closed", "exception")
DONE = Succeed("post_delivery", (ExternalReference(system="tryton-us", value="SHP-1"),))


def run(*commands: fulfilment.Command) -> Run:
    past = given(fulfilment.DECIDER)
    for command in (Begin(ORDER), *commands):
        decided = fulfilment.DECIDER.decide(past.state, command)
        assert decided is not None
        past = past.and_given(decided)
    return past


def test_failures_are_counted_until_success_or_resumption() -> None:
    twice = run(FAIL, FAIL)
    assert twice.state.attempts == {"post_delivery": 2}
    assert twice.state.retry_times == {"post_delivery": RETRY}
    done = run(FAIL, DONE)
    assert not done.state.attempts
    assert not done.state.retry_times
    assert done.state.done == {"post_delivery"}
    assert done.state.answers["post_delivery"][0].value == "SHP-1"
    assert run(FAIL, PARK, Resume("fixed")).state.attempts == {}


def test_a_parked_process_says_why_and_waits() -> None:
    parked = run(PARK)
    assert parked.state.parked == "period closed"
    parked.when(DONE).then_rejected("TRANSITION_NOT_ALLOWED")
    assert not run(PARK, Resume()).state.parked
    assert run(PARK, Finish("cancelled")).state.finished


@pytest.mark.parametrize(
    ("past", "command"),
    [
        (run(), Begin(ORDER)),
        (run(DONE), DONE),
        (run(DONE), FAIL),
        (run(PARK), PARK),
        (run(), Resume()),
        (run(Finish("invoiced")), Finish("invoiced")),
        (run(DONE, Finish("invoiced")), DONE),
    ],
)
def test_a_process_takes_no_note_of_what_is_already_so(past: Run, command: fulfilment.Command) -> None:
    past.when(command).then_nothing()


@pytest.mark.parametrize(
    ("past", "command", "reason"),
    [
        (given(fulfilment.DECIDER), DONE, "NOT_FOUND"),
        (run(), Begin(OTHER_ORDER), "REFERENCE_CONFLICT"),
        (run(Finish("invoiced")), DONE, "TRANSITION_NOT_ALLOWED"),
        (run(Finish("invoiced")), Finish("cancelled"), "TRANSITION_NOT_ALLOWED"),
        (run(), Fail("x", "y", "z", datetime(2026, 1, 1)), "CONTRACT_VIOLATION"),  # noqa: DTZ001 - that is the point
    ],
)
def test_a_process_refuses(past: Run, command: fulfilment.Command, reason: str) -> None:
    past.when(command).then_rejected(reason)


def planned(*commands: wave.Command) -> Wave:
    past = given(wave.DECIDER)
    for command in commands:
        decided = wave.DECIDER.decide(past.state, command)
        assert decided is not None
        past = past.and_given(decided)
    return past


BOTH = Start((ORDER, OTHER_ORDER), "timer")
ANSWER = Propose((truck(),), (UnplannedOrder(order_id=OTHER_ORDER, reason="DEMAND_EXCEEDS_CAPACITY"),))


def test_a_wave_is_proposed_and_laid() -> None:
    laid = planned(BOTH, ANSWER, Lay())
    assert laid.state.ended
    assert (len(laid.state.loads), laid.state.unplanned[0].order_id) == (1, OTHER_ORDER)
    for command in (ANSWER, Lay(), Start((OTHER_ORDER, ORDER), "command")):
        laid.when(command).then_nothing()
    assert planned(BOTH, Abandon("no answer")).state.ended


@pytest.mark.parametrize(
    ("past", "command", "reason"),
    [
        (given(wave.DECIDER), Lay(), "NOT_FOUND"),
        (given(wave.DECIDER), Start((), "timer"), "CONTRACT_VIOLATION"),
        (planned(BOTH), Start((ORDER,), "timer"), "REFERENCE_CONFLICT"),
        (planned(BOTH), Lay(), "TRANSITION_NOT_ALLOWED"),
        (planned(Start((OTHER_ORDER,), "timer")), ANSWER, "CONTRACT_VIOLATION"),
        (planned(BOTH, ANSWER), Propose(()), "REFERENCE_CONFLICT"),
        (planned(BOTH, ANSWER), Abandon("late"), "TRANSITION_NOT_ALLOWED"),
        (planned(BOTH, Abandon("late")), ANSWER, "TRANSITION_NOT_ALLOWED"),
    ],
)
def test_a_wave_refuses(past: Wave, command: wave.Command, reason: str) -> None:
    past.when(command).then_rejected(reason)


def test_a_finished_process_goes_on_where_a_claim_gives_it_something_to_do() -> None:
    run(Finish("invoiced")).when(Resume("a claim came")).then_event("resumed")
    assert run(Finish("invoiced"), Resume("a claim came")).state.finished is False
    assert run(Finish("invoiced"), Resume("a claim came"), Finish("invoiced")).state.finished
