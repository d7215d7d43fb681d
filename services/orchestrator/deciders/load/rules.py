"""What the rules of a load have in common: its presence and its refusals."""

from __future__ import annotations

from gladhand.decider import Rejected
from logistics.error.v1 import ErrorReason
from logistics.exception.v1 import Gate
from logistics.load.v1 import Load, LoadState
from services.orchestrator.deciders.load.state import State
from services.orchestrator.deciders.refusal import no_way, refused


def present(state: State) -> Load:
    """Return the load. Raises Rejected (LOAD_NOT_FOUND) before birth."""
    if state.load is None:
        raise refused(ErrorReason.ERROR_REASON_LOAD_NOT_FOUND, "there is no such load; plan it first")
    return state.load


def barred(load: Load, wish: str, remedy: str) -> Rejected:
    """Return the refusal of a wish that the load's state has no way for."""
    return no_way("load", LoadState, load.state, wish, remedy)


def held_at(state: State, gate: Gate.ValueType) -> tuple[str, ...]:
    """Return the active holds that block a gate, sorted."""
    return tuple(sorted(hold_id for hold_id, gates in state.holds.items() if gate in gates))
