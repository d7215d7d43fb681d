"""A stop as the facts about it make it, whatever the order in which they came (domain reference 3.7 rules 5 to 7).

Every word about a stop is kept. The one that counts is chosen by the rank of its source and its time of occurrence;
when it is taken back or put right, the stop is folded anew over what remains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from google.protobuf.message import Message

from logistics.load.v1 import LoadEvent, Stop, StopFactNoted, StopState, StopTime
from services.orchestrator.deciders.load.road import rank_of

Apply: TypeAlias = Mapping[str, tuple[str, Callable[[frozenset[str], Stop, LoadEvent], frozenset[str]]]]
"""How a fact changes a stop, by the event's name, with the time that it tells."""

Heard: TypeAlias = Mapping[str, tuple[LoadEvent, ...]]

NOTED = {
    "arrived": "stop_arrived",
    "service_began": "stop_service_began",
    "completed": "stop_completed",
    "departed": "stop_departed",
}
"""The event that tells a fact, by the name under which another word of it is noted."""

_FOLDED = ("arrival", "service_start", "completion", "departure")
_LEFT = frozenset({StopState.STOP_STATE_SKIPPED, StopState.STOP_STATE_CANCELLED, StopState.STOP_STATE_FAILED})


def time_of(event: LoadEvent) -> StopTime:
    """Return the time that a fact tells."""
    told: StopTime = getattr(event, event.WhichOneof("body") or "").time
    return told


def fact_in(event: LoadEvent) -> LoadEvent:
    """Return the fact in a noted word, as the event that would have told it; any other event is a fact itself."""
    if event.WhichOneof("body") != "stop_fact_noted":
        return event
    noted: StopFactNoted = event.stop_fact_noted
    name = noted.WhichOneof("fact")
    fact = LoadEvent(event_id=event.event_id, occur_time=event.occur_time)
    if name is not None:
        getattr(fact, NOTED[name]).CopyFrom(getattr(noted, name))
    return fact


def weight(event: LoadEvent) -> tuple[int, int, int, str]:
    """Return what decides which of several words counts: the greatest. Proofs go before, the newest of them first."""
    time = time_of(event)
    moment = time.time.ToNanoseconds()
    if event.WhichOneof("body") == "stop_completed" and event.stop_completed.pod_id:
        return 1, moment, 0, event.stop_completed.pod_id
    return 0, rank_of(time), -moment, time.evidence_id


def standing(heard: Iterable[LoadEvent], voided: frozenset[str], stop_id: str, epoch: int = 0) -> list[LoadEvent]:
    """Return the words that were not taken back, the one that counts last; those of one assignment where it is told."""
    left = [event for event in heard if f"{stop_id}/{time_of(event).evidence_id}" not in voided]
    return sorted((event for event in left if not epoch or epoch_of(event) in {0, epoch}), key=weight)


def epoch_of(event: LoadEvent) -> int:
    """Return the assignment that a fact is of; zero where it tells none."""
    return int(getattr(getattr(event, event.WhichOneof("body") or "", None), "epoch", 0))


def with_word(heard: Heard, key: str, fact: LoadEvent) -> Heard:
    """Return the words with one more."""
    return {**heard, key: (*heard.get(key, ()), fact)}


def refolded(
    stop: Stop, heard: Heard, voided: frozenset[str], derived: frozenset[str], apply: Apply, epoch: int
) -> frozenset[str]:
    """Fold a stop anew over the words that stand; return which times are inferred now.

    `epoch` is the assignment whose vehicle served the stop, or will: times that others told are no times of it.
    A stop that was given up stays so: only its times are put right.
    """
    before = Stop()
    before.CopyFrom(stop)
    _cleared(stop)
    approaches = standing(heard.get(f"{stop.stop_id}/approach", ()), voided, stop.stop_id, epoch)
    stop.state = StopState.STOP_STATE_EN_ROUTE if approaches else StopState.STOP_STATE_PLANNED
    left = frozenset(name for name in derived if not name.startswith(f"{stop.stop_id}/"))
    for slot in _FOLDED:
        # Of the work at a stop every word is applied, so that all its proofs stay named; of a time the best alone.
        work = slot == "completion"
        words = standing(heard.get(f"{stop.stop_id}/{slot}", ()), voided, stop.stop_id, 0 if work else epoch)
        for word in words if work else words[-1:]:
            left = apply[word.WhichOneof("body") or ""][1](left, stop, word)
    if before.state in _LEFT:
        stop.state, stop.outcome, stop.reason = before.state, before.outcome, before.reason
        del stop.tasks[:]
        stop.tasks.extend(before.tasks)
    return left


def served_by(stop: Stop, heard: Heard, voided: frozenset[str]) -> int:
    """Return the assignment whose vehicle served a stop by the words that stand: who worked there, else who left."""
    for slot in ("completion", "departure"):
        words = standing(heard.get(f"{stop.stop_id}/{slot}", ()), voided, stop.stop_id)
        if words:
            return epoch_of(words[-1])
    return 0


def _cleared(stop: Stop) -> None:
    """Take off a stop what facts have put on it."""
    cleared: Message = stop
    for name in (*_FOLDED, "outcome", "reason", "pod_ids"):
        cleared.ClearField(name)
    for task in stop.tasks:
        task.ClearField("actual")
        task.ClearField("accepted")
        task.ClearField("rejected")
