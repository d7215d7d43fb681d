"""Lifecycles have a way in, a way out, and no edge that no event could take (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gladhand.contracts.lint.remark import Remark
from gladhand.contracts.machine import LIFECYCLE, Machine, machine_of
from gladhand.contracts.model import Contract, Enumeration
from gladhand.contracts.place import Place
from logistics.contract.v1.lifecycle_pb2 import Lifecycle

_RULE = "LIFECYCLE_SOUND"


def sound(contract: Contract) -> Iterator[Remark]:
    """LIFECYCLE_SOUND: states exist and are reached, ends are reached, and edges name bodies of one envelope."""
    for enum in contract.enums.values():
        machine = machine_of(enum)
        if machine is None:
            continue
        for found in (_names(enum, machine), _births(machine), _reach(enum, machine)):
            yield from (Remark(_RULE, sentence, place) for sentence, place in found)
        yield from (Remark(_RULE, sentence, place) for sentence, place in _events(enum, machine, contract))


def _names(enum: Enumeration, machine: Machine) -> Iterator[tuple[str, Place]]:
    """Every state that is named is a value of the enum, and not the zero value, which is never stored."""
    for names, word, number in (
        (machine.initial, "initial", Lifecycle.INITIAL_FIELD_NUMBER),
        (machine.terminal, "terminal", Lifecycle.TERMINAL_FIELD_NUMBER),
    ):
        if not names:
            yield f"{enum.name} names no {word} state", enum.option(LIFECYCLE)
        for index, name in enumerate(names):
            if name not in machine.states:
                yield f"{enum.name} has no state {name} that could be {word}", enum.option(LIFECYCLE, number, index)
    for step, place in machine.steps.items():
        if step.target not in machine.states:
            yield f"{step.event} leads to {step.target}, which is no state of {enum.name}", place
        if step.source is not None and step.source not in machine.states:
            yield f"an edge leaves {step.source} of {enum.name}, which is never stored", place


def _births(machine: Machine) -> Iterator[tuple[str, Place]]:
    for step, place in machine.steps.items():
        if step.source is None and step.target not in machine.initial:
            yield f"{step.target} is born by {step.event} and is not initial: name it in initial", place


def _reach(enum: Enumeration, machine: Machine) -> Iterator[tuple[str, Place]]:
    steps = [(step.source, step.target) for step in machine.steps if step.source is not None]
    reached = _closure(machine.initial, steps)
    leaving = _closure(machine.terminal, [(target, source) for source, target in steps])
    for value in enum.values.values():
        name = value.proto.name
        if name not in machine.states:
            continue
        place = value.place
        if machine.initial and name not in reached:
            yield f"nothing leads to {name}: add an edge to it from a state that is reached", place
        if machine.terminal and name not in leaving:
            yield f"no terminal state can be reached from {name}: add an edge that leads on", place


def _closure(start: Iterable[str], steps: Iterable[tuple[str, str]]) -> set[str]:
    reached, known = set(start), set(steps)
    while new := {target for source, target in known if source in reached} - reached:
        reached |= new
    return reached


def _events(enum: Enumeration, machine: Machine, contract: Contract) -> Iterator[tuple[str, Place]]:
    """Every event is a body of one envelope of the enum's package: the one that knows most of them."""
    envelopes = [message for message in contract.envelopes if message.package == enum.package]
    if not envelopes:
        yield f"the package {enum.package} has the lifecycle {enum.name} and no event envelope", enum.option(LIFECYCLE)
        return
    named = {step.event: place for step, place in machine.steps.items()}
    named |= {
        event: enum.option(LIFECYCLE, Lifecycle.ANYWHERE_FIELD_NUMBER, index)
        for index, event in enumerate(machine.anywhere)
    }
    bodies = {envelope.name: {field.proto.name for field in envelope.bodies()} for envelope in envelopes}
    best = min(bodies, key=lambda envelope: len(named.keys() - bodies[envelope]))
    for event, place in named.items():
        if event not in bodies[best]:
            yield f"{event} is no body of {best}: name a field of its oneof body", place
