from __future__ import annotations

import pytest

from gladhand import errors
from gladhand.breaker import Breaker, BreakerState
from gladhand.budget import Budget
from gladhand.endings import Ending, answered
from gladhand.hedging import patience_s
from gladhand.passage import Passage, opened, passages


class Seconds:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def breaker(clock: Seconds) -> Breaker:
    return Breaker(clock, failures=3, first_s=2.0, longest_s=5.0)


def end(breaker: Breaker, answered: bool | None) -> None:
    token = breaker.admit()
    assert token is not None
    breaker.settle(token, answered=answered)


def broken(breaker: Breaker) -> None:
    for _ in range(3):
        end(breaker, answered=False)


def test_failures_in_a_row_open_it(breaker: Breaker) -> None:
    broken(breaker)
    assert (breaker.state, breaker.admit(), breaker.opened) == (BreakerState.OPEN, None, 1)
    assert breaker.opens_in_s == 2.0


def test_an_answer_in_between_begins_the_count_anew(breaker: Breaker) -> None:
    for answer in (False, False, True, False, False):
        end(breaker, answered=answer)
    assert breaker.state is BreakerState.CLOSED


def test_what_says_nothing_counts_neither_way(breaker: Breaker) -> None:
    for answer in (False, None, False, None, False):
        end(breaker, answered=answer)
    assert breaker.state is BreakerState.OPEN


def test_after_the_pause_one_call_at_a_time_tries(breaker: Breaker, clock: Seconds) -> None:
    broken(breaker)
    states = [breaker.state]
    clock.now += 2.0
    states.append(breaker.state)
    trial = breaker.admit()
    assert trial is not None
    assert breaker.admit() is None
    breaker.settle(trial, answered=True)
    states.append(breaker.state)
    assert states == [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]
    assert breaker.admit() is not None


def test_a_trial_that_fails_opens_it_for_twice_as_long_up_to_a_limit(breaker: Breaker, clock: Seconds) -> None:
    broken(breaker)
    for pause in (2.0, 4.0, 5.0, 5.0):
        assert breaker.opens_in_s == pause
        clock.now += pause
        end(breaker, answered=False)
    assert breaker.opened == 5


def test_a_trial_that_says_nothing_leaves_room_for_the_next(breaker: Breaker, clock: Seconds) -> None:
    broken(breaker)
    clock.now += 2.0
    end(breaker, answered=None)
    end(breaker, answered=True)
    assert breaker.state is BreakerState.CLOSED


def test_calls_from_before_it_opened_say_nothing_of_now(breaker: Breaker, clock: Seconds) -> None:
    early = [breaker.admit() for _ in range(5)]
    for token in early[:3]:
        assert token is not None
        breaker.settle(token, answered=False)
    clock.now += 2.0
    for token in early[3:]:
        assert token is not None
        breaker.settle(token, answered=True)
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.opened == 1


def test_after_it_closed_the_pause_is_short_again(breaker: Breaker, clock: Seconds) -> None:
    broken(breaker)
    clock.now += 2.0
    end(breaker, answered=False)
    clock.now += 4.0
    end(breaker, answered=True)
    broken(breaker)
    assert breaker.opens_in_s == 2.0


@pytest.mark.parametrize(
    ("ending", "given_s", "usual_s", "expected"),
    [
        (Ending("OK"), 1.0, 10.0, True),
        (Ending("FAILED_PRECONDITION"), 1.0, 10.0, True),
        (Ending("INTERNAL"), 1.0, 10.0, True),
        (Ending("RESOURCE_EXHAUSTED"), 1.0, 10.0, True),
        (Ending("UNAVAILABLE"), 1.0, 10.0, False),
        (Ending("UNAVAILABLE", told=True), 1.0, 10.0, True),
        (Ending("DEADLINE_EXCEEDED", told=True), 10.0, 10.0, True),
        (Ending("DEADLINE_EXCEEDED"), 1.0, 10.0, False),
        (Ending("DEADLINE_EXCEEDED"), None, None, False),
        (Ending("DEADLINE_EXCEEDED"), 0.01, 10.0, None),
        (Ending("DEADLINE_EXCEEDED"), 0.3, 0.3, False),
        (Ending("CANCELLED"), 1.0, 10.0, None),
    ],
)
def test_only_what_speaks_of_the_other_side_counts(
    ending: Ending, given_s: float | None, usual_s: float | None, expected: bool | None
) -> None:
    assert answered(ending, given_s, usual_s) is expected


def test_a_full_passage_refuses_and_lets_endless_streams_by() -> None:
    passage = Passage("orders", most=2)
    entries = [passage.enter(), passage.enter()]
    with pytest.raises(errors.ResourceFull, match="2 calls to orders are under way") as caught:
        passage.enter()
    assert caught.value.retry_after_s == 0.1
    endless = passage.enter(endless=True)
    passage.leave(entries[0], "OK", answered=True)
    passage.leave(endless, "UNAVAILABLE", answered=False)
    assert passage.in_flight == 1
    passage.enter()
    assert passage.refused == {"RESOURCE_FULL": 1}


def test_a_passage_whose_breaker_is_open_says_when_to_come_back(clock: Seconds) -> None:
    passage = Passage("orders", breaker=Breaker(clock, failures=1, first_s=3.0))
    passage.leave(passage.enter(), "UNAVAILABLE", answered=False)
    with pytest.raises(errors.Unavailable) as caught:
        passage.enter()
    assert (caught.value.reason, caught.value.retry_after_s) == ("CIRCUIT_OPEN", 3.0)
    assert (passage.refused, passage.in_flight) == ({"CIRCUIT_OPEN": 1}, 0)


def test_all_who_hold_a_passage_share_it_and_the_last_takes_it_away() -> None:
    with opened("orders", 5) as first:
        with opened("orders", 7) as second:
            assert second is first
        assert first in passages()
    assert first not in passages()
    assert first.most == 5


def test_repetition_ends_at_half_of_the_budget_and_successes_earn_it_back() -> None:
    budget = Budget(8, 0.5)
    assert [budget.spend() for _ in range(6)] == [True] * 4 + [False] * 2
    budget.earn()
    budget.earn()
    assert [budget.spend() for _ in range(2)] == [True, False]


@pytest.mark.parametrize(
    ("given_s", "usual_s", "expected"),
    [(10.0, 10.0, 1.0), (30.0, 10.0, 1.0), (3.0, 10.0, 0.3), (0.2, 0.2, 0.1), (600.0, 600.0, 5.0), (None, None, 5.0)],
)
def test_patience_is_a_tenth_of_the_time_that_a_call_has(
    given_s: float | None, usual_s: float | None, expected: float
) -> None:
    assert patience_s(given_s, usual_s) == pytest.approx(expected)
