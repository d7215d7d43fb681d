"""Every state of a load with a pickup and two deliveries, and what holds in all of them (contract §4)."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from logistics.exception.v1 import Gate
from logistics.load.v1 import (
    ApplyLoadHold,
    ApproachStop,
    ArriveStop,
    AssignLoad,
    BeginStopService,
    CancelLoad,
    CompleteStop,
    ConfirmLoadCancel,
    DepartStop,
    DispatchLoad,
    DropOrder,
    FailStop,
    InterruptLoad,
    LiftLoadHold,
    LoadCommand,
    LoadState,
    PlanLoad,
    ResumeLoad,
    SkipStop,
    UnassignLoad,
)
from services.orchestrator.deciders import load
from services.orchestrator.deciders.load import State
from services.orchestrator.quantities import decimal_of, total
from tests.model.explorer import Walk, explore, left_wrongly
from tests.unit.orchestrator.deciders.freight import (
    FIRST,
    HOLD,
    NEWER_POD,
    ORDER,
    PICKUP,
    POD,
    SECOND,
    ask_load,
    crew,
    outcome,
    truck,
    when,
)

WISHES: dict[str, Message] = {
    "plan": PlanLoad(load=truck()),
    "assign": AssignLoad(assignment=crew()),
    "assign another": AssignLoad(assignment=crew(epoch=2, vehicle="truck-2", start=1)),
    "unassign": UnassignLoad(reason="broken"),
    "dispatch": DispatchLoad(dispatch_reference="D-1", epoch=1),
    "dispatch the other": DispatchLoad(dispatch_reference="D-2", epoch=2),
    "hold": ApplyLoadHold(hold_id=HOLD, gates=[Gate.GATE_DISPATCH]),
    "lift": LiftLoadHold(hold_id=HOLD),
    "arrive at pickup": ArriveStop(stop_id=PICKUP, time=when(10)),
    "complete pickup": CompleteStop(stop_id=PICKUP, time=when(20, "driver_scan")),
    "depart from pickup": DepartStop(stop_id=PICKUP, time=when(30)),
    "arrive at first": ArriveStop(stop_id=FIRST, time=when(60)),
    "complete first": CompleteStop(stop_id=FIRST, time=when(70, "pod"), tasks=[outcome("a", 9, 1)], pod_id=POD),
    "depart from first": DepartStop(stop_id=FIRST, time=when(80)),
    "fail first": FailStop(stop_id=FIRST, time=when(75), reason="CLOSED"),
    "approach second": ApproachStop(stop_id=SECOND, time=when(85)),
    "begin second": BeginStopService(stop_id=SECOND, time=when(105)),
    "complete second": CompleteStop(stop_id=SECOND, time=when(110, "pod"), tasks=[outcome("b", 4)], pod_id=NEWER_POD),
    "depart from second": DepartStop(stop_id=SECOND, time=when(120)),
    "skip second": SkipStop(stop_id=SECOND, time=when(90), reason="no time"),
    "drop": DropOrder(order_id=ORDER, reason="cancelled"),
    "interrupt": InterruptLoad(reason="flat tyre"),
    "resume": ResumeLoad(),
    "cancel": CancelLoad(reason="no"),
    "confirm cancel": ConfirmLoadCancel(reason="agreed"),
}
COMMANDS: dict[str, LoadCommand] = {name: ask_load(wish) for name, wish in WISHES.items()}
YARD = {"assign another", "unassign", "dispatch the other", "hold", "lift"}
ROAD = {"approach second", "arrive at first", "begin second", "fail first", "interrupt", "resume", "skip second"}
WORLDS = {"yard": COMMANDS.keys() - ROAD, "road": COMMANDS.keys() - YARD}
"""Two worlds that overlap: all that can happen before the road, with a plain tour, and all that can happen on it."""
ENDED = frozenset({LoadState.LOAD_STATE_COMPLETED, LoadState.LOAD_STATE_CANCELLED})


@pytest.fixture(scope="module", params=sorted(WORLDS))
def walk(request: pytest.FixtureRequest) -> Walk[State]:
    world = {name: command for name, command in COMMANDS.items() if name in WORLDS[request.param]}
    found = explore(load.DECIDER, world, told_again=["cancel_reversed", "unassigned"])
    print(f"\nload, {request.param}: {found}")  # noqa: T201 - the size of the world is part of the answer
    return found


def test_the_lifecycle_never_has_to_refuse_what_the_decider_granted(walk: Walk[State]) -> None:
    assert walk.illegal == []


def test_no_wish_comes_true_twice(walk: Walk[State]) -> None:
    assert walk.unsettled == []


def test_the_road_leads_through_every_state_of_an_own_load() -> None:
    walk = explore(
        load.DECIDER, {name: COMMANDS[name] for name in WORLDS["road"] - {"arrive at first", "begin second"}}
    )
    reached = {LoadState.Name(state.load.state) for state in walk.states if state.load is not None}
    elsewhere = {"DRAFT", "TENDERED", "TENDER_DECLINED", "TENDER_EXPIRED", "COUNTERED", "ACCEPTED", "REASSIGNING"}
    left_out = {f"LOAD_STATE_{name}" for name in elsewhere | {"UNSPECIFIED"}}
    assert reached == set(LoadState.keys()) - left_out


def test_no_load_is_dispatched_twice_or_under_a_hold(walk: Walk[State]) -> None:
    for step in walk.steps:
        if step.event == "dispatched":
            before = walk.states[step.before]
            assert not before.holds
            assert not before.dispatched_epoch


def test_what_was_set_down_is_what_was_accepted_and_refused(walk: Walk[State]) -> None:
    for state in walk.states:
        for stop in state.load.stops if state.load is not None else ():
            for task in stop.tasks:
                assert decimal_of(task.actual) <= decimal_of(task.expected)
                if task.HasField("accepted"):
                    assert total((decimal_of(task.accepted), decimal_of(task.rejected))) == decimal_of(task.actual)


def test_a_terminal_state_is_left_only_by_its_named_edges(walk: Walk[State]) -> None:
    assert left_wrongly(load.DECIDER, walk) == []


def test_an_end_can_be_reached_from_everywhere(walk: Walk[State]) -> None:
    stuck = walk.dead_ends(lambda state: state.load is not None and state.load.state in ENDED)
    assert [str(walk.states[index].load) for index in stuck] == []
