"""Lives of loads."""

from __future__ import annotations

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
    PlanLoad,
    ReplanLoad,
    ResumeLoad,
    SkipStop,
    StopTask,
    UnassignLoad,
)
from tools.corpus.stories.freight import (
    EXCEPTION,
    FIRST,
    HOLD,
    LOAD,
    ORDER,
    OTHER_POD,
    PICKUP,
    POD,
    SECOND,
    crew,
    outcome,
    truck,
    when,
)
from tools.corpus.telling import Story


def _arrive(stop_id: str, minutes: float, source: str = "geofence") -> ArriveStop:
    return ArriveStop(stop_id=stop_id, time=when(minutes, source))


def _depart(stop_id: str, minutes: float) -> DepartStop:
    return DepartStop(stop_id=stop_id, time=when(minutes))


def _complete(stop_id: str, minutes: float, *tasks: StopTask, pod_id: str = "", source: str = "pod") -> CompleteStop:
    return CompleteStop(stop_id=stop_id, time=when(minutes, source), tasks=tasks, pod_id=pod_id)


_PLAN = PlanLoad(load=truck())
_ASSIGN = AssignLoad(assignment=crew())
_DISPATCH = DispatchLoad(dispatch_reference="D-1", epoch=1)
_CANCEL = CancelLoad(reason="nobody wants it")
_DISPATCHED = (_PLAN, _ASSIGN, _DISPATCH)
_ROLLING = (
    *_DISPATCHED,
    ApproachStop(stop_id=PICKUP, time=when(28)),
    _arrive(PICKUP, 30),
    _complete(PICKUP, 40, source="driver_scan"),
    _depart(PICKUP, 45),
)
_AT_SECOND = (
    *_ROLLING,
    _arrive(FIRST, 60),
    BeginStopService(stop_id=FIRST, time=when(62)),
    _complete(FIRST, 70, outcome("a", 10), pod_id=POD),
    _depart(FIRST, 80),
    _arrive(SECOND, 100),
)


def _story(name: str, told: str, *wishes: object, future: bool = False) -> Story:
    return Story("load", name, told, LOAD, wishes, ends_with_the_unknown=future)


LOADS = (
    _story(
        "completed",
        "A tour goes as planned.",
        *_AT_SECOND, _complete(SECOND, 110, outcome("b", 4), pod_id=OTHER_POD), _depart(SECOND, 120),
    ),
    _story(
        "partly_rejected",
        "One piece is refused at the second shop.",
        *_AT_SECOND, _complete(SECOND, 110, outcome("b", 3, 1), pod_id=OTHER_POD), _depart(SECOND, 120),
    ),
    _story(
        "late_facts",
        "Departures come first, arrivals and a better source after them, and a proof last of all.",
        *_DISPATCHED, _depart(PICKUP, 45), _arrive(PICKUP, 30), _arrive(PICKUP, 31, "driver_scan"), _depart(FIRST, 80),
        _complete(FIRST, 70, outcome("a", 10), pod_id=POD),
    ),
    _story(
        "failed_and_skipped",
        "One shop is closed and the other is left out.",
        *_ROLLING, FailStop(stop_id=FIRST, time=when(60), reason="CONSIGNEE_CLOSED"),
        SkipStop(stop_id=SECOND, time=when(61), reason="refused by telephone"),
    ),
    _story("cancelled_before_dispatch", "Given up before anybody drove.", _PLAN, _ASSIGN, _CANCEL),
    _story(
        "cancelled_after_dispatch",
        "Given up on the way to the pickup; the road agrees.",
        *_DISPATCHED, _CANCEL, ConfirmLoadCancel(reason="agreed by telephone"),
    ),
    _story(
        "cancel_reversed",
        "Goods on board reverse a requested cancelling.",
        *_DISPATCHED, _arrive(PICKUP, 30), _CANCEL, _complete(PICKUP, 40, source="driver_scan"),
        _complete(PICKUP, 40, source="driver_scan"),
    ),
    _story(
        "interrupted",
        "A flat tyre on the way; the arrival is known before it goes on.",
        *_ROLLING, InterruptLoad(reason="flat tyre", exception_id=EXCEPTION), _arrive(FIRST, 90), ResumeLoad(),
    ),
    _story(
        "order_dropped",
        "One of two orders leaves the tour.",
        PlanLoad(load=truck(shared=True)), _ASSIGN, _DISPATCH, DropOrder(order_id=ORDER, reason="cancelled"),
    ),
    _story(
        "replanned",
        "Traffic: the second shop falls out of the tour.",
        *_DISPATCHED, ReplanLoad(expected_plan_version=1, stops=truck().stops[:2], reason="traffic"),
    ),
    _story(
        "assigned_twice",
        "Another truck takes over before dispatch, and a hold on dispatch is lifted.",
        _PLAN, _ASSIGN, UnassignLoad(reason="in the workshop"), AssignLoad(assignment=crew(2, "truck-2", 5)),
        ApplyLoadHold(hold_id=HOLD, gates=[Gate.GATE_DISPATCH]), LiftLoadHold(hold_id=HOLD),
        DispatchLoad(dispatch_reference="D-2", epoch=2),
    ),
    _story("newer_writer", "A newer writer adds an event that may be ignored.", *_DISPATCHED, future=True),
)  # fmt: skip
"""Every life of a load in the corpus."""
