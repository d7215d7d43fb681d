"""The tables of the read model. A change of any of them raises `VERSION`: the model is then built anew from the log.

Every aggregate has one table with the same first columns: what lists need as columns, the canonical object whole as
`body`. What an aggregate has several of stands in a part, a table of its own that is replaced with its owner's row.
Times are microseconds since 1970, so that they sort and compare alike on every database.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, MetaData, Table, Text

VERSION: Final = 6
"""Raise it with every change of a table, of an index column's meaning, or of `projection`."""

STREAMS: Final = ("ORDERS", "LOADS", "INVOICES", "EXCEPTIONS", "PROCESSES", "EXCURSIONS", "PAYABLES")
"""The streams that the model is built from."""

metadata = MetaData()


def _text(name: str, *, key: bool = False) -> Column[str]:
    return Column(name, Text, primary_key=key, nullable=False)


def _aggregate(name: str, *columns: Column[str] | Column[bool] | Column[int]) -> Table:
    """A table of aggregates; `version` is the version of the history that the row shows."""
    return Table(
        name,
        metadata,
        _text("id", key=True),
        Column("version", BigInteger, nullable=False),
        Column("created_us", BigInteger, nullable=False),
        Column("updated_us", BigInteger, nullable=False),
        Column("state", Integer, nullable=False),
        _text("region"),
        *columns,
        Column("body", LargeBinary, nullable=False),
    )


def _part(name: str, *columns: Column[str] | Column[int]) -> Table:
    """A table of what an aggregate has several of."""
    return Table(name, metadata, _text("owner_id", key=True), *columns)


def _references(name: str) -> Table:
    kind: Column[int] = Column("type", Integer, primary_key=True)
    return _part(name, _text("system", key=True), kind, _text("value", key=True))


orders = _aggregate("orders")
loads = _aggregate("loads", _text("vehicle_id"), _text("wave_id"))
pods = _aggregate("pods", _text("load_id"), _text("stop_id"))
invoices = _aggregate("invoices", _text("order_id"))
payables = _aggregate("payables", _text("load_id"), _text("carrier_scac"))
exceptions = _aggregate(
    "exceptions",
    _text("order_id"),
    _text("load_id"),
    _text("invoice_id"),
    Column("call_us", BigInteger, nullable=False),
)
"""`call_us`: when the next one is called about it; 0 where nobody will be."""
holds = _aggregate("holds", _text("order_id"), _text("load_id"))
excursions = _aggregate("excursions", _text("order_id"), _text("load_id"))
fulfilments = _aggregate(
    "fulfilments",
    Column("finished", Boolean, nullable=False),
    Column("parked", Boolean, nullable=False),
    _text("waits_for"),
)
waves = _aggregate("waves")

order_references = _references("order_references")
order_parties = _part("order_parties", _text("system", key=True), _text("value", key=True))
invoice_references = _references("invoice_references")
load_references = _references("load_references")
load_orders = _part("load_orders", _text("order_id", key=True))
load_carriers = _part("load_carriers", _text("carrier_scac", key=True))
load_stops = _part("load_stops", _text("stop_id", key=True))
pod_orders = _part("pod_orders", _text("order_id", key=True))
wave_orders = _part("wave_orders", _text("order_id", key=True))

positions = Table(
    "positions",
    metadata,
    _text("stream", key=True),
    Column("sequence", BigInteger, nullable=False),
    _text("digest"),
    Column("schema_version", Integer, nullable=False),
)
"""How far each stream is projected. `digest` is that of the message there: it tells whether the log is still the same.
`schema_version` keeps a projector of another version from writing into tables that it does not know."""

TABLES: Final[Mapping[str, Table]] = {
    "order": orders,
    "load": loads,
    "pod": pods,
    "invoice": invoices,
    "payable": payables,
    "exception": exceptions,
    "hold": holds,
    "fulfilment": fulfilments,
    "wave": waves,
    "excursion": excursions,
}
"""The table of each aggregate, by the token of its subjects."""

PARTS: Final[Mapping[str, tuple[Table, ...]]] = {
    "order": (order_references, order_parties),
    "load": (load_references, load_orders, load_stops, load_carriers),
    "pod": (pod_orders,),
    "invoice": (invoice_references,),
    "wave": (wave_orders,),
}

for _table in (orders, loads, invoices, payables, exceptions, holds, excursions):
    Index(f"{_table.name}_by_creation", _table.c.created_us, _table.c.id)
    Index(f"{_table.name}_by_state", _table.c.state, _table.c.created_us, _table.c.id)
for _table in (invoices, exceptions, holds, excursions):
    Index(f"{_table.name}_by_order", _table.c.order_id, _table.c.created_us, _table.c.id)
for _table in (orders, loads):
    Index(f"{_table.name}_by_change", _table.c.state, _table.c.updated_us)
for _table in (order_references, invoice_references, load_references):
    Index(f"{_table.name}_by_value", _table.c.value)
for _table in (load_orders, pod_orders, wave_orders):
    Index(f"{_table.name}_by_order", _table.c.order_id)
Index("orders_by_region", orders.c.region, orders.c.state, orders.c.created_us, orders.c.id)
Index("order_parties_by_party", order_parties.c.system, order_parties.c.value)
Index("load_carriers_by_carrier", load_carriers.c.carrier_scac)
Index("loads_by_vehicle", loads.c.vehicle_id, loads.c.created_us, loads.c.id)
Index("payables_by_load", payables.c.load_id, payables.c.created_us, payables.c.id)
Index("load_stops_by_stop", load_stops.c.stop_id)
Index("pods_by_load", pods.c.load_id)
Index("fulfilments_by_end", fulfilments.c.finished, fulfilments.c.parked)
Index("exceptions_by_call", exceptions.c.call_us)
Index("exceptions_by_load", exceptions.c.load_id)
Index("exceptions_by_invoice", exceptions.c.invoice_id)
Index("holds_by_load", holds.c.load_id)
