"""Folds a stored log as services do, and tells where it no longer folds to what was recorded.

The same steps as `gladhand.execute`: decode by the envelope (upcasting on the way), stop at an unknown body that may
not be ignored, check every step against the contract's lifecycles, evolve.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from gladhand.decider import Decider
from gladhand.envelope import EnvelopeType
from gladhand.errors import GladhandError
from gladhand.lifecycle import MachineState, check_step
from tools.corpus.entry import Log, Step
from tools.corpus.released import Json, Released

AnyDecider = Decider[Any, Any, Any]


class GapError(ValueError):
    """A log whose versions do not count up from 1."""


def fold(decider: AnyDecider, payloads: Iterable[bytes]) -> Iterator[tuple[Any, Any]]:
    """Yield (event, state after it). Raises UnknownEvent, IllegalTransition, DecodeError and GapError."""
    kind = EnvelopeType.of(decider.envelope)
    state = decider.initial
    for number, payload in enumerate(payloads, 1):
        event = kind.decode(payload)
        if event.version != number:
            raise GapError(f"version {event.version} stands at place {number}")
        if kind.knows(event):
            after = decider.evolve(state, event)
            check_step(decider.machines(state), kind.body(event).name, decider.machines(after))
            state = after
        yield event, state


def machines(decider: AnyDecider, state: object) -> dict[str, str]:
    """Return where every state machine of an aggregate stands, by the names of the enum values."""
    found: Mapping[str, MachineState] = decider.machines(state)
    return {
        name: machine.enum.DESCRIPTOR.values_by_number[machine.value or 0].name
        for name, machine in sorted(found.items())
    }


def recorded(decider: AnyDecider, payloads: Iterable[bytes], released: Released, told: str) -> Log:
    """Return a new entry: each payload with what it says and where it leads, and the state in the end."""
    steps: list[Step] = []
    last: Any = decider.initial
    payloads = tuple(payloads)
    for payload, (event, state) in zip(payloads, fold(decider, payloads), strict=True):
        steps.append(Step(payload, released.shown(event), machines(decider, state)))
        last = state
    return Log(told, tuple(steps), released.state(last))


def faults(decider: AnyDecider, log: Log, released: Released) -> list[str]:
    """Return where a stored log no longer folds to what was recorded, in sentences; empty where it does."""
    found: list[str] = []
    state: Any = decider.initial
    kind = EnvelopeType.of(decider.envelope)
    try:
        for number, (step, folded) in enumerate(zip(log.steps, fold(decider, log.payloads), strict=True), 1):
            state = folded[1]
            now = machines(decider, state)
            if now != step.then:
                found.append(f"after event {number} the machines stand at {now}, recorded was {step.then}")
            if released.shown(released.read(kind.name, step.payload)) != step.event:
                found.append(f"the bytes of event {number} do not say what stands beside them")
    except (GladhandError, ValueError) as error:
        return [*found, f"the log does not fold any more: {type(error).__name__}: {error}"]
    return found + list(_differences("state", state, log.state, released))


def _differences(where: str, value: object, recorded: Json, released: Released) -> Iterator[str]:
    """Compare a state with what was recorded; a field of a dataclass that is newer than the record is passed over."""
    if is_dataclass(value) and isinstance(recorded, dict):
        known = {each.name for each in fields(value)}
        for name, expected in recorded.items():
            if name not in known:
                yield f"{where}.{name} is gone, it was {expected!r}"
            else:
                yield from _differences(f"{where}.{name}", getattr(value, name), expected, released)
        return
    found = released.state(value)
    if found != recorded:
        yield f"{where} is {found!r}, recorded was {recorded!r}"
