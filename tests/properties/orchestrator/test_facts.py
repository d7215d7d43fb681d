"""Facts from the road may come in any order and any number of times: the load ends the same."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from gladhand.lifecycle import check_step
from logistics.load.v1 import (
    ApproachStop,
    ArriveStop,
    AssignLoad,
    BeginStopService,
    CompleteStop,
    DepartStop,
    DispatchLoad,
    Load,
    LoadEvent,
    LoadState,
    PlanLoad,
    Stop,
    StopKind,
    StopTime,
)
from services.orchestrator.deciders import load
from services.orchestrator.quantities import decimal_of, total
from tests.unit.orchestrator.deciders.freight import FIRST, PICKUP, POD, SECOND, ask_load, crew, outcome, truck, when

SOURCES = ("driver_scan", "edi", "geofence", "pod", "inferred")
BEGINS = {PICKUP: 0, FIRST: 100, SECOND: 200}
ACCEPTED = {FIRST: ("a", 10), SECOND: ("b", 4)}


def started() -> load.State:
    state = load.State()
    for wish in (
        PlanLoad(load=truck()),
        AssignLoad(assignment=crew()),
        DispatchLoad(dispatch_reference="D", epoch=1),
    ):
        state = told(state, wish)
    return state


def told(state: load.State, wish: Message) -> load.State:
    decided = load.DECIDER.decide(state, ask_load(wish))
    if decided is None:
        return state
    event = LoadEvent()
    if isinstance(decided, LoadEvent):
        event = decided
    else:
        for choice in event.DESCRIPTOR.oneofs_by_name["body"].fields:
            if choice.message_type is decided.DESCRIPTOR:
                getattr(event, choice.name).CopyFrom(decided)
    after = load.DECIDER.evolve(state, event)
    check_step(load.DECIDER.machines(state), event.WhichOneof("body") or "", load.DECIDER.machines(after))
    again = load.DECIDER.decide(after, ask_load(wish))
    assert again is None, f"the same command twice: {again}"
    return after


def times(stop_id: str, within: tuple[int, int]) -> st.SearchStrategy[StopTime]:
    begin = BEGINS[stop_id]
    return st.builds(when, st.integers(begin + within[0], begin + within[1]), st.sampled_from(SOURCES))


def completions(stop_id: str) -> st.SearchStrategy[CompleteStop]:
    """Proofs differ in their ids and times; one proof tells one thing."""
    if stop_id == PICKUP:
        return st.builds(lambda time: CompleteStop(stop_id=stop_id, time=time), times(stop_id, (20, 40)))
    line_id, expected = ACCEPTED[stop_id]

    def proved(number: int) -> CompleteStop:
        rejected = number % (expected + 1)
        return CompleteStop(
            stop_id=stop_id,
            time=when(BEGINS[stop_id] + 20 + number, "pod"),
            tasks=[outcome(line_id, expected - rejected, rejected)],
            pod_id=f"{POD[:-2]}{number:02d}",
        )

    return st.builds(proved, st.integers(0, 20))


def facts_about(stop_id: str) -> st.SearchStrategy[list[Message]]:
    approaches = st.builds(lambda time: ApproachStop(stop_id=stop_id, time=time), times(stop_id, (0, 5)))
    arrivals = st.builds(lambda time: ArriveStop(stop_id=stop_id, time=time), times(stop_id, (5, 10)))
    services = st.builds(lambda time: BeginStopService(stop_id=stop_id, time=time), times(stop_id, (10, 20)))
    departures = st.builds(lambda time: DepartStop(stop_id=stop_id, time=time), times(stop_id, (40, 60)))
    return st.lists(st.one_of(approaches, arrivals, services, completions(stop_id), departures), max_size=5)


tours = st.tuples(facts_about(PICKUP), facts_about(FIRST), facts_about(SECOND)).map(
    lambda parts: [fact for part in parts for fact in part]
)


def ended(facts: Sequence[Message]) -> load.State:
    state = started()
    for fact in facts:
        state = told(state, fact)
    return state


def picture(state: load.State) -> list[tuple[object, ...]]:
    """What must not depend on the order in which facts came."""
    assert state.load is not None
    return [
        (
            stop.state,
            stop.outcome,
            tuple(task.SerializeToString(deterministic=True) for task in stop.tasks),
            tuple(moment(stop, name) for name in ("arrival", "service_start", "completion", "departure")),
        )
        for stop in state.load.stops
    ]


def moment(stop: Stop, name: str) -> tuple[int, str] | None:
    if not any(field.name == name for field, _ in stop.ListFields()):
        return None
    found: StopTime = getattr(stop, name)
    return found.time.ToNanoseconds(), found.source


def sums_hold(shown: Load) -> bool:
    return all(
        decimal_of(task.actual) <= decimal_of(task.expected)
        and (
            stop.kind == StopKind.STOP_KIND_PICKUP
            or total((decimal_of(task.accepted), decimal_of(task.rejected))) == decimal_of(task.actual)
        )
        for stop in shown.stops
        for task in stop.tasks
    )


@settings(max_examples=150, deadline=None)
@given(tours, st.data())
def test_any_order_and_any_repetition_end_in_the_same_stops(tour: list[Message], data: st.DataObject) -> None:
    straight = ended(tour)
    shuffled = data.draw(st.permutations(tour + tour[: len(tour) // 2]))
    crooked = ended(shuffled)
    assert picture(straight) == picture(crooked)
    assert straight.load is not None
    assert crooked.load is not None
    assert sums_hold(crooked.load)
    over = LoadState.LOAD_STATE_COMPLETED
    assert (straight.load.state == over) == (crooked.load.state == over)


@settings(max_examples=60, deadline=None)
@given(tours)
def test_facts_in_their_own_order_put_the_vehicle_where_the_stops_say(tour: list[Message]) -> None:
    state = ended(sorted(tour, key=_occurred))
    assert state.load is not None
    assert state.load.state == load.derive(state.load)


def _occurred(fact: Message) -> int:
    time: StopTime = getattr(fact, "time")  # noqa: B009 - every fact has one, messages in general do not
    return time.time.ToNanoseconds()
