"""The state machine that an enum declares, with the places of its edges (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from gladhand.contracts.model import Enumeration, state_of
from gladhand.contracts.place import Place
from logistics.contract.v1 import lifecycle_pb2
from logistics.contract.v1.lifecycle_pb2 import Lifecycle, LifecycleEdge, LifecycleState

LIFECYCLE: int = lifecycle_pb2.lifecycle.number
STATE: int = lifecycle_pb2.state.number


class Step(NamedTuple):
    """One edge; `source` is None for a birth. States are names of enum values, `event` is the body's field name."""

    source: str | None
    event: str
    target: str


@dataclass(frozen=True, slots=True)
class Machine:
    """What an enum with a lifecycle declares, whether it is sound or not."""

    states: tuple[str, ...]
    """Without the zero value, which is never stored."""

    initial: tuple[str, ...]
    terminal: tuple[str, ...]
    anywhere: tuple[str, ...]
    steps: Mapping[Step, Place]

    def takes(self, step: Step) -> bool:
        """Return whether the step is an edge, or a stay under an event that may happen anywhere."""
        return step in self.steps or (step.source == step.target and step.event in self.anywhere)


def machine_of(enum: Enumeration) -> Machine | None:
    """Return the state machine of an enum; None where it declares none."""
    declared = enum.lifecycle
    if declared is None:
        return None
    steps: dict[Step, Place] = {}
    for value in enum.values.values():
        state, here = state_of(value), value.option(STATE)
        for index, event in enumerate(state.born_by):
            steps[Step(None, event, value.proto.name)] = here.at(LifecycleState.BORN_BY_FIELD_NUMBER, index)
        for index, edge in enumerate(state.edges):
            within = here.at(LifecycleState.EDGES_FIELD_NUMBER, index)
            for number, target in enumerate(edge.to):
                place = within.at(LifecycleEdge.TO_FIELD_NUMBER, number)
                steps[Step(value.proto.name, edge.event, target)] = place
    return Machine(
        states=tuple(value.proto.name for number, value in enum.values.items() if number),
        initial=tuple(declared.initial),
        terminal=tuple(declared.terminal),
        anywhere=tuple(declared.anywhere),
        steps=steps,
    )


def terminal_place(enum: Enumeration) -> Place:
    """Return where an enum lists its terminal states."""
    return enum.option(LIFECYCLE, Lifecycle.TERMINAL_FIELD_NUMBER, 0)
