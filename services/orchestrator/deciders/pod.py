"""Proof of delivery: handed in, checked, and replaced by a newer one (domain reference 3.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from google.protobuf.message import Message

from gladhand.decider import Decider
from gladhand.lifecycle import MachineState
from logistics.error.v1 import ErrorReason
from logistics.order.v1 import CheckResult
from logistics.pod.v1 import (
    PodCaptured,
    PodCommand,
    PodEvent,
    PodRejected,
    PodState,
    PodSuperseded,
    PodValidated,
    ProofOfDelivery,
)
from services.orchestrator.deciders.refusal import no_way, refused, violated

_CONCLUDED = frozenset({PodState.POD_STATE_VALIDATED, PodState.POD_STATE_REJECTED, PodState.POD_STATE_SUPERSEDED})


@dataclass(frozen=True, slots=True)
class State:
    """One proof. `pod` is what everybody may see; it is never changed in place."""

    pod: ProofOfDelivery | None = None
    """None before birth."""
    superseded_by: str = ""
    """The newer proof; empty while this one counts."""


def _decide(state: State, command: PodCommand) -> Message | None:
    wish = command.WhichOneof("body")
    if wish == "capture":
        return _capture(state, command)
    if state.pod is None:
        raise refused(
            ErrorReason.ERROR_REASON_POD_NOT_FOUND, "there is no such proof; hand it in first", pod_id=command.pod_id
        )
    if wish == "conclude":
        return _conclude(state.pod, command)
    if wish == "supersede":
        return _supersede(state, state.pod, command)
    raise violated("body", "the command asks for nothing; set its body")


def _capture(state: State, command: PodCommand) -> Message | None:
    handed_in = command.capture.pod
    if handed_in.pod_id != command.pod_id:
        raise violated("pod.pod_id", f"the proof names itself {handed_in.pod_id}, the command {command.pod_id}")
    known = state.pod
    if known is None or known.state == PodState.POD_STATE_PENDING:
        return PodCaptured(pod=_content(handed_in))
    if _same(known, handed_in):
        return None
    # The id follows from the message that brought the proof: other content under it is another message.
    raise refused(
        ErrorReason.ERROR_REASON_MESSAGE_CONFLICT,
        f"proof {known.pod_id} came before with other content; hand the new one in under an id of its own",
        key=known.pod_id,
    )


def _conclude(pod: ProofOfDelivery, command: PodCommand) -> Message | None:
    checks = command.conclude.checks
    if not checks:
        raise violated("checks", "a proof is judged by its checks; give every check with its result")
    passed = all(check.result != CheckResult.CHECK_RESULT_FAIL for check in checks)
    if pod.state in _CONCLUDED:
        if passed == (pod.state != PodState.POD_STATE_REJECTED):
            return None
        raise no_way("proof", PodState, pod.state, "another verdict", "hand in another proof")
    if pod.state != PodState.POD_STATE_CAPTURED:
        raise no_way("proof", PodState, pod.state, "judging it", "it must be handed in first")
    return PodValidated(checks=checks) if passed else PodRejected(checks=checks)


def _supersede(state: State, pod: ProofOfDelivery, command: PodCommand) -> Message | None:
    newer = command.supersede.by_pod_id
    if newer == pod.pod_id:
        raise violated("by_pod_id", "a proof cannot take its own place; name the newer one")
    if state.superseded_by:
        return None
    if pod.state != PodState.POD_STATE_VALIDATED:
        raise no_way(
            "proof", PodState, pod.state, "superseding it", "only a validated proof is replaced by a newer one"
        )
    return PodSuperseded(by_pod_id=newer)


def _content(pod: ProofOfDelivery) -> ProofOfDelivery:
    """Return the proof as its sender gave it, without what only the orchestrator sets."""
    content = ProofOfDelivery()
    content.CopyFrom(pod)
    content.ClearField("state")
    content.ClearField("checks")
    content.ClearField("version")
    return content


def _same(known: ProofOfDelivery, handed_in: ProofOfDelivery) -> bool:
    """Compare what the sender said; the way it came may differ from one delivery of a message to the next."""
    one, other = _content(known), _content(handed_in)
    for content in (one, other):
        content.ClearField("provenance")
        content.ClearField("region")
    if not other.load_id:
        one.ClearField("load_id")
    return one == other


def _evolve(state: State, event: PodEvent) -> State:
    pod = ProofOfDelivery()
    if state.pod is not None:
        pod.CopyFrom(state.pod)
    after = state
    match event.WhichOneof("body"):
        case "requested":
            pod.CopyFrom(event.requested.pod)
            pod.state = PodState.POD_STATE_PENDING
        case "captured":
            pod.CopyFrom(event.captured.pod)
            pod.state = PodState.POD_STATE_CAPTURED
        case "validated":
            pod.state = PodState.POD_STATE_VALIDATED
            _judged(pod, event.validated)
        case "rejected":
            pod.state = PodState.POD_STATE_REJECTED
            _judged(pod, event.rejected)
        case "superseded":
            pod.state = PodState.POD_STATE_SUPERSEDED
            after = replace(after, superseded_by=event.superseded.by_pod_id)
        case _:
            pass
    pod.pod_id = event.pod_id or pod.pod_id
    pod.region = event.region or pod.region
    pod.version = event.version
    return replace(after, pod=pod)


def _judged(pod: ProofOfDelivery, verdict: PodValidated | PodRejected) -> None:
    del pod.checks[:]
    pod.checks.extend(verdict.checks)


def _machines(state: State) -> Mapping[str, MachineState]:
    return {"": MachineState(PodState, state.pod.state if state.pod is not None else None)}


DECIDER: Decider[State, PodCommand, PodEvent] = Decider(
    envelope=PodEvent, initial=State(), decide=_decide, evolve=_evolve, machines=_machines
)
"""The decider of a proof of delivery."""
