"""A load at every point of its tour, told by what was asked of it."""

from __future__ import annotations

from google.protobuf.message import Message

from gladhand.testing.given import Given, given
from logistics.load.v1 import (
    ArriveStop,
    AssignLoad,
    CancelLoad,
    CompleteStop,
    DepartStop,
    DispatchLoad,
    FailStop,
    Load,
    LoadCommand,
    LoadEvent,
    LoadState,
    PlanLoad,
    Stop,
    StopState,
    StopTask,
)
from logistics.type.v1 import Classifier
from services.orchestrator.deciders import load
from services.orchestrator.deciders.load import State
from tests.unit.orchestrator.deciders.freight import (
    FIRST,
    NEWER_POD,
    OTHER_ORDER,
    PICKUP,
    POD,
    SECOND,
    ask_load,
    crew,
    outcome,
    task,
    truck,
    when,
)

Past = Given[State, LoadCommand, LoadEvent]


def after(*wishes: Message, past: Past | None = None) -> Past:
    """The load after these wishes, each of which must have made something new true."""
    story = past or given(load.DECIDER)
    for wish in wishes:
        decided = load.DECIDER.decide(story.state, ask_load(wish))
        assert decided is not None, f"{wish.DESCRIPTOR.name} changed nothing"
        story = story.and_given(decided)
    return story


def shown(past: Past) -> Load:
    assert past.state.load is not None
    return past.state.load


def state_of(past: Past) -> str:
    return LoadState.Name(shown(past).state).removeprefix("LOAD_STATE_")


def stop_at(past: Past, stop_id: str) -> Stop:
    return next(stop for stop in shown(past).stops if stop.stop_id == stop_id)


def stop_state(past: Past, stop_id: str) -> str:
    return StopState.Name(stop_at(past, stop_id).state).removeprefix("STOP_STATE_")


def arrive(stop_id: str, minutes: float, source: str = "geofence", epoch: int = 0) -> ArriveStop:
    return ArriveStop(stop_id=stop_id, time=when(minutes, source), epoch=epoch)


def depart(stop_id: str, minutes: float, source: str = "geofence", epoch: int = 0) -> DepartStop:
    return DepartStop(stop_id=stop_id, time=when(minutes, source), epoch=epoch)


def complete(stop_id: str, minutes: float, *tasks: StopTask, pod_id: str = "", source: str = "pod") -> CompleteStop:
    return CompleteStop(stop_id=stop_id, time=when(minutes, source), tasks=tasks, pod_id=pod_id)


def fail(stop_id: str, minutes: float) -> FailStop:
    return FailStop(stop_id=stop_id, time=when(minutes), reason="CONSIGNEE_CLOSED")


def shared() -> Load:
    """The same tour with a second order's goods for the second address."""
    both = truck()
    both.stops[0].tasks.append(task("x", 3, OTHER_ORDER))
    both.stops[2].tasks.append(task("x", 3, OTHER_ORDER))
    return both


ESTIMATED = when(10)
ESTIMATED.classifier = Classifier.CLASSIFIER_ESTIMATED
PLAN = PlanLoad(load=truck())
ASSIGN = AssignLoad(assignment=crew())
DISPATCH = DispatchLoad(dispatch_reference="D-1", epoch=1)
CANCEL = CancelLoad(reason="nobody wants it")
FULL_FIRST = complete(FIRST, 70, outcome("a", 10), pod_id=POD)

PLANNED = after(PLAN)
ASSIGNED = after(ASSIGN, past=PLANNED)
DISPATCHED = after(DISPATCH, past=ASSIGNED)
AT_PICKUP = after(arrive(PICKUP, 10), past=DISPATCHED)
LOADED = after(complete(PICKUP, 20, source="driver_scan"), past=AT_PICKUP)
ROLLING = after(depart(PICKUP, 30), past=LOADED)
AT_FIRST = after(arrive(FIRST, 60), past=ROLLING)
SERVED_FIRST = after(FULL_FIRST, past=AT_FIRST)
BETWEEN = after(depart(FIRST, 80), past=SERVED_FIRST)
AT_SECOND = after(arrive(SECOND, 100), complete(SECOND, 110, outcome("b", 3, 1), pod_id=NEWER_POD), past=BETWEEN)
DONE = after(depart(SECOND, 120), past=AT_SECOND)


DISPATCHED_EVENTS = (PLAN, ASSIGN, DISPATCH)


def history(wishes: tuple[Message, ...], *more: Message) -> list[LoadEvent]:
    """The events of these wishes, named event-1, event-2 and so on."""
    events: list[LoadEvent] = []
    story = given(load.DECIDER)
    for number, wish in enumerate((*wishes, *more), 1):
        decided = load.DECIDER.decide(story.state, ask_load(wish))
        assert decided is not None
        event = decided if isinstance(decided, LoadEvent) else wrapped(decided)
        event.event_id = f"event-{number}"
        events.append(event)
        story = story.and_given(event)
    return events


def wrapped(body: Message) -> LoadEvent:
    event = LoadEvent()
    for choice in event.DESCRIPTOR.oneofs_by_name["body"].fields:
        if choice.message_type is body.DESCRIPTOR:
            getattr(event, choice.name).CopyFrom(body)
    return event
