"""A word told three times, twice with other times, once taken back: in any order, the load ends the same (S9)."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.load.v1 import ArriveStop, CompleteStop, DepartStop, LoadState, RetractStopFact, StopTime
from services.orchestrator.deciders import load
from tests.properties.orchestrator.test_facts import picture, started, told
from tests.unit.orchestrator.deciders.freight import FIRST, PICKUP, POD, outcome, when

SOURCES = ("driver_scan", "edi", "geofence")


def named(minutes: int, source: str, number: int) -> StopTime:
    return when(minutes, source, evidence=f"word-{number}")


def proved(minutes: int, rejected: int, number: int) -> CompleteStop:
    return CompleteStop(
        stop_id=FIRST,
        time=when(minutes, "pod", evidence=f"{POD[:-2]}{number:02d}"),
        tasks=[outcome("a", 10 - rejected, rejected)],
        pod_id=f"{POD[:-2]}{number:02d}",
    )


@st.composite
def stories(draw: st.DrawFn) -> list[Message]:
    """Arrivals, departures and proofs of one stop; some are taken back and some put right by another."""
    wishes: list[Message] = []
    for number in range(draw(st.integers(1, 4))):
        time = named(draw(st.integers(60, 70)), draw(st.sampled_from(SOURCES)), number)
        if number and draw(st.booleans()):
            time.corrects_evidence_id = f"word-{draw(st.integers(0, number - 1))}"
        wishes.append(ArriveStop(stop_id=FIRST, time=time))
    for number in range(10, 10 + draw(st.integers(0, 3))):
        time = named(draw(st.integers(80, 90)), draw(st.sampled_from(SOURCES)), number)
        wishes.append(DepartStop(stop_id=FIRST, time=time))
    minutes = draw(st.lists(st.integers(70, 79), max_size=3, unique=True))
    wishes += [proved(minute, draw(st.integers(0, 10)), n) for n, minute in enumerate(minutes, 20)]
    names = [time_of(wish).evidence_id for wish in wishes]
    for evidence in draw(st.lists(st.sampled_from(names), max_size=2, unique=True)):
        wishes.append(RetractStopFact(stop_id=FIRST, evidence_ids=[evidence], reason="not true"))
    return wishes


def time_of(wish: Message) -> StopTime:
    time: StopTime = getattr(wish, "time")  # noqa: B009 - every fact has one, messages in general do not
    return time


def ended(wishes: Sequence[Message]) -> load.State:
    state = told(started(), DepartStop(stop_id=PICKUP, time=when(30)))
    for wish in wishes:
        state = told(state, wish)
    return state


@settings(max_examples=300, deadline=None)
@given(stories(), st.data())
def test_any_order_with_any_repetition_ends_the_same(story: list[Message], data: st.DataObject) -> None:
    straight = ended(story)
    crooked = ended(data.draw(st.permutations(story + story[: len(story) // 2])))
    assert picture(straight) == picture(crooked)
    assert straight.load is not None
    assert crooked.load is not None
    assert straight.load.state != LoadState.LOAD_STATE_COMPLETED


@settings(max_examples=150, deadline=None)
@given(stories())
def test_what_was_taken_back_is_as_if_never_told(story: list[Message]) -> None:
    gone = {name for wish in story if isinstance(wish, RetractStopFact) for name in wish.evidence_ids}
    facts = [wish for wish in story if not isinstance(wish, RetractStopFact)]
    if any(time_of(wish).corrects_evidence_id and time_of(wish).evidence_id in gone for wish in facts):
        return  # a correction that is taken back has put its word away all the same: it said that one is wrong
    kept = [wish for wish in facts if time_of(wish).evidence_id not in gone]
    assert picture(ended(story)) == picture(ended(kept))
