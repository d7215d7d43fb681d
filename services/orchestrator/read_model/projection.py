"""What the rows of an aggregate are, from its folded state (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from logistics.exception.v1 import Exception as LogisticsException
from logistics.exception.v1 import Excursion, Hold
from logistics.invoice.v1 import Invoice, Payable
from logistics.load.v1 import Load, LoadState
from logistics.order.v1 import Order
from logistics.pod.v1 import ProofOfDelivery
from logistics.type.v1 import ExternalReference
from services.orchestrator.deciders import fulfilment, wave
from services.orchestrator.deciders.exception import UNSOLVED, call_time
from services.orchestrator.parties import carriers_of, parties_of

_LONGEST = 200
"""Characters of a text that stand in an index column; ids and reference values of the contract are no longer."""


@dataclass(frozen=True, slots=True)
class Folded:
    """An aggregate as its events up to some version tell it."""

    state: Any
    """The state of its decider."""
    version: int = 0
    sequence: int = 0
    """Stream sequence of the newest event in it."""
    created_us: int = 0
    """Record time of its first event, microseconds since 1970."""
    updated_us: int = 0
    region: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """Everything that the read model keeps of one aggregate."""

    aggregate: str
    row: Mapping[str, object]
    parts: Mapping[str, tuple[Mapping[str, object], ...]] = field(default_factory=dict)
    """Rows of its part tables, by the table's name."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What one kind of aggregate shows beside the columns that all have."""

    state: int
    body: bytes
    columns: Mapping[str, object] = field(default_factory=dict)
    parts: Mapping[str, Iterable[Mapping[str, object]]] = field(default_factory=dict)


def rows_of(aggregate: str, aggregate_id: str, folded: Folded) -> Rows:
    """Return the rows of an aggregate. Raises ValueError where its state holds no canonical object."""
    shown = _SHOWN[aggregate](folded.state)
    row = {
        "id": aggregate_id,
        "version": folded.version,
        "created_us": folded.created_us,
        "updated_us": folded.updated_us,
        "state": shown.state,
        "region": folded.region,
        "body": shown.body,
        **shown.columns,
    }
    parts = {name: _owned(aggregate_id, rows) for name, rows in shown.parts.items()}
    return Rows(aggregate, row, parts)


def index_text(text: str) -> str:
    """Return what of a text stands in an index column: PostgreSQL takes no NUL in a text, and no very long key."""
    return text.replace("\0", "")[:_LONGEST]


def _owned(owner_id: str, rows: Iterable[Mapping[str, object]]) -> tuple[Mapping[str, object], ...]:
    different = {tuple(row.items()): row for row in rows}
    return tuple({"owner_id": owner_id, **row} for row in different.values())


def _present(canonical: Any, what: str) -> Any:
    if canonical is None:
        raise ValueError(f"the history does not begin with the {what}")
    return canonical


def _references(references: Iterable[ExternalReference]) -> list[Mapping[str, object]]:
    return [
        {"system": index_text(each.system), "type": int(each.type), "value": index_text(each.value)}
        for each in references
    ]


def _orders(order_ids: Iterable[str]) -> list[Mapping[str, object]]:
    return [{"order_id": index_text(order_id)} for order_id in order_ids]


def _order(state: Any) -> _Shown:
    order: Order = _present(state.order, "order")
    parts: Mapping[str, list[Mapping[str, object]]] = {
        "order_references": _references(order.references),
        "order_parties": [
            {"system": index_text(party.system), "value": index_text(party.value)} for party in parties_of(order)
        ],
    }
    return _Shown(order.state, order.SerializeToString(), parts=parts)


def _load(state: Any) -> _Shown:
    load: Load = _present(state.load, "load")
    riding = [*load.order_ids, *(task.order_id for stop in load.stops for task in stop.tasks)]
    return _Shown(
        load.state,
        load.SerializeToString(),
        {
            "vehicle_id": index_text(vehicle_of(load)),
            "wave_id": index_text(load.wave_id),
        },
        {
            "load_references": _references(load.references),
            "load_orders": _orders(riding),
            "load_carriers": [{"carrier_scac": index_text(scac)} for scac in sorted(carriers_of(load))],
            "load_stops": [{"stop_id": index_text(stop.stop_id)} for stop in load.stops],
        },
    )


def vehicle_of(load: Load) -> str:
    """Return the vehicle that a load rides on, or rode on to its end; empty where none is assigned."""
    if not load.assignments:
        return ""
    newest = load.assignments[-1]
    ended = newest.HasField("end_time") and load.state != LoadState.LOAD_STATE_COMPLETED
    return "" if ended else newest.vehicle_id


def _pod(state: Any) -> _Shown:
    pod: ProofOfDelivery = _present(state.pod, "proof")
    columns = {"load_id": index_text(pod.load_id), "stop_id": index_text(pod.stop_id)}
    parts = {"pod_orders": _orders(line.order_id for line in pod.lines)}
    return _Shown(pod.state, pod.SerializeToString(), columns, parts)


def _invoice(state: Any) -> _Shown:
    invoice: Invoice = _present(state.invoice, "invoice")
    parts = {"invoice_references": _references(invoice.references)}
    return _Shown(invoice.state, invoice.SerializeToString(), {"order_id": index_text(invoice.order_id)}, parts)


def _payable(state: Any) -> _Shown:
    payable: Payable = _present(state.payable, "carrier's invoice")
    columns = {"load_id": index_text(payable.load_id), "carrier_scac": index_text(payable.carrier_scac)}
    return _Shown(payable.state, payable.SerializeToString(), columns)


def _exception(state: Any) -> _Shown:
    exception: LogisticsException = _present(state.exception, "exception")
    columns = {
        "order_id": index_text(exception.order_id),
        "load_id": index_text(exception.load_id),
        "invoice_id": index_text(exception.invoice_id),
        "call_us": _call_us(exception),
    }
    return _Shown(exception.state, exception.SerializeToString(), columns)


def _call_us(found: LogisticsException) -> int:
    due = call_time(found)
    return 0 if due is None or found.state not in UNSOLVED else due.ToMicroseconds()


def _hold(state: Any) -> _Shown:
    hold: Hold = _present(state.hold, "hold")
    columns = {"order_id": index_text(hold.order_id), "load_id": index_text(hold.load_id)}
    return _Shown(hold.state, hold.SerializeToString(), columns)


def _excursion(state: Any) -> _Shown:
    excursion: Excursion = _present(state.excursion, "excursion")
    columns = {"order_id": index_text(excursion.order_id), "load_id": index_text(excursion.load_id)}
    return _Shown(excursion.state, excursion.SerializeToString(), columns)


def _fulfilment(state: fulfilment.State) -> _Shown:
    columns = {"finished": state.finished, "parked": bool(state.parked), "waits_for": state.parked.replace("\0", "")}
    return _Shown(state.state, b"", columns)


def _wave(state: wave.State) -> _Shown:
    return _Shown(state.state, b"", parts={"wave_orders": _orders(state.order_ids)})


_SHOWN: Mapping[str, Callable[[Any], _Shown]] = {
    "order": _order,
    "load": _load,
    "pod": _pod,
    "invoice": _invoice,
    "payable": _payable,
    "exception": _exception,
    "hold": _hold,
    "fulfilment": _fulfilment,
    "wave": _wave,
    "excursion": _excursion,
}
