"""New plans for a vehicle on the road: the old one stays in force until the new one is acknowledged."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from logistics.load.v1 import (
    AcceptPlan,
    DropOrder,
    InterruptLoad,
    PlanProposal,
    ProposePlan,
    Stop,
    StopState,
    WithdrawPlan,
)
from logistics.process.v1 import ReplanPolicy
from services.orchestrator.replanning import locked_stops
from tests.unit.orchestrator.deciders.freight import FIRST, ORDER, PICKUP, SECOND, START, ask_load, at
from tests.unit.orchestrator.deciders.load_story import (
    AT_FIRST,
    BETWEEN,
    DISPATCHED,
    DONE,
    PLANNED,
    ROLLING,
    Past,
    after,
    arrive,
    depart,
    shown,
    state_of,
    stop_at,
    stop_state,
)


def plan(past: Past, *order: int, version: int = 2, locked: int = 1) -> ProposePlan:
    """A plan that has the stops of the one in force in this order; the first are locked."""
    stops = []
    for sequence, position in enumerate(order, 1):
        stop = Stop()
        stop.CopyFrom(shown(past).stops[position])
        stop.sequence = sequence
        stops.append(stop)
    proposal = PlanProposal(plan_version=version, stops=stops, expire_time=at(99), reason="road closed")
    proposal.locked_stop_ids.extend(stop.stop_id for stop in stops[:locked])
    return ProposePlan(proposal=proposal)


def without_first() -> ProposePlan:
    """A plan before loading that leaves the first shop out."""
    wish = plan(DISPATCHED, 0, 2, locked=0)
    del wish.proposal.stops[0].tasks[0]
    return wish


ASKED = plan(ROLLING, 0, 2, 1)
PROPOSED = after(ASKED, past=ROLLING)
TAKEN = AcceptPlan(plan_version=2)
REFUSED = WithdrawPlan(plan_version=2, code="REFUSED", reason="the driver says no")


def places(past: Past) -> list[str]:
    return [stop.stop_id for stop in sorted(shown(past).stops, key=lambda stop: stop.sequence)]


def test_a_proposal_changes_nothing_until_it_is_taken() -> None:
    assert (places(PROPOSED), shown(PROPOSED).plan_version) == ([PICKUP, FIRST, SECOND], 1)
    PROPOSED.when(ask_load(ASKED)).then_nothing()
    taken = after(TAKEN, past=PROPOSED)
    assert (places(taken), shown(taken).plan_version, state_of(taken)) == ([PICKUP, SECOND, FIRST], 2, "IN_TRANSIT")
    assert not shown(taken).HasField("proposal")
    taken.when(ask_load(TAKEN)).then_nothing()


@pytest.mark.parametrize("code", ["REFUSED", "EXPIRED", "SUPERSEDED"])
def test_one_that_comes_to_nothing_leaves_the_old_plan(code: str) -> None:
    gone = after(WithdrawPlan(plan_version=2, code=code), past=PROPOSED)
    assert (places(gone), shown(gone).plan_version, shown(gone).HasField("proposal")) == (
        [PICKUP, FIRST, SECOND], 1, False,
    )  # fmt: skip
    gone.when(ask_load(REFUSED)).then_nothing()
    gone.when(ask_load(TAKEN)).then_rejected("PLAN_VERSION_CONFLICT")


def test_what_happens_while_it_waits_stays_with_its_stop() -> None:
    # S3: the vehicle came to the first shop while the plan was to move it behind the second.
    taken = after(TAKEN, past=after(arrive(FIRST, 60), past=PROPOSED))
    assert (stop_state(taken, FIRST), state_of(taken), places(taken)) == (
        "ARRIVED", "AT_DELIVERY", [PICKUP, SECOND, FIRST],
    )  # fmt: skip
    assert stop_at(taken, FIRST).arrival.time == at(60)
    on = after(depart(FIRST, 80), arrive(SECOND, 100), past=taken)
    assert (stop_state(on, SECOND), state_of(on)) == ("ARRIVED", "AT_DELIVERY")


def test_a_stop_that_was_begun_meanwhile_is_not_left_out() -> None:
    taken = after(TAKEN, past=after(arrive(FIRST, 60), past=after(without_first(), past=DISPATCHED)))
    assert (stop_state(taken, FIRST), places(taken)) == ("ARRIVED", [PICKUP, SECOND, FIRST])


def test_a_stop_that_nobody_began_may_be_left_out() -> None:
    taken = after(TAKEN, past=after(without_first(), past=DISPATCHED))
    assert stop_state(taken, FIRST) == "CANCELLED"


def test_another_plan_in_force_makes_the_proposal_void() -> None:
    waiting = after(plan(DISPATCHED, 0, 2, 1, locked=0), past=DISPATCHED)
    changed = after(DropOrder(order_id=ORDER, reason="cancelled"), past=waiting)
    assert not shown(changed).HasField("proposal")


def test_a_vehicle_that_stands_still_may_still_be_acknowledged_a_plan() -> None:
    still = after(InterruptLoad(reason="MECHANICAL_BREAKDOWN"), past=PROPOSED)
    assert (state_of(after(TAKEN, past=still)), shown(after(TAKEN, past=still)).plan_version) == ("INTERRUPTED", 2)
    assert not shown(after(REFUSED, past=still)).HasField("proposal")


@pytest.mark.parametrize(
    ("past", "wish", "reason"),
    [
        (PLANNED, plan(PLANNED, 0, 2, 1), "TRANSITION_NOT_ALLOWED"),
        (DONE, plan(DONE, 0, 1, 2), "TRANSITION_NOT_ALLOWED"),
        (PROPOSED, plan(ROLLING, 0, 1, version=3), "TRANSITION_NOT_ALLOWED"),
        (ROLLING, plan(ROLLING, 0, 2, 1, version=3), "PLAN_VERSION_CONFLICT"),
        (ROLLING, plan(ROLLING, 2, 1), "CONTRACT_VIOLATION"),
        (DISPATCHED, plan(DISPATCHED, 1, 0, 2, locked=0), "CONTRACT_VIOLATION"),
        (AT_FIRST, plan(AT_FIRST, 0, 2, locked=1), "CONTRACT_VIOLATION"),
        (ROLLING, plan(ROLLING, 0, 2), "CONTRACT_VIOLATION"),
        (PROPOSED, AcceptPlan(plan_version=3), "PLAN_VERSION_CONFLICT"),
        (PROPOSED, WithdrawPlan(plan_version=2, code="FORGOTTEN"), "CONTRACT_VIOLATION"),
    ],
)
def test_what_does_not_fit_is_refused(past: Past, wish: Message, reason: str) -> None:
    past.when(ask_load(wish)).then_rejected(reason)


def test_locked_stops_come_first_and_in_their_order() -> None:
    wish = plan(BETWEEN, 0, 1, 2, locked=2)
    wish.proposal.locked_stop_ids[:] = [FIRST, PICKUP]
    BETWEEN.when(ask_load(wish)).then_rejected("CONTRACT_VIOLATION")


def test_done_under_way_and_near_is_locked_with_all_before_it() -> None:
    policy = ReplanPolicy()
    policy.freeze_horizon.FromSeconds(1800)
    assert locked_stops(shown(DISPATCHED), policy, START) == []
    assert locked_stops(shown(AT_FIRST), policy, START) == [PICKUP, FIRST]
    near = shown(DISPATCHED)
    near.stops[1].planned_arrival_time.CopyFrom(at(30))
    near.stops[2].planned_arrival_time.CopyFrom(at(31))
    assert locked_stops(near, policy, START) == [PICKUP, FIRST]
    near.stops[1].estimated_arrival_time.CopyFrom(at(50))
    assert locked_stops(near, policy, START) == []
    assert {stop.state for stop in near.stops} == {StopState.STOP_STATE_PLANNED}
