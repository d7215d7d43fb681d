"""What is known of one load, beyond what its canonical object shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gladhand.lifecycle import MachineState
from logistics.exception.v1 import Gate
from logistics.load.v1 import Load, LoadEvent, LoadState, StopState


@dataclass(frozen=True, slots=True)
class State:
    """One load. `load` is what everybody may see; it is never changed in place."""

    load: Load | None = None
    """None before birth."""
    planned: Load | None = None
    """The load as it was first planned, by which a repeat is told from another load."""
    holds: Mapping[str, frozenset[Gate.ValueType]] = field(default_factory=dict)
    """Active holds and the gates that each blocks."""
    dispatched_epoch: int = 0
    """The assignment that was dispatched last; zero before."""
    custodian: int = 0
    """The assignment that has the goods, or goes to fetch them: dispatched first, or handed over to; zero before."""
    interrupted_by: str | None = None
    """The exception behind an interruption, empty where none was named; None while the load is not interrupted."""
    interruptions: tuple[str, ...] = ()
    """Every exception that ever interrupted the load, oldest first."""
    derived: frozenset[str] = frozenset()
    """Times that nobody told and a departure let us infer, as `<stop id>/arrival` or `<stop id>/completion`."""
    heard: Mapping[str, tuple[LoadEvent, ...]] = field(default_factory=dict)
    """Every word about a stop, counted or not, by `<stop id>/<name of the time>`, in the order in which it came."""
    voided: frozenset[str] = frozenset()
    """What was taken back or put right, come or still to come, as `<stop id>/<evidence id>`."""
    fact_event_ids: Mapping[str, str] = field(default_factory=dict)
    """The event behind each time at a stop, by `<stop id>/<name of the time>`."""
    answers: Mapping[str, str] = field(default_factory=dict)
    """The answer of the carrier that counts, by the offer's id."""
    refused_answers: frozenset[str] = frozenset()
    """Answers that came too late, each by its offer's id and what it said."""


def machines(state: State) -> Mapping[str, MachineState]:
    """Return the load's state machine and one for each stop, named `stop/<id>`."""
    if state.load is None:
        return {"": MachineState(LoadState, None)}
    stops = {f"stop/{stop.stop_id}": MachineState(StopState, stop.state) for stop in state.load.stops}
    return {"": MachineState(LoadState, state.load.state), **stops}
