"""The checker: judges the raw log and the books of ERP and fleet, and knows nothing of the product's code.

It is told of every stored message at once, and of the books at the end. What it knows of the contract it reads from
descriptors; what an event does to a state it works out by itself, as the set of states that the contract allows.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from decimal import Decimal
from typing import Any

from google.protobuf.descriptor import EnumDescriptor

from gladhand.log.port import StoredMessage
from logistics.contract.v1 import lifecycle_pb2
from logistics.exception.v1 import ExceptionEvent, ExceptionState, Gate, HoldEvent, HoldState
from logistics.invoice.v1 import InvoiceEvent, InvoiceState
from logistics.load.v1 import DeliveryEvent, LoadEvent, LoadState
from logistics.order.v1 import OrderEvent, OrderState
from logistics.pod.v1 import PodEvent, PodState
from logistics.process.v1 import FulfilmentEvent, WaveEvent

KINDS: dict[str, tuple[Any, str, Any]] = {
    "order": (OrderEvent, "order_id", OrderState),
    "load": (LoadEvent, "load_id", LoadState),
    "pod": (PodEvent, "pod_id", PodState),
    "invoice": (InvoiceEvent, "invoice_id", InvoiceState),
    "exception": (ExceptionEvent, "exception_id", ExceptionState),
    "hold": (HoldEvent, "hold_id", HoldState),
    "fulfilment": (FulfilmentEvent, "process_id", None),
    "wave": (WaveEvent, "wave_id", None),
}
BILLED = {"released", "drafted", "approved", "posting_began", "posted"}


class Broken(AssertionError):
    """A property does not hold."""


class Table:
    """The lifecycle of an enum as its descriptor declares it."""

    def __init__(self, enum: EnumDescriptor) -> None:
        options = enum.GetOptions().Extensions[lifecycle_pb2.lifecycle]
        self.anywhere, self.terminal = set(options.anywhere), set(options.terminal)
        self.births: dict[str, set[str]] = defaultdict(set)
        self.edges: dict[tuple[str, str], set[str]] = defaultdict(set)
        for value in enum.values:
            state = value.GetOptions().Extensions[lifecycle_pb2.state]
            for event in state.born_by:
                self.births[event].add(value.name)
            for edge in state.edges:
                self.edges[value.name, edge.event].update(edge.to)

    def after(self, states: set[str] | None, event: str) -> set[str]:
        """Return where an event may lead; nowhere where the contract has no edge."""
        if states is None:
            return set(self.births.get(event, ()))
        led = {target for state in states for target in self.edges.get((state, event), ())}
        # What is allowed anywhere leaves the state, and may besides have edges that change it.
        return states | led if event in self.anywhere else led


def _narrowed(states: set[str], body: str, what: Any) -> set[str]:
    """Return the states that are left where the event itself says which of several it leads to."""
    if body == "invoiced":
        return states & {"ORDER_STATE_INVOICED" if what.complete else "ORDER_STATE_PARTIALLY_INVOICED"}
    return states


class Checker:
    """Judges a run. Raises Broken at the first property that does not hold."""

    def __init__(self) -> None:
        self.tables = {name: Table(kind[2].DESCRIPTOR) for name, kind in KINDS.items() if kind[2] is not None}
        self.states: dict[tuple[str, str], set[str]] = {}
        self.versions: Counter[tuple[str, str]] = Counter()
        self.correlations: dict[tuple[str, str], str] = {}
        self.known: set[str] = set()
        self.requests: dict[tuple[str, str], str] = {}
        self.claims: dict[str, bytes] = {}
        self.invoices: dict[str, str] = {}
        self.posted: dict[str, bytes] = {}
        self.proofs: dict[str, str] = {}
        self.delivered: dict[str, dict[tuple[str, str], Any]] = defaultdict(dict)
        self.invoiced: dict[tuple[str, str, str], Decimal] = {}
        self.holds: dict[str, dict[str, set[int]]] = defaultdict(dict)
        self.dispatched: dict[str, set[int]] = defaultdict(set)
        self.live: dict[str, int] = {}
        self.checked: Counter[str] = Counter()
        self.stops_done: dict[tuple[str, str], str] = {}
        self._digest = hashlib.sha256()

    def digest(self) -> str:
        """Return the hash of everything stored, in order."""
        return self._digest.hexdigest()

    def stored(self, stream: str, message: StoredMessage) -> None:
        """Judge one message. Raises Broken."""
        self._digest.update(f"{stream}/{message.sequence}/{message.subject}/".encode())
        self._digest.update(message.payload)
        parts = message.subject.split(".")
        if parts[1] == "effect":
            self._demand(message.subject not in self.claims, "P2", f"{message.subject} was claimed twice")
            self.claims[message.subject] = message.payload
        if parts[1] == "observation":
            self.known.add(DeliveryEvent.FromString(message.payload).delivery_event_id)
        if parts[1] in KINDS:
            self._event(parts[1], KINDS[parts[1]][0].FromString(message.payload))

    def _demand(self, holds: bool, what: str, finding: str) -> None:
        self.checked[what] += 1
        if not holds:
            raise Broken(f"{what}: {finding}")

    def _event(self, aggregate: str, event: Any) -> None:
        name = (aggregate, getattr(event, KINDS[aggregate][1]))
        body = event.WhichOneof("body")
        shown = f"{aggregate} {name[1]} {body} v{event.version}"
        self.versions[name] += 1
        self._demand(event.version == self.versions[name], "I4", f"{shown} follows version {self.versions[name] - 1}")
        self._demand(event.event_id not in self.known, "I7", f"{shown} was stored before")
        first = event.version == 1
        self._demand(first or bool(event.causation_id), "P7", f"{shown} has no cause")
        self._demand(
            not event.causation_id or event.causation_id in self.known, "P7", f"{shown}: its cause does not exist"
        )
        correlation = self.correlations.setdefault(name, event.correlation_id)
        self._demand(event.correlation_id == correlation, "P7", f"{shown} changes its correlation")
        self._demand((name[1], event.request_id) not in self.requests, "I7", f"{shown}: the request acted twice")
        self.requests[name[1], event.request_id] = event.event_id
        self.known.add(event.event_id)
        table = self.tables.get(aggregate)
        if table is not None:
            states = table.after(self.states.get(name), body)
            states = _narrowed(states, body, getattr(event, body))
            self._demand(bool(states), "P5", f"{shown} has no edge out of {self.states.get(name)}")
            self.states[name] = states
        judge = getattr(self, f"_{aggregate}", None)
        if judge is not None:
            judge(name[1], body, getattr(event, body), event)

    def _order(self, order_id: str, body: str, what: Any, _event: Any) -> None:
        if body == "hold_applied":
            self.holds[order_id][what.hold_id] = set(what.gates)
        elif body == "hold_lifted":
            self.holds[order_id].pop(what.hold_id, None)
        elif body == "delivered":
            self.delivered[order_id][what.load_id, what.stop_id] = what
        elif body == "billing_released":
            self._gate(order_id, what.checks, "order billing")
        elif body == "invoiced":
            for line in what.lines:
                self.invoiced[order_id, what.invoice_id, line.line_id] = Decimal(line.quantity.value)
            self._quantities(order_id)

    def _gate(self, order_id: str, checks: Any, what: str) -> None:
        held = [h for h, gates in self.holds[order_id].items() if Gate.GATE_BILLING in gates]
        self._demand(not held, "P1", f"{what} of {order_id} under hold {held}")
        waived = any(check.waived_by for check in checks)
        proofs = [there.pod_id for there in self.delivered[order_id].values()]
        verified = bool(proofs) and all(self.proofs.get(pod_id) == "validated" for pod_id in proofs)
        self._demand(waived or verified, "P1", f"{what} of {order_id} without a validated proof: {proofs}")

    def _quantities(self, order_id: str) -> None:
        accepted: dict[str, Decimal] = defaultdict(Decimal)
        for there in self.delivered[order_id].values():
            for line in there.lines:
                accepted[line.line_id] += Decimal(line.accepted.value or "0")
        billed: dict[str, Decimal] = defaultdict(Decimal)
        for (owner, _, line_id), count in self.invoiced.items():
            if owner == order_id:
                billed[line_id] += count
        for line_id, count in billed.items():
            self._demand(count <= accepted[line_id], "P4", f"{order_id}/{line_id}: {count} invoiced above accepted")

    def _invoice(self, invoice_id: str, body: str, what: Any, _event: Any) -> None:
        if body == "opened":
            self.invoices[invoice_id] = what.invoice.order_id
        order_id = self.invoices.get(invoice_id, "")
        if body == "released":
            billable = {"ORDER_STATE_BILLABLE", "ORDER_STATE_PARTIALLY_INVOICED"}
            stands = self.states.get(("order", order_id), set())
            self._demand(bool(stands & billable), "P1", f"invoice {invoice_id}: its order is {stands}")
        if body == "posting_began":
            claim = next((c for s, c in self.claims.items() if f".{order_id}." in s), b"")
            self._demand(claim == invoice_id.encode(), "P2", f"invoice {invoice_id} is posted without its claim")
        if body in BILLED | {"voided"}:
            self._demand(invoice_id not in self.posted, "P2", f"invoice {invoice_id}: {body} after it was posted")
        if body == "posted":
            self.posted[invoice_id] = what.SerializeToString(deterministic=True)
            for line in what.lines:
                self.invoiced[order_id, invoice_id, line.order_line_id] = Decimal(line.quantity.value)
            self._quantities(order_id)

    def _pod(self, pod_id: str, body: str, _what: Any, _event: Any) -> None:
        self.proofs[pod_id] = body

    def _load(self, load_id: str, body: str, what: Any, _event: Any) -> None:
        if body == "dispatched":
            self._demand(load_id not in self.live, "P3", f"load {load_id} is dispatched twice")
            self._demand(what.epoch not in self.dispatched[load_id], "P3", f"epoch {what.epoch} of {load_id} again")
            self.dispatched[load_id].add(what.epoch)
            self.live[load_id] = what.epoch
        elif body in {"unassigned", "reassigned", "cancelled"}:
            self.live.pop(load_id, None)
        elif body == "stop_completed" and what.pod_id:
            before = self.stops_done.setdefault((load_id, what.stop_id), what.pod_id)
            self._demand(before == what.pod_id, "P8", f"stop {what.stop_id} was proved by {before} before")

    def finish(self, erp: Any, fleet: Any, answered: set[str]) -> None:
        """Judge the end: the books, and that everything came to rest. Raises Broken."""
        for order_id, count in erp.postings.items():
            self._demand(count == 1, "P2", f"the ERP has {count} invoices of order {order_id}")
        by_order = Counter(self.invoices[invoice_id] for invoice_id in self.posted)
        self._demand(
            by_order == Counter(erp.postings), "I2", f"posted here {by_order}, in the books {Counter(erp.postings)}"
        )
        for order_id in sorted(answered):
            states = self.states.get(("order", order_id))
            self._demand(states is not None, "I1", f"order {order_id} was answered for and does not exist")
            ended = self.tables["order"].terminal | {"ORDER_STATE_INVOICED", "ORDER_STATE_REJECTED"}
            self._demand(bool(states and states & ended), "P6", f"order {order_id} ends in {states}")
        for (aggregate, name), states in self.states.items():
            if aggregate == "load":
                self._demand(bool(states & self.tables["load"].terminal), "P6", f"load {name} ends in {states}")
                self._demand(name not in fleet.live, "P6", f"the fleet still drives {name}, which is {states}")
            if aggregate == "exception":
                self._demand("EXCEPTION_STATE_OPEN" not in states, "P6", f"exception {name} stays open")
