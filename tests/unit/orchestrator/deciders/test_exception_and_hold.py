"""What exceptions and holds answer."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from gladhand.testing.given import Given, given
from logistics.exception.v1 import (
    AcknowledgeException,
    BeginExceptionWork,
    CloseException,
    ExceptionCommand,
    ExceptionEvent,
    ExceptionKind,
    ExceptionState,
    ExpireHold,
    Gate,
    Hold,
    HoldCommand,
    HoldEvent,
    HoldState,
    LiftHold,
    OpenException,
    ReopenException,
    SetHold,
    SettleException,
    VoidException,
)
from logistics.exception.v1 import Exception as MeshException
from services.orchestrator.deciders import exception, hold
from tests.unit.orchestrator.deciders.freight import HOLD, LOAD, ORDER, POD, ask, at

Trouble = Given[exception.State, ExceptionCommand, ExceptionEvent]
Block = Given[hold.State, HoldCommand, HoldEvent]


def trouble(kind: ExceptionKind.ValueType = ExceptionKind.EXCEPTION_KIND_SHORTAGE) -> OpenException:
    return OpenException(exception=MeshException(exception_id=POD, kind=kind, message="3 of 4 were accepted"))


def told(body: Message) -> ExceptionCommand:
    command: ExceptionCommand = ask(ExceptionCommand(exception_id=POD, decide_time=at(0)), body)
    return command


def story(*bodies: Message) -> Trouble:
    past = given(exception.DECIDER)
    for body in bodies:
        decided = exception.DECIDER.decide(past.state, told(body))
        assert decided is not None
        past = past.and_given(decided)
    return past


SEEN, BEGUN = AcknowledgeException(owner="anna"), BeginExceptionWork(owner="ben")
SOLVED, CLOSED = SettleException(code="ACCEPTED_SHORT", note="billed three"), CloseException()
FALSE, BACK = VoidException(reason="miscounted"), ReopenException(reason="again")


@pytest.mark.parametrize(
    ("past", "expected"),
    [
        (story(trouble()), "OPEN"),
        (story(trouble(), SEEN), "ACKNOWLEDGED"),
        (story(trouble(), SEEN, BEGUN), "IN_PROGRESS"),
        (story(trouble(), SOLVED), "RESOLVED"),
        (story(trouble(), BEGUN, SOLVED, CLOSED), "CLOSED"),
        (story(trouble(), SEEN, FALSE), "VOIDED"),
        (story(trouble(), SOLVED, CLOSED, BACK), "OPEN"),
    ],
)
def test_an_exception_is_seen_solved_and_closed(past: Trouble, expected: str) -> None:
    assert past.state.exception is not None
    assert ExceptionState.Name(past.state.exception.state) == f"EXCEPTION_STATE_{expected}"


@pytest.mark.parametrize(
    ("past", "body"),
    [
        (story(trouble()), trouble()),
        (story(trouble(), SOLVED, CLOSED), trouble()),
        (story(trouble(), SEEN), SEEN),
        (story(trouble(), BEGUN), SEEN),
        (story(trouble(), BEGUN), BEGUN),
        (story(trouble(), SOLVED), SOLVED),
        (story(trouble(), SOLVED, CLOSED), CLOSED),
        (story(trouble(), FALSE), FALSE),
        (story(trouble()), BACK),
    ],
)
def test_an_exception_takes_no_note_of_what_is_already_so(past: Trouble, body: Message) -> None:
    past.when(told(body)).then_nothing()


@pytest.mark.parametrize(
    ("past", "body", "reason"),
    [
        (given(exception.DECIDER), SEEN, "EXCEPTION_NOT_FOUND"),
        (story(trouble()), trouble(ExceptionKind.EXCEPTION_KIND_DAMAGE), "REFERENCE_CONFLICT"),
        (story(trouble()), SettleException(), "CONTRACT_VIOLATION"),
        (story(trouble()), CLOSED, "TRANSITION_NOT_ALLOWED"),
        (story(trouble(), SOLVED), SettleException(code="CREDITED"), "TRANSITION_NOT_ALLOWED"),
        (story(trouble(), SOLVED), FALSE, "TRANSITION_NOT_ALLOWED"),
        (story(trouble(), FALSE), SEEN, "TRANSITION_NOT_ALLOWED"),
        (story(trouble(), FALSE), BACK, "TRANSITION_NOT_ALLOWED"),
    ],
)
def test_an_exception_refuses(past: Trouble, body: Message, reason: str) -> None:
    past.when(told(body)).then_rejected(reason)


def block(*, four_eyes: bool = False, placed_by: str = "anna", order_id: str = ORDER, load_id: str = "") -> SetHold:
    placed = Hold(
        hold_id=HOLD,
        order_id=order_id,
        load_id=load_id,
        gates=[Gate.GATE_BILLING],
        reason="goods were warm",
        placed_by=placed_by,
        four_eyes=four_eyes,
    )
    placed.expire_time.CopyFrom(at(60))
    return SetHold(hold=placed)


def asked(body: Message, minutes: float = 0) -> HoldCommand:
    command: HoldCommand = ask(HoldCommand(hold_id=HOLD, decide_time=at(minutes)), body)
    return command


def placed(body: SetHold) -> Block:
    return given(hold.DECIDER).when(asked(body)).then_event("placed")


def test_a_hold_is_placed_and_released_once() -> None:
    active = placed(block())
    active.when(asked(block())).then_nothing()
    released = active.when(asked(LiftHold(released_by="anna", evidence="curve checked"))).then_event("released")
    assert released.state.hold is not None
    assert released.state.hold.state == HoldState.HOLD_STATE_RELEASED
    released.when(asked(LiftHold(released_by="ben"))).then_nothing()
    released.when(asked(block())).then_nothing()


def test_four_eyes_are_two_people() -> None:
    active = placed(block(four_eyes=True))
    active.when(asked(LiftHold(released_by="anna"))).then_rejected("NOT_PERMITTED")
    active.when(asked(LiftHold())).then_rejected("NOT_PERMITTED")
    active.when(asked(LiftHold(released_by="ben"))).then_event("released")


def test_a_hold_expires_in_its_time_and_not_before() -> None:
    active = placed(block())
    active.when(asked(ExpireHold(), minutes=59)).then_rejected("TRANSITION_NOT_ALLOWED")
    active.when(asked(ExpireHold(), minutes=60)).then_event("expired").when(asked(ExpireHold())).then_nothing()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (block(load_id=LOAD), "CONTRACT_VIOLATION"),
        (block(order_id=""), "CONTRACT_VIOLATION"),
        (block(four_eyes=True, placed_by=""), "CONTRACT_VIOLATION"),
        (LiftHold(), "HOLD_NOT_FOUND"),
    ],
)
def test_a_hold_refuses(body: Message, reason: str) -> None:
    given(hold.DECIDER).when(asked(body)).then_rejected(reason)


def test_another_hold_needs_another_id() -> None:
    placed(block()).when(asked(block(placed_by="ben"))).then_rejected("REFERENCE_CONFLICT")
