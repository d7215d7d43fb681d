"""Compares lifecycles: edges that are gone, and states that end a life (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from gladhand.contracts.comparison.finding import ChangeKind, Finding
from gladhand.contracts.machine import LIFECYCLE, STATE, Machine, Step, machine_of, terminal_place
from gladhand.contracts.model import Contract, Enumeration
from gladhand.contracts.place import Place
from logistics.contract.v1.lifecycle_pb2 import Lifecycle


def compare(old: Contract, new: Contract) -> Iterator[Finding]:
    """Yield what changed about the state machines of enums that both contracts have."""
    for name, enum in old.enums.items():
        later = new.enums.get(name)
        if later is None:
            continue
        before, after = machine_of(enum), machine_of(later)
        if before is None:
            if after is not None:
                sentence = f"{name} declares a lifecycle now"
                yield Finding("LIFECYCLE_ADDED", ChangeKind.ADDED, name, sentence, later.option(LIFECYCLE))
        elif after is None:
            sentence = f"{name} declares no lifecycle any more: put the option back, every step hangs on it"
            yield Finding(
                "LIFECYCLE_EDGE_NO_DELETE", ChangeKind.BROKEN, name, sentence, later.place, enum.option(LIFECYCLE)
            )
        else:
            yield from _edges(before, after, later)
            yield from _anywhere(before, after, enum, later)
            yield from _terminal(before, after, enum, later)


def _edges(before: Machine, after: Machine, enum: Enumeration) -> Iterator[Finding]:
    places = {value.proto.name: value for value in enum.values.values()}
    for step, was in before.steps.items():
        if after.takes(step):
            continue
        value = places.get(step.source or step.target)
        place = value.option(STATE) if value else enum.place
        yield Finding(
            "LIFECYCLE_EDGE_NO_DELETE", ChangeKind.BROKEN, enum.name, f"{_lost(step)}: keep the edge", place, was
        )
    for step, place in after.steps.items():
        if not before.takes(step):
            yield Finding("LIFECYCLE_EDGE_ADDED", ChangeKind.ADDED, enum.name, _gained(step), place)


def _lost(step: Step) -> str:
    if step.source is None:
        return f"nothing is born in {step.target} by {step.event} any more, and stored histories begin that way"
    return f"{step.source} no longer goes to {step.target} by {step.event}, and stored histories took that edge"


def _gained(step: Step) -> str:
    if step.source is None:
        return f"an object may be born in {step.target} by {step.event}"
    return f"{step.source} may go to {step.target} by {step.event}"


def _anywhere(before: Machine, after: Machine, old: Enumeration, new: Enumeration) -> Iterator[Finding]:
    place = new.option(LIFECYCLE, Lifecycle.ANYWHERE_FIELD_NUMBER, 0)
    for event in sorted(set(before.anywhere) - set(after.anywhere)):
        shut = [state for state in before.states if not after.takes(Step(state, event, state))]
        if shut:
            sentence = f"{event} may no longer happen in {', '.join(shut)} of {new.name}: keep it in anywhere"
            yield Finding(
                "LIFECYCLE_EDGE_NO_DELETE", ChangeKind.BROKEN, new.name, sentence, place, old.option(LIFECYCLE)
            )
    for event in sorted(set(after.anywhere) - set(before.anywhere)):
        sentence = f"{event} may happen in every state of {new.name}"
        yield Finding("LIFECYCLE_EDGE_ADDED", ChangeKind.ADDED, new.name, sentence, place)


def _terminal(before: Machine, after: Machine, old: Enumeration, new: Enumeration) -> Iterator[Finding]:
    was: Place = terminal_place(old)
    for state in sorted(set(before.terminal) - set(after.terminal)):
        sentence = f"{state} no longer ends the life of {new.name}: readers that closed their books on it are wrong"
        yield _changed(new, f"{sentence}; keep it terminal", was)
    for state in sorted(set(after.terminal) - set(before.terminal)):
        sentence = f"{state} ends the life of {new.name} now: objects that stand in it and were to go on are closed"
        yield _changed(new, f"{sentence}; give the end a state of its own", was)


def _changed(enum: Enumeration, sentence: str, was: Place) -> Finding:
    return Finding("LIFECYCLE_TERMINAL_SAME", ChangeKind.BROKEN, enum.name, sentence, terminal_place(enum), was)
