"""Offers of a load to carriers: made, answered in time or too late, decided about, taken back, replaced."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message
from hypothesis import given as given_any
from hypothesis import strategies as st

from gladhand.decider import Rejected
from logistics.load.v1 import (
    AssignLoad,
    AwardTender,
    CancelLoad,
    DropOrder,
    ExpireTenders,
    Load,
    LoadTenderAccepted,
    LoadTenderExpired,
    PlanLoad,
    RecordTenderSent,
    RecordTenderUndelivered,
    TenderOffer,
    TenderState,
    UnassignLoad,
    WithdrawTenders,
)
from services.orchestrator.deciders import load
from services.orchestrator.parties import carrier_of
from tests.unit.orchestrator.deciders.freight import ORDER, OTHER_ORDER, ask_load, at, crew, task, truck
from tests.unit.orchestrator.deciders.load_story import Past, after, shown, state_of
from tests.unit.orchestrator.deciders.tender_story import (
    MGCT,
    ODFL,
    SWFT,
    asked_at,
    id_of,
    offer,
    offer_to,
    offered,
    says,
    states,
    tender,
    usd,
)

ACCEPT, DECLINE, COUNTER, CONDITION = "ACCEPTED", "DECLINED", "COUNTERED", "CONDITIONAL"


def test_a_plan_cannot_bring_its_own_agreed_offers() -> None:
    forged = Load()
    forged.CopyFrom(truck())
    forged.own_fleet_chosen = True
    forged.tenders.append(
        TenderOffer(tender_id=ORDER, carrier_scac="SWFT", tender_revision=1, state=TenderState.TENDER_STATE_ACCEPTED)
    )

    planned = shown(after(PlanLoad(load=forged)))

    assert list(planned.tenders) == []
    assert not planned.own_fleet_chosen


def test_an_offer_cannot_bring_its_own_answer() -> None:
    forged = offer(SWFT)
    forged.offers[0].state = TenderState.TENDER_STATE_ACCEPTED
    forged.offers[0].agreed_rate.CopyFrom(usd(5000))
    past = after(PlanLoad(load=truck()), forged)
    assert (state_of(past), states(past)) == ("TENDERED", {SWFT: "DRAFT"})
    assert not tender(past, SWFT).HasField("agreed_rate")


def test_offers_are_numbered_over_the_life_of_the_load() -> None:
    past = after(offer(MGCT), past=after(says(SWFT, DECLINE), past=offered(SWFT)))
    assert [(each.carrier_scac, each.tender_revision) for each in shown(past).tenders] == [(SWFT, 1), (MGCT, 2)]
    assert state_of(past) == "TENDERED"


def test_the_same_offer_again_is_nothing_and_a_second_one_to_the_same_carrier_is_refused() -> None:
    past = offered(SWFT)
    past.when(ask_load(offer(SWFT))).then_nothing()
    second = offer(MGCT)
    second.offers.append(offer_to(SWFT, again=2))
    past.when(ask_load(second)).then_rejected("CONTRACT_VIOLATION")


def test_an_offer_that_ends_before_it_begins_is_refused() -> None:
    past = after(PlanLoad(load=truck()))
    past.when(asked_at(30, offer(SWFT))).then_rejected("CONTRACT_VIOLATION")


def test_a_sent_offer_is_known_as_sent_once() -> None:
    past = after(RecordTenderSent(tender_id=id_of(SWFT), tender_reference="T-1"), past=offered(SWFT))
    assert (states(past), tender(past, SWFT).carrier_reference) == ({SWFT: "SENT"}, "T-1")
    past.when(ask_load(RecordTenderSent(tender_id=id_of(SWFT)))).then_nothing()
    past.when(ask_load(RecordTenderUndelivered(tender_id=id_of(SWFT), reason="down"))).then_nothing()


def test_what_cannot_be_delivered_counts_as_unanswered() -> None:
    past = after(RecordTenderUndelivered(tender_id=id_of(SWFT), reason="no such carrier"), past=offered(SWFT))
    assert (state_of(past), states(past)) == ("TENDER_EXPIRED", {SWFT: "DELIVERY_FAILED"})


def test_an_acceptance_ends_every_other_offer_in_the_same_event() -> None:
    past = offered(SWFT, MGCT, ODFL)
    accepted = LoadTenderAccepted(
        carrier_scac=MGCT, tender_id=id_of(MGCT), agreed_rate=usd(900), withdrawn_tender_ids=[id_of(SWFT), id_of(ODFL)]
    )
    past = past.when(ask_load(says(MGCT, ACCEPT))).then(accepted)
    assert (state_of(past), states(past)) == ("ACCEPTED", {SWFT: "WITHDRAWN", MGCT: "ACCEPTED", ODFL: "WITHDRAWN"})
    assert shown(past).carrier_scac == MGCT
    assert tender(past, MGCT).agreed_rate == usd(900)


def test_the_second_acceptance_of_a_race_is_recorded_and_changes_nothing() -> None:
    past = after(says(MGCT, ACCEPT), past=offered(SWFT, MGCT))
    beaten = past.when(ask_load(says(SWFT, ACCEPT))).then_event("tender_answer_refused")
    assert (state_of(beaten), shown(beaten).carrier_scac) == ("ACCEPTED", MGCT)
    beaten.when(ask_load(says(SWFT, ACCEPT))).then_nothing()


def test_an_answer_counts_until_its_time_is_up_and_not_a_moment_longer() -> None:
    past = offered(SWFT)
    past.when(asked_at(29.999, says(SWFT, ACCEPT))).then_event("tender_accepted")
    late = past.when(asked_at(30, says(SWFT, ACCEPT))).then_event("tender_answer_refused")
    assert (state_of(late), states(late)) == ("TENDERED", {SWFT: "DRAFT"})


def test_an_offer_ends_when_its_time_is_up_and_no_earlier() -> None:
    past = offered(SWFT)
    past.when(asked_at(29.999, ExpireTenders())).then_nothing()
    ended = past.when(asked_at(30, ExpireTenders())).then(
        LoadTenderExpired(carrier_scac=SWFT, tender_ids=[id_of(SWFT)])
    )
    assert (state_of(ended), states(ended)) == ("TENDER_EXPIRED", {SWFT: "EXPIRED"})
    ended.when(asked_at(31, ExpireTenders())).then_nothing()
    ended.when(asked_at(31, says(SWFT, ACCEPT))).then_event("tender_answer_refused")


def test_only_the_offers_whose_time_is_up_end() -> None:
    both = offer(SWFT)
    both.offers.append(offer_to(MGCT, until=60))
    past = after(PlanLoad(load=truck()), both)
    past = past.when(asked_at(30, ExpireTenders())).then_event("tender_expired")
    assert (state_of(past), states(past)) == ("TENDERED", {SWFT: "EXPIRED", MGCT: "DRAFT"})


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (says(SWFT, COUNTER, rate=950), "COUNTERED"),
        (says(SWFT, CONDITION, conditions="tail lift at the dock"), "CONDITIONALLY_ACCEPTED"),
    ],
)
def test_a_counter_offer_waits_for_a_decision(answer: Message, state: str) -> None:
    past = after(answer, past=offered(SWFT))
    assert (state_of(past), states(past)) == ("COUNTERED", {SWFT: state})
    past.when(ask_load(answer)).then_nothing()
    taken = past.when(ask_load(AwardTender(tender_id=id_of(SWFT), note="fine"))).then_event("tender_accepted")
    assert tender(taken, SWFT).agreed_rate == usd(950 if state == "COUNTERED" else 900)
    taken.when(ask_load(answer)).then_nothing()
    taken.when(ask_load(says(SWFT, ACCEPT))).then_nothing()


def test_an_offer_without_a_rate_wants_one_named() -> None:
    wish = offer(SWFT)
    wish.offers[0].ClearField("offered_rate")
    past = after(PlanLoad(load=truck()), wish)
    past.when(ask_load(says(SWFT, ACCEPT))).then_rejected("CONTRACT_VIOLATION")
    past.when(ask_load(says(SWFT, COUNTER, rate=700))).then_event("tender_countered")


@pytest.mark.parametrize(
    "answer",
    [says(SWFT, COUNTER), says(SWFT, ACCEPT, rate=900), says(SWFT, CONDITION), says(SWFT, COUNTER, rate=-5)],
)
def test_an_answer_that_says_too_little_or_too_much_is_refused(answer: Message) -> None:
    offered(SWFT).when(ask_load(answer)).then_rejected("CONTRACT_VIOLATION")


def test_a_carrier_answers_its_own_offers_alone() -> None:
    stolen = says(SWFT, ACCEPT)
    stolen.carrier_scac = MGCT
    offered(SWFT, MGCT).when(ask_load(stolen)).then_rejected("TENDER_NOT_FOUND")


def test_an_answer_to_another_revision_does_not_count() -> None:
    stale = says(SWFT, ACCEPT)
    stale.tender_revision = 7
    offered(SWFT).when(ask_load(stale)).then_event("tender_answer_refused")


def test_bids_wait_for_the_best_and_a_decision_gives_the_load_to_one() -> None:
    past = after(says(SWFT, ACCEPT), past=offered(SWFT, MGCT, best=True))
    assert (state_of(past), states(past)) == ("TENDERED", {SWFT: "BID", MGCT: "DRAFT"})
    past = after(says(MGCT, COUNTER, rate=850), past=past)
    assert state_of(past) == "COUNTERED"
    past = after(AwardTender(tender_id=id_of(MGCT)), past=past)
    assert (state_of(past), states(past)) == ("ACCEPTED", {SWFT: "WITHDRAWN", MGCT: "ACCEPTED"})
    assert tender(past, MGCT).agreed_rate == usd(850)


def test_a_bid_may_be_taken_back_and_a_counter_offer_made_better() -> None:
    past = after(says(SWFT, ACCEPT), says(MGCT, COUNTER, rate=990), past=offered(SWFT, MGCT, best=True))
    past = after(says(MGCT, COUNTER, rate=950), says(SWFT, DECLINE), past=past)
    assert (state_of(past), states(past)) == ("COUNTERED", {SWFT: "DECLINED", MGCT: "COUNTERED"})
    past = after(says(MGCT, ACCEPT), past=past)
    assert (states(past)[MGCT], tender(past, MGCT).HasField("counter_rate")) == ("BID", False)
    assert state_of(after(says(MGCT, DECLINE), past=past)) == "TENDER_DECLINED"


def test_a_carrier_may_give_the_load_back_until_a_vehicle_is_named() -> None:
    past = after(says(SWFT, ACCEPT), past=offered(SWFT))
    back = after(says(SWFT, DECLINE), past=past)
    assert (state_of(back), shown(back).carrier_scac) == ("TENDER_DECLINED", "")
    named = after(AssignLoad(assignment=crew()), past=past)
    kept = named.when(ask_load(says(SWFT, DECLINE))).then_event("tender_answer_refused")
    assert (state_of(kept), shown(kept).carrier_scac) == ("ASSIGNED", SWFT)


def test_taking_the_vehicle_back_leaves_the_load_with_its_carrier() -> None:
    past = after(says(SWFT, ACCEPT), AssignLoad(assignment=crew()), past=offered(SWFT))
    past = after(UnassignLoad(reason="another truck"), past=past)
    assert (state_of(past), shown(past).carrier_scac) == ("ACCEPTED", SWFT)
    past.when(ask_load(UnassignLoad(reason="another truck"))).then_nothing()


def test_offers_that_are_taken_back_leave_the_load_to_others() -> None:
    past = after(WithdrawTenders(tender_ids=[id_of(SWFT)], reason="too dear"), past=offered(SWFT, MGCT))
    assert (state_of(past), states(past)) == ("TENDERED", {SWFT: "WITHDRAWN", MGCT: "DRAFT"})
    past = after(WithdrawTenders(reason="no more"), past=past)
    assert (state_of(past), states(past)) == ("PLANNED", {SWFT: "WITHDRAWN", MGCT: "WITHDRAWN"})
    past.when(ask_load(WithdrawTenders(reason="no more"))).then_nothing()
    past.when(ask_load(says(SWFT, ACCEPT))).then_event("tender_answer_refused")


@pytest.mark.parametrize(
    "answers", [(), (says(SWFT, DECLINE),), (says(SWFT, COUNTER, rate=990),), (says(SWFT, ACCEPT),)]
)
def test_a_person_may_give_the_load_to_the_own_fleet_at_any_point_before_a_vehicle_is_named(
    answers: tuple[Message, ...],
) -> None:
    wish = WithdrawTenders(own_fleet=True, reason="our own truck is free")
    past = after(*answers, wish, past=offered(SWFT))
    assert (state_of(past), shown(past).own_fleet_chosen, shown(past).carrier_scac) == ("PLANNED", True, "")
    past.when(ask_load(wish)).then_nothing()
    assert not shown(after(offer(MGCT), past=past)).own_fleet_chosen


def test_the_own_fleet_may_be_chosen_before_anybody_was_asked() -> None:
    past = after(PlanLoad(load=truck()), WithdrawTenders(own_fleet=True, reason="regular run"))
    assert (state_of(past), shown(past).own_fleet_chosen) == ("PLANNED", True)


def test_a_new_plan_replaces_open_offers_and_an_answer_to_the_old_one_does_not_count() -> None:
    both = truck()
    both.stops[0].tasks.append(task("z", 3, OTHER_ORDER))
    both.stops[2].tasks.append(task("z", 3, OTHER_ORDER))
    past = after(PlanLoad(load=both), offer(SWFT, MGCT), says(MGCT, DECLINE))
    past = after(DropOrder(order_id=OTHER_ORDER, reason="cancelled"), past=past)
    assert (state_of(past), states(past)) == ("PLANNED", {SWFT: "SUPERSEDED", MGCT: "DECLINED"})
    past.when(ask_load(says(SWFT, ACCEPT))).then_event("tender_answer_refused")
    anew = after(offer_wish(SWFT, again=2), past=past)
    assert tender(anew, SWFT, 2).plan_version == shown(past).plan_version


def offer_wish(carrier: str, again: int) -> Message:
    wish = offer(carrier)
    wish.offers[0].CopyFrom(offer_to(carrier, again=again))
    return wish


@pytest.mark.parametrize("answers", [(), (says(SWFT, COUNTER, rate=990),), (says(SWFT, DECLINE),)])
def test_cancelling_takes_open_offers_back_at_once(answers: tuple[Message, ...]) -> None:
    past = after(*answers, CancelLoad(reason="the order is gone"), past=offered(SWFT, MGCT))
    assert state_of(past) == "CANCELLED"
    assert states(past)[MGCT] == "WITHDRAWN"
    past.when(ask_load(says(MGCT, ACCEPT))).then_event("tender_answer_refused")


def test_cancelling_what_a_carrier_has_asks_the_carrier_first() -> None:
    past = after(says(SWFT, ACCEPT), CancelLoad(reason="the order is gone"), past=offered(SWFT))
    assert (state_of(past), states(past)) == ("CANCEL_REQUESTED", {SWFT: "ACCEPTED"})


def test_whose_the_load_is_follows_the_offers() -> None:
    past = offered(SWFT, MGCT)
    assert carrier_of(shown(past)) == ""
    past = after(says(SWFT, DECLINE), past=past)
    assert carrier_of(shown(past)) == MGCT
    assert carrier_of(shown(after(says(MGCT, DECLINE), past=past))) == ""


ANSWERS = st.sampled_from(
    [says(carrier, answer) for carrier in (SWFT, MGCT, ODFL) for answer in (ACCEPT, DECLINE)]
    + [says(carrier, COUNTER, rate=rate) for carrier in (SWFT, MGCT, ODFL) for rate in (850, 950)]
    + [says(SWFT, CONDITION, conditions="by noon"), AwardTender(tender_id=id_of(ODFL)), ExpireTenders()]
)


@given_any(
    told=st.lists(st.tuples(ANSWERS, st.integers(0, 40)), max_size=14), best=st.booleans(), repeats=st.integers(1, 3)
)
def test_whatever_is_answered_in_whatever_order_one_carrier_has_the_load_at_most(
    told: list[tuple[Message, int]], best: bool, repeats: int
) -> None:
    past, winners = offered(SWFT, MGCT, ODFL, best=best), set[str]()
    for wish, minute in sorted(told, key=lambda each: each[1]):
        for _ in range(repeats):
            past = _told(past, wish, minute)
        holding = [each for each in shown(past).tenders if each.state == TenderState.TENDER_STATE_ACCEPTED]
        assert len(holding) <= 1
        winners |= {each.carrier_scac for each in holding}
        assert (state_of(past) == "ACCEPTED") == bool(holding)
        if holding:
            assert shown(past).carrier_scac == holding[0].carrier_scac
            assert holding[0].HasField("agreed_rate")
            assert all(each.state not in {1, 2, 5, 6, 11} for each in shown(past).tenders)
    assert len(winners) <= 1


def _told(past: Past, wish: Message, minute: float) -> Past:
    try:
        decided = load.DECIDER.decide(past.state, asked_at(minute, wish))
    except Rejected:
        return past
    return past if decided is None else past.and_given(decided)


def test_the_moment_of_an_answer_is_kept() -> None:
    past = offered(SWFT)
    assert not tender(past, SWFT).HasField("answer_time")
    assert tender(after(says(SWFT, DECLINE), past=past), SWFT).HasField("answer_time")
    assert at(30) == tender(past, SWFT).respond_by_time
