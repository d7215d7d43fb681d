"""What a proof of delivery answers."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from gladhand.testing.given import Given, given
from logistics.order.v1 import CheckResult
from logistics.pod.v1 import (
    CapturePod,
    ConcludePod,
    PodCheck,
    PodCheckKind,
    PodCommand,
    PodEvent,
    PodLine,
    PodMethod,
    PodState,
    ProofOfDelivery,
    SupersedePod,
)
from logistics.type.v1 import Provenance
from services.orchestrator.deciders import pod
from services.orchestrator.deciders.pod import State
from tests.unit.orchestrator.deciders.freight import FIRST, LOAD, NEWER_POD, ORDER, POD, ask, at, pieces

Past = Given[State, PodCommand, PodEvent]


def proof(accepted: int = 10) -> ProofOfDelivery:
    return ProofOfDelivery(
        pod_id=POD,
        load_id=LOAD,
        stop_id=FIRST,
        capture_time=at(70),
        methods=[PodMethod.POD_METHOD_SIGNATURE],
        lines=[
            PodLine(
                order_id=ORDER,
                line_id="a",
                delivered=pieces(10),
                accepted=pieces(accepted),
                rejected=pieces(10 - accepted),
            )
        ],
    )


def wish(body: Message) -> PodCommand:
    command: PodCommand = ask(PodCommand(pod_id=POD, decide_time=at(0)), body)
    return command


def after(*bodies: Message) -> Past:
    story = given(pod.DECIDER)
    for body in bodies:
        decided = pod.DECIDER.decide(story.state, wish(body))
        assert decided is not None
        story = story.and_given(decided)
    return story


def check(result: CheckResult.ValueType) -> PodCheck:
    return PodCheck(kind=PodCheckKind.POD_CHECK_KIND_PLACE, result=result)


CAPTURE = CapturePod(pod=proof())
GOOD = ConcludePod(checks=[check(CheckResult.CHECK_RESULT_PASS), check(CheckResult.CHECK_RESULT_WAIVED)])
BAD = ConcludePod(checks=[check(CheckResult.CHECK_RESULT_PASS), check(CheckResult.CHECK_RESULT_FAIL)])
NEWER = SupersedePod(by_pod_id=NEWER_POD)


@pytest.mark.parametrize(
    ("past", "expected"),
    [
        (after(CAPTURE), "CAPTURED"),
        (after(CAPTURE, GOOD), "VALIDATED"),
        (after(CAPTURE, BAD), "REJECTED"),
        (after(CAPTURE, GOOD, NEWER), "SUPERSEDED"),
    ],
)
def test_a_proof_is_handed_in_judged_and_replaced(past: Past, expected: str) -> None:
    assert past.state.pod is not None
    assert PodState.Name(past.state.pod.state) == f"POD_STATE_{expected}"
    assert past.state.pod.version == past.version


@pytest.mark.parametrize(
    ("past", "body"),
    [
        (after(CAPTURE), CAPTURE),
        (after(CAPTURE, BAD), CAPTURE),
        (after(CAPTURE, GOOD), GOOD),
        (after(CAPTURE, BAD), BAD),
        (after(CAPTURE, GOOD, NEWER), GOOD),
        (after(CAPTURE, GOOD, NEWER), NEWER),
    ],
)
def test_what_is_already_so_is_nothing_new(past: Past, body: Message) -> None:
    past.when(wish(body)).then_nothing()


@pytest.mark.parametrize(
    ("past", "body", "reason"),
    [
        (given(pod.DECIDER), GOOD, "POD_NOT_FOUND"),
        (after(CAPTURE), CapturePod(pod=proof(9)), "MESSAGE_CONFLICT"),
        (after(CAPTURE), ConcludePod(), "CONTRACT_VIOLATION"),
        (after(CAPTURE, GOOD), BAD, "TRANSITION_NOT_ALLOWED"),
        (after(CAPTURE, BAD), GOOD, "TRANSITION_NOT_ALLOWED"),
        (after(CAPTURE), NEWER, "TRANSITION_NOT_ALLOWED"),
        (after(CAPTURE, GOOD), SupersedePod(by_pod_id=POD), "CONTRACT_VIOLATION"),
    ],
)
def test_what_must_not_be_is_refused(past: Past, body: Message, reason: str) -> None:
    past.when(wish(body)).then_rejected(reason)


def test_a_proof_delivered_again_by_another_way_is_the_same_proof() -> None:
    again = proof()
    again.ClearField("load_id")
    again.provenance.CopyFrom(Provenance(provider="driver-app", raw_reference="inbox/8"))
    after(CAPTURE).when(wish(CapturePod(pod=again))).then_nothing()
