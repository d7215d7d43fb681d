"""The journey of an order as a tree: every event under the one that caused it (pure).

Within one aggregate each event causes the next, which as a tree would be a staircase. So an event whose cause belongs
to the same aggregate stands beside it, under what caused the first of them: depth is how often the work changed hands.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from logistics.orchestrator.v1.orchestrator_service_pb2 import HistoryEntry

_LONGEST: Final = 110
_TELLING: Final = (
    "action", "attempt", "reason", "reasons", "message", "outcome", "result", "vehicle_id", "driver_ids",
    "plan_version", "load_id", "stop_id", "pod_id", "invoice_id", "external_invoice_number", "dispatch_reference",
    "number", "method", "note",
)  # fmt: skip
"""Fields of an event's body that tell a person what happened, in the order in which they are shown."""

_GATEWAYS: Final = {
    "order.received": "erp_gateway",
    "order.amended": "erp_gateway",
    "order.validated": "erp_gateway",
    "invoice.posted": "erp_gateway",
    "invoice.post_failed": "erp_gateway",
    "wave.proposed": "fleet_gateway",
    "load.planned": "fleet_gateway",
    "load.assigned": "fleet_gateway",
    "load.dispatched": "fleet_gateway",
    "load.replanned": "fleet_gateway",
    "load.reassigned": "fleet_gateway",
    "load.stop_approached": "edge_gateway",
    "load.stop_arrived": "edge_gateway",
    "load.stop_departed": "edge_gateway",
    "pod.captured": "edge_gateway",
}
"""The gateway from which the orchestrator had what the event says."""
_EFFECTS: Final = {
    "validate": "erp_gateway",
    "confirm_dispatch": "erp_gateway",
    "post_delivery": "erp_gateway",
    "post_invoice": "erp_gateway",
}
"""The gateway that carries out an action of a process; others concern the orchestrator alone."""


@dataclass(slots=True)
class Node:
    """One event and what it caused."""

    entry: HistoryEntry
    children: list[Node] = field(default_factory=list)


def grow(entries: Sequence[HistoryEntry]) -> list[Node]:
    """The roots, oldest first. An event whose cause is not among the entries is a root."""
    known = {entry.event_id: entry for entry in entries}
    nodes = {entry.event_id: Node(entry) for entry in entries}
    roots: list[Node] = []
    for entry in sorted(known.values(), key=_order):
        parent = _parent(entry, known)
        (roots if parent is None else nodes[parent.event_id].children).append(nodes[entry.event_id])
    return roots


def _parent(entry: HistoryEntry, known: dict[str, HistoryEntry]) -> HistoryEntry | None:
    """The nearest cause that belongs to another aggregate. A circle of causes, which no writer makes, ends at once."""
    seen = {entry.event_id}
    cause = known.get(entry.causation_id)
    while cause is not None and cause.aggregate_id == entry.aggregate_id and cause.aggregate == entry.aggregate:
        if cause.event_id in seen:
            return None
        seen.add(cause.event_id)
        cause = known.get(cause.causation_id)
    if cause is None or cause.event_id in seen or _descends(cause, entry, known):
        return None
    return cause


def _descends(cause: HistoryEntry, entry: HistoryEntry, known: dict[str, HistoryEntry]) -> bool:
    seen: set[str] = set()
    step: HistoryEntry | None = cause
    while step is not None and step.event_id not in seen:
        if step.event_id == entry.event_id:
            return True
        seen.add(step.event_id)
        step = known.get(step.causation_id)
    return False


def _order(entry: HistoryEntry) -> tuple[int, int, int, str]:
    return entry.record_time.seconds, entry.record_time.nanos, entry.sequence, entry.event_id


def outside_cause(node: Node, entries: Sequence[HistoryEntry]) -> str:
    """The id of what caused a root, where that is not one of the events; empty otherwise."""
    known = {entry.event_id for entry in entries}
    cause = str(node.entry.causation_id)
    return "" if cause in known else cause


def details(entry: HistoryEntry) -> str:
    """What the body tells, in one line."""
    try:
        body = json.loads(entry.body_json or "{}")
    except ValueError:
        return ""
    told = [f"{name}={_flat(body[name])}" for name in _TELLING if isinstance(body, dict) and body.get(name)]
    text = " ".join(told)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _flat(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_flat(each) for each in value)
    if isinstance(value, dict):
        return str(value.get("value") or value.get("name") or next(iter(value.values()), ""))
    return str(value).removeprefix("STOP_OUTCOME_").removeprefix("ERROR_REASON_")


def services(entry: HistoryEntry) -> str:
    """Who recorded the event and, after `<`, which gateway had told it or carried out the effect behind it.

    Only the orchestrator writes business events. An actor that the event names itself (a person, a device) comes last.
    """
    gateway = _GATEWAYS.get(f"{entry.aggregate}.{entry.event}", "")
    if entry.event in {"action_succeeded", "action_failed"}:
        gateway = next((via for action, via in _EFFECTS.items() if f'"{action}' in entry.body_json), "")
    actor = entry.actor.id if entry.actor.id not in {"orchestrator", gateway} else ""
    return " < ".join(each for each in ("orchestrator", gateway, actor) if each)


def elapsed(entry: HistoryEntry, first: HistoryEntry) -> str:
    """Time since the first event by the mesh's clock, for example +0:04:31.250."""
    gap = entry.record_time.ToDatetime(dt.UTC) - first.record_time.ToDatetime(dt.UTC)
    seconds = max(gap.total_seconds(), 0.0)
    hours, rest = divmod(seconds, 3600)
    minutes, left = divmod(rest, 60)
    return f"+{int(hours)}:{int(minutes):02d}:{left:06.3f}"


def as_tree(nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """The same as JSON."""
    return [
        {
            "event": f"{node.entry.aggregate}.{node.entry.event}",
            "event_id": node.entry.event_id,
            "aggregate_id": node.entry.aggregate_id,
            "version": node.entry.version,
            "state": node.entry.state,
            "occur_time": node.entry.occur_time.ToJsonString(),
            "record_time": node.entry.record_time.ToJsonString(),
            "services": services(node.entry),
            "caused_by": node.entry.causation_id,
            "stream": node.entry.stream,
            "sequence": node.entry.sequence,
            "body": json.loads(node.entry.body_json or "{}"),
            "caused": as_tree(node.children),
        }
        for node in nodes
    ]
