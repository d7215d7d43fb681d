"""Lifecycles: the state machines that the contract declares on its enums, read from the descriptors and enforced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from google.protobuf.descriptor import EnumDescriptor

from gladhand.enums import EnumType
from gladhand.errors import ContractError, FailedPrecondition, Precondition
from logistics.contract.v1 import lifecycle_pb2


class MachineState(NamedTuple):
    """Where one state machine stands: its enum and the number of the value; None or the zero value means not born."""

    enum: EnumType
    value: int | None


class Edge(NamedTuple):
    """One step that the contract allows; `source` is None for a birth."""

    source: str | None
    event: str
    target: str


class IllegalTransition(FailedPrecondition):
    """A step that the contract has no edge for; nothing was recorded.

    `machine` names the state machine ("" is the aggregate's own, else for example "stop/<id>"), `state` and `target`
    are names of enum values (None: not born), `event` is the body's field name, `open_edges` are the steps that the
    contract allows out of `state`.
    """

    def __init__(
        self, machine: str, enum: str, state: str | None, event: str, target: str | None, open_edges: tuple[Edge, ...]
    ) -> None:
        self.machine = machine
        self.enum = enum
        self.state = state
        self.event = event
        self.target = target
        self.open_edges = open_edges
        ways = ", ".join(sorted({edge.event for edge in open_edges})) or "none"
        named = machine or enum.rpartition(".")[2]
        was = f"it is {state}" if state else "it does not exist"
        super().__init__(
            f"{event} cannot lead {named} to {target or 'nothing'}: {was}, open from there: {ways}",
            preconditions=(Precondition("TRANSITION", named, f"{was}; open: {ways}"),),
            metadata={"machine": machine, "state": state or "", "event": event, "target": target or "", "open": ways},
        )


class LifecycleError(ContractError):
    """The contract's declaration itself is broken: an unknown state name, or no lifecycle on the enum."""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The immutable table of one enum's lifecycle. States are names of enum values."""

    enum: str
    states: tuple[str, ...]
    initial: frozenset[str]
    terminal: frozenset[str]
    anywhere: frozenset[str]
    births: frozenset[Edge]
    edges: frozenset[Edge]
    numbers: Mapping[int, str]

    def state(self, value: int | None) -> str | None:
        """Return the name of a state by its number; None for None and for the zero value, which mean not born."""
        if not value:
            return None
        if value not in self.numbers:
            raise LifecycleError(f"{self.enum} has no value {value}")
        return self.numbers[value]

    def open_edges(self, state: str | None) -> tuple[Edge, ...]:
        """Return every step out of `state`, sorted; out of None the births."""
        if state is None:
            return tuple(sorted(self.births, key=lambda edge: (edge.event, edge.target)))
        stay = [Edge(state, event, state) for event in self.anywhere]
        ways = {edge for edge in self.edges if edge.source == state} | set(stay)
        return tuple(sorted(ways, key=lambda edge: (edge.event, edge.target)))

    def allows(self, source: str | None, event: str, target: str | None) -> bool:
        """Return whether the contract has an edge for the step."""
        if target is None:
            return False
        if source is None:
            return Edge(None, event, target) in self.births
        return Edge(source, event, target) in self.edges or (source == target and event in self.anywhere)


@cache
def _table(descriptor: EnumDescriptor) -> Lifecycle:
    options = descriptor.GetOptions()
    if not options.HasExtension(lifecycle_pb2.lifecycle):
        raise LifecycleError(f"{descriptor.full_name} declares no lifecycle")
    declared = options.Extensions[lifecycle_pb2.lifecycle]
    names = frozenset(value.name for value in descriptor.values)
    births: set[Edge] = set()
    edges: set[Edge] = set()
    for value in descriptor.values:
        state = value.GetOptions().Extensions[lifecycle_pb2.state]
        births |= {Edge(None, event, value.name) for event in state.born_by}
        edges |= {Edge(value.name, edge.event, target) for edge in state.edges for target in edge.to}
    strange = ({edge.target for edge in edges} | set(declared.initial) | set(declared.terminal)) - names
    if strange:
        raise LifecycleError(f"{descriptor.full_name} names states it does not have: {', '.join(sorted(strange))}")
    return Lifecycle(
        enum=descriptor.full_name,
        states=tuple(value.name for value in descriptor.values if value.number),
        initial=frozenset(declared.initial),
        terminal=frozenset(declared.terminal),
        anywhere=frozenset(declared.anywhere),
        births=frozenset(births),
        edges=frozenset(edges),
        numbers={value.number: value.name for value in descriptor.values},
    )


def lifecycle_of(enum: EnumType | EnumDescriptor) -> Lifecycle:
    """Return the lifecycle that an enum declares. Raises LifecycleError where it declares none."""
    return _table(enum if isinstance(enum, EnumDescriptor) else enum.DESCRIPTOR)


def check(table: Lifecycle, before: int | None, event: str, after: int | None) -> None:
    """Check one step of an aggregate's own state machine. Raises IllegalTransition where the contract has no edge."""
    source, target = table.state(before), table.state(after)
    if not table.allows(source, event, target):
        raise IllegalTransition("", table.enum, source, event, target, table.open_edges(source))


def check_part(machine: str, table: Lifecycle, before: int | None, event: str, after: int | None) -> None:
    """Check one step of a state machine inside an aggregate, for example a stop of a load.

    It may stand still under any event, be born in an initial state, and vanish from an initial or terminal state;
    every other change needs a declared edge. Raises IllegalTransition.
    """
    source, target = table.state(before), table.state(after)
    if source == target:
        return
    if source is None:
        legal = target in table.initial
    elif target is None:
        legal = source in table.initial or source in table.terminal
    else:
        legal = table.allows(source, event, target)
    if not legal:
        raise IllegalTransition(machine, table.enum, source, event, target, table.open_edges(source))


def check_step(before: Mapping[str, MachineState], event: str, after: Mapping[str, MachineState]) -> None:
    """Check what one event did to every state machine of an aggregate; the aggregate's own is named "".

    Raises IllegalTransition on the first step without an edge, LifecycleError where an enum declares no lifecycle or
    the aggregate shows no machine named "".
    """
    if "" not in after and "" not in before:
        raise LifecycleError(f'no state machine named "" to judge {event} by')
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        shown = new or old
        if shown is None:
            continue
        table = lifecycle_of(shown.enum)
        was, now = (old.value if old else None), (new.value if new else None)
        if name:
            check_part(name, table, was, event, now)
        else:
            check(table, was, event, now)
