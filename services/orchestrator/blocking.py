"""Which holds count at which gate, as seen from an order, a line, a load, a stop or an invoice (pure).

An order is planned, dispatched and billed as one: what stops one of its lines stops it. Only the delivery is narrower,
since at one stop some lines may be handed over while others may not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from logistics.exception.v1 import Gate, Hold, HoldKind
from logistics.load.v1 import Load, Stop
from logistics.process.v1 import HoldRule, ProcessPolicy
from services.orchestrator.riding import delivery_stops, stop_of

RELEASE = "holds.release"
"""The scope that releases a hold where no policy demands another one."""

_STANDS_BEFORE = {Gate.GATE_DISPATCH: frozenset({Gate.GATE_PLANNING, Gate.GATE_DISPATCH})}
"""What was planned before somebody held the planning is not sent out either."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to pass a gate. One of order and load is set."""

    order_id: str = ""
    load_id: str = ""
    stop_id: str = ""
    line_id: str = ""
    invoice_id: str = ""


def gates_before(gate: Gate.ValueType) -> frozenset[Gate.ValueType]:
    """Return the gates at which a hold keeps something from passing `gate`."""
    return _STANDS_BEFORE.get(gate, frozenset({gate}))


def blocks(gates: Iterable[Gate.ValueType], gate: Gate.ValueType) -> bool:
    """Return whether a hold of these gates keeps something from passing `gate`."""
    return not gates_before(gate).isdisjoint(gates)


def order_hold_counts(hold: Hold, gate: Gate.ValueType, subject: Subject, stop: Stop | None) -> bool:
    """Return whether a hold of an order counts for a subject: the order, one of its lines or invoices, or `stop`."""
    if hold.invoice_id and subject.invoice_id not in {"", hold.invoice_id}:
        return False
    if not hold.line_id or gate != Gate.GATE_DELIVERY:
        return True
    if stop is not None:
        return any(task.order_id == hold.order_id and task.line_id == hold.line_id for task in stop.tasks)
    return subject.line_id in {"", hold.line_id}


def load_hold_counts(hold: Hold, gate: Gate.ValueType, subject: Subject, load: Load) -> bool:
    """Return whether a hold of a load counts for a subject: the load, one of its stops, or an order on it."""
    if not hold.stop_id:
        return True
    if subject.stop_id:
        return hold.stop_id == subject.stop_id or gate not in {Gate.GATE_DELIVERY, Gate.GATE_BILLING}
    if subject.order_id and gate in {Gate.GATE_DELIVERY, Gate.GATE_BILLING}:
        stop = stop_of(load, hold.stop_id)
        return stop is not None and hold.stop_id in delivery_stops(load, subject.order_id)
    return True


def standing(hold: Hold) -> str:
    """Return where a hold stands: `order`, `line`, `load`, `stop` or `invoice`, with the id after a slash."""
    for noun in ("invoice", "line", "stop", "load", "order"):
        name = getattr(hold, f"{noun}_id")
        if name:
            return f"{noun}/{name}"
    return ""


def hold_rule(policy: ProcessPolicy, kind: HoldKind.ValueType) -> HoldRule:
    """Return the policy's rule for holds of a kind; an empty one where it has none."""
    return next((rule for rule in policy.holds if rule.kind == kind), HoldRule(kind=kind))


def release_scope(policy: ProcessPolicy, kind: HoldKind.ValueType) -> str:
    """Return the scope that whoever releases a hold of a kind must hold."""
    return hold_rule(policy, kind).scope or RELEASE
