"""What is known of one order, beyond what its canonical object shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gladhand.lifecycle import MachineState
from logistics.exception.v1 import Gate
from logistics.invoice.v1 import GateCheck
from logistics.order.v1 import LineMovement, LineQuantity, Order, OrderState, ValidationCheck


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What of the order rides on one load."""

    line_ids: tuple[str, ...]
    stop_ids: tuple[str, ...]
    """The stops at which it is delivered."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What was set down at one stop, by the proof that counts."""

    lines: tuple[LineMovement, ...]
    pod_id: str = ""
    """Empty while no proof is there."""
    proof_verified: bool = False


@dataclass(frozen=True, slots=True)
class Review:
    """What must be decided before billing."""

    reason: str
    """The name of an exception kind, for example PARTIAL_REJECTION."""
    exception_id: str = ""
    decided: bool = False
    opened_time: datetime | None = None
    """When it was first opened and not decided; aware, in UTC. None for one that never waited."""


@dataclass(frozen=True, slots=True)
class State:
    """One order. `order` is what everybody may see; it is never changed in place."""

    order: Order | None = None
    """None before birth."""
    contents: tuple[str, ...] = ()
    """SHA-256 of every content ever submitted, newest last."""
    checks: tuple[ValidationCheck, ...] = ()
    """What the ERP answered for the present revision; empty before it did."""
    held_by: str = ""
    """The hold that stopped the order before release; empty unless ON_HOLD."""
    holds: Mapping[str, frozenset[Gate.ValueType]] = field(default_factory=dict)
    """Active holds and the gates that each blocks."""
    plan: Mapping[str, LoadPlan] = field(default_factory=dict)
    """What rides where, by load_id."""
    dispatched: frozenset[str] = frozenset()
    """Loads that were dispatched."""
    pickups: Mapping[tuple[str, str], tuple[LineMovement, ...]] = field(default_factory=dict)
    """What left each pickup, by (load_id, stop_id)."""
    deliveries: Mapping[tuple[str, str], Delivered] = field(default_factory=dict)
    """What was set down at each delivery stop, by (load_id, stop_id)."""
    remainder: tuple[LineMovement, ...] = ()
    """What will never be delivered, where the rest of a begun delivery was cancelled."""
    review: Review | None = None
    """Set once the delivery was reviewed."""
    gate_checks: tuple[GateCheck, ...] = ()
    """The checks with which the billing gate opened; empty before."""
    waivers: Mapping[int, GateCheck] = field(default_factory=dict)
    """Checks of the billing gate that somebody with the right to do so let pass, by their kind."""
    invoices: Mapping[str, tuple[LineMovement, ...]] = field(default_factory=dict)
    """What stands on each posted invoice, by invoice_id."""
    credits: Mapping[str, tuple[LineQuantity, ...]] = field(default_factory=dict)
    """What each posted credit memo takes back, by its invoice_id."""
    taken_in: Mapping[str, tuple[LineQuantity, ...]] = field(default_factory=dict)
    """What was asked back before the invoice was posted, by claim_id."""
    reduced: tuple[LineQuantity, ...] = ()
    """What is no longer wanted of lines on the road; totals."""
    refused_contents: Mapping[str, str] = field(default_factory=dict)
    """Why each change that came too late was refused, by SHA-256 of its content."""
    expected: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """When goods are expected at each stop and when that was estimated, in nanoseconds, as it was told last."""


def machines(state: State) -> Mapping[str, MachineState]:
    """Return the one state machine of an order."""
    return {"": MachineState(OrderState, state.order.state if state.order is not None else None)}


def held_at(state: State, gate: Gate.ValueType) -> tuple[str, ...]:
    """Return the active holds that block a gate, sorted."""
    return tuple(sorted(hold_id for hold_id, gates in state.holds.items() if gate in gates))


def rides_whole(state: State, order: Order) -> bool:
    """Return whether every line of the order rides on a load."""
    riding = {line_id for plan in state.plan.values() for line_id in plan.line_ids}
    return riding >= {line.line_id for line in order.lines}
