"""The statements that read the model. Every one of them is served by an index of `schema`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    and_,
    case,
    exists,
    false,
    func,
    or_,
    select,
    tuple_,
    union,
    union_all,
)
from sqlalchemy.sql.selectable import CompoundSelect

from gladhand.enums import EnumType
from gladhand.lifecycle import lifecycle_of
from gladhand.security.principal import CARRIER_SYSTEM, Party
from logistics.exception.v1 import ExcursionState, HoldState
from logistics.invoice.v1 import PayableState
from logistics.load.v1 import LoadState
from logistics.order.v1 import OrderState
from logistics.type.v1 import ReferenceType
from services.orchestrator.read_model.paging import Key
from services.orchestrator.read_model.projection import index_text
from services.orchestrator.read_model.schema import (
    exceptions,
    excursions,
    fulfilments,
    holds,
    invoice_references,
    invoices,
    load_carriers,
    load_orders,
    load_references,
    load_stops,
    loads,
    order_parties,
    order_references,
    orders,
    payables,
    pod_orders,
    pods,
    wave_orders,
    waves,
)

Condition: TypeAlias = ColumnElement[bool]


def _open_states(enum: EnumType) -> frozenset[int]:
    """Return the states that an aggregate does not end in, as the contract declares them."""
    ended = lifecycle_of(enum).terminal
    return frozenset(value.number for value in enum.DESCRIPTOR.values if value.number and value.name not in ended)


OPEN_ORDERS: Final = _open_states(OrderState) - {OrderState.ORDER_STATE_INVOICED}
"""States in which an order still has a way to go."""

_NOT_PUSHED: Final = OPEN_ORDERS | {OrderState.ORDER_STATE_REJECTED}
"""States whose unfinished process is as it should be. That of a rejected order waits for an amendment of the order."""

OPEN_LOADS: Final = _open_states(LoadState)

_REVIEWED: Final = (ExcursionState.EXCURSION_STATE_BREACH, ExcursionState.EXCURSION_STATE_IN_REVIEW)

_MOST_NAMESAKES: Final = 20


def listing(table: Table, conditions: Sequence[Condition], after: Key | None, limit: int) -> Select[Any]:
    """Return what gives the rows of a page, newest first, and one row more where there is a further page."""
    statement = select(table.c.id, table.c.created_us, table.c.body).where(*conditions)
    if after is not None:
        statement = statement.where(tuple_(table.c.created_us, table.c.id) < tuple_(after.created_us, after.id))
    return statement.order_by(table.c.created_us.desc(), table.c.id.desc()).limit(limit + 1)


def in_states(table: Table, states: Iterable[int]) -> list[Condition]:
    """Restrict to some states; none given means all."""
    wanted = sorted(set(states))
    return [table.c.state.in_(wanted)] if wanted else []


def orders_of_party(party: Party | None) -> list[Condition]:
    """Restrict orders to those of one customer; None means all."""
    if party is None:
        return []
    named = select(order_parties.c.owner_id).where(
        order_parties.c.system == party.system, order_parties.c.value == party.value
    )
    return [orders.c.id.in_(named)]


def loads_of_party(party: Party | None) -> list[Condition]:
    """Restrict loads to those that one carrier has, or was offered; None means all. Who is no carrier has none."""
    if party is None:
        return []
    if party.system != CARRIER_SYSTEM or not party.value:
        return [false()]
    return [loads.c.id.in_(select(load_carriers.c.owner_id).where(load_carriers.c.carrier_scac == party.value))]


def order_filters(states: Iterable[int], region: str, reference: str) -> list[Condition]:
    """Return the conditions of a list of orders."""
    conditions = in_states(orders, states)
    if region:
        conditions.append(orders.c.region == index_text(region))
    if reference:
        named = select(order_references.c.owner_id).where(order_references.c.value == index_text(reference))
        conditions.append(orders.c.id.in_(named))
    return conditions


def load_filters(states: Iterable[int], order_id: str, vehicle_id: str) -> list[Condition]:
    """Return the conditions of a list of loads."""
    conditions = in_states(loads, states)
    if order_id:
        conditions.append(loads.c.id.in_(_loads_of(order_id)))
    if vehicle_id:
        conditions.append(loads.c.vehicle_id == index_text(vehicle_id))
    return conditions


def of_order(table: Table, states: Iterable[int], order_id: str) -> list[Condition]:
    """Return the conditions of a list of what belongs to one order: invoices, exceptions, holds."""
    conditions = in_states(table, states)
    if order_id:
        conditions.append(table.c.order_id == index_text(order_id))
    return conditions


def exception_filters(states: Iterable[int], order_id: str, load_id: str) -> list[Condition]:
    """Return the conditions of a list of exceptions."""
    conditions = of_order(exceptions, states, order_id)
    if load_id:
        conditions.append(exceptions.c.load_id == index_text(load_id))
    return conditions


def overdue_exceptions(now_us: int, limit: int) -> Select[str]:
    """Return what gives the exceptions about which somebody should have been called by now, the longest due first."""
    return (
        select(exceptions.c.id)
        .where(exceptions.c.call_us > 0, exceptions.c.call_us <= now_us)
        .order_by(exceptions.c.call_us, exceptions.c.id)
        .limit(limit)
    )


def hold_filters(order_id: str, *, active_only: bool) -> list[Condition]:
    """Return the conditions of a list of holds."""
    return of_order(holds, [HoldState.HOLD_STATE_ACTIVE] if active_only else [], order_id)


def load_of_stop(stop_id: str) -> Select[str]:
    """Return what gives the load of a stop. A stop that moved stands on several: the newest one that lives counts."""
    cancelled = case((loads.c.state == LoadState.LOAD_STATE_CANCELLED, 1), else_=0)
    return (
        select(loads.c.id)
        .join(load_stops, load_stops.c.owner_id == loads.c.id)
        .where(load_stops.c.stop_id == index_text(stop_id))
        .order_by(cancelled, loads.c.created_us.desc(), loads.c.id.desc())
        .limit(1)
    )


def payables_of_party(party: Party | None) -> list[Condition]:
    """Restrict carriers' invoices to those of one carrier; None means all. A party that is no carrier has none."""
    if party is None:
        return []
    return [payables.c.carrier_scac == party.value if party.system == CARRIER_SYSTEM and party.value else false()]


def of_load(table: Table, states: Iterable[int], load_id: str) -> list[Condition]:
    """Return the conditions of a list of what belongs to one load."""
    conditions = in_states(table, states)
    if load_id:
        conditions.append(table.c.load_id == index_text(load_id))
    return conditions


def payables_of_load(load_id: str, limit: int) -> Select[str]:
    """Return what gives the payables of a load, oldest first; an empty load means those whose load is unknown."""
    waiting = [payables.c.state == PayableState.PAYABLE_STATE_RECEIVED] if not load_id else []
    return (
        select(payables.c.id)
        .where(payables.c.load_id == index_text(load_id), *waiting)
        .order_by(payables.c.created_us, payables.c.id)
        .limit(limit)
    )


def loads_by_reference(value: str, limit: int) -> CompoundSelect[Any]:
    """Return what gives the loads that are known by a name: by id, by their own reference, by one of their orders'."""
    term = index_text(value)
    own = select(load_references.c.owner_id).where(load_references.c.value == term)
    riding = (
        select(load_orders.c.owner_id)
        .join(order_references, order_references.c.owner_id == load_orders.c.order_id)
        .where(order_references.c.value == term)
    )
    return union(select(loads.c.id).where(loads.c.id == term), own, riding).limit(limit)


def released_orders(region: str, limit: int) -> Select[str]:
    """Return what gives the released orders of a region, oldest first."""
    return (
        select(orders.c.id)
        .where(orders.c.region == region, orders.c.state == OrderState.ORDER_STATE_RELEASED)
        .order_by(orders.c.created_us, orders.c.id)
        .limit(limit)
    )


def waiting_regions() -> Select[str]:
    """Return what gives the regions in which released orders wait."""
    return (
        select(orders.c.region)
        .where(orders.c.state == OrderState.ORDER_STATE_RELEASED)
        .distinct()
        .order_by(orders.c.region)
    )


def open_orders(unchanged_since_us: int, limit: int, skip: int = 0) -> Select[str]:
    """Return what gives the orders that may need a push, oldest change first.

    These have a way to go, or came to their end before their process did. One whose process waits for a person needs
    that person, not a push.
    """
    parked = exists().where(fulfilments.c.id == orders.c.id, fulfilments.c.parked)
    # Found from its few unfinished processes: orders that came to their end are many, and more with every day.
    ended = (
        select(orders.c.id, orders.c.updated_us)
        .join(fulfilments, fulfilments.c.id == orders.c.id)
        .where(~fulfilments.c.finished, ~fulfilments.c.parked, orders.c.state.not_in(sorted(_NOT_PUSHED)))
    )
    candidates = union_all(
        select(orders.c.id, orders.c.updated_us).where(orders.c.state.in_(sorted(OPEN_ORDERS)), ~parked), ended
    ).subquery()
    return (
        select(candidates.c.id)
        .where(candidates.c.updated_us <= unchanged_since_us)
        .order_by(candidates.c.updated_us, candidates.c.id)
        .limit(limit)
        .offset(skip)
    )


def open_loads(unchanged_since_us: int, limit: int, skip: int = 0) -> Select[str]:
    """Return what gives the loads that have a way to go and did not change since a time, oldest change first."""
    return (
        select(loads.c.id)
        .where(loads.c.state.in_(sorted(OPEN_LOADS)), loads.c.updated_us <= unchanged_since_us)
        .order_by(loads.c.updated_us, loads.c.id)
        .limit(limit)
        .offset(skip)
    )


def open_excursions(unchanged_since_us: int, limit: int) -> Select[str]:
    """Return what gives the excursions that wait for somebody and did not change since a time, oldest change first."""
    return (
        select(excursions.c.id)
        .where(excursions.c.state.in_(_REVIEWED), excursions.c.updated_us <= unchanged_since_us)
        .order_by(excursions.c.updated_us, excursions.c.id)
        .limit(limit)
    )


def find_order(term: str) -> CompoundSelect[Any]:
    """Return what gives the orders that are known by a term: by id, by a reference, by an invoice's number."""
    term = index_text(term)
    billed = (
        select(invoices.c.order_id)
        .join(invoice_references, invoice_references.c.owner_id == invoices.c.id)
        .where(
            invoice_references.c.value == term,
            invoice_references.c.type == ReferenceType.REFERENCE_TYPE_INVOICE,
            invoices.c.order_id != "",
        )
    )
    named = select(order_references.c.owner_id).where(order_references.c.value == term)
    return union(select(orders.c.id).where(orders.c.id == term), named, billed).limit(_MOST_NAMESAKES)


def related(order_id: str) -> list[tuple[str, Select[str]]]:
    """Return what gives everything of an order's journey, each kind with its statement, in the journey's order.

    What went wrong with a load or an invoice, and names no order, belongs to the journey of every order on it.
    """
    riding = _loads_of(order_id)
    billed = select(invoices.c.id).where(invoices.c.order_id == order_id)
    on_load = and_(_nameless(exceptions), exceptions.c.load_id.in_(riding))
    on_invoice = and_(_nameless(exceptions), exceptions.c.invoice_id.in_(billed))
    held_load = and_(_nameless(holds), holds.c.load_id.in_(riding))
    wanted: list[tuple[str, Table, Condition]] = [
        ("order", orders, orders.c.id == order_id),
        ("fulfilment", fulfilments, fulfilments.c.id == order_id),
        ("wave", waves, waves.c.id.in_(_owners(wave_orders, order_id))),
        ("load", loads, loads.c.id.in_(riding)),
        ("pod", pods, pods.c.id.in_(_owners(pod_orders, order_id))),
        ("invoice", invoices, invoices.c.order_id == order_id),
        ("exception", exceptions, or_(exceptions.c.order_id == order_id, on_load, on_invoice)),
        ("hold", holds, or_(holds.c.order_id == order_id, held_load)),
        ("excursion", excursions, excursions.c.order_id == order_id),
    ]
    return [
        (aggregate, select(table.c.id).where(condition).order_by(table.c.created_us, table.c.id))
        for aggregate, table, condition in wanted
    ]


def orders_of(aggregate: str, aggregate_id: str) -> Select[str] | None:
    """Return what gives the orders in whose journey an aggregate stands; None for an unknown kind of aggregate."""
    if aggregate in {"order", "fulfilment"}:
        return select(orders.c.id).where(orders.c.id == aggregate_id)
    for name, part in (("wave", wave_orders), ("load", load_orders), ("pod", pod_orders)):
        if aggregate == name:
            return select(part.c.order_id).where(part.c.owner_id == aggregate_id).order_by(part.c.order_id)
    if aggregate == "invoice":
        return select(invoices.c.order_id).where(invoices.c.id == aggregate_id, invoices.c.order_id != "")
    if aggregate == "exception":
        return _orders_behind(exceptions, aggregate_id)
    if aggregate == "payable":
        riding = load_orders.join(payables, payables.c.load_id == load_orders.c.owner_id)
        return select(load_orders.c.order_id).select_from(riding).where(payables.c.id == aggregate_id)
    if aggregate == "excursion":
        return select(excursions.c.order_id).where(excursions.c.id == aggregate_id)
    if aggregate == "hold":
        return _orders_behind(holds, aggregate_id)
    return None


def _orders_behind(table: Table, aggregate_id: str) -> Select[str]:
    """Orders that an exception or a hold names, or that ride on the load that it names."""
    named = select(table.c.order_id.label("order_id")).where(table.c.id == aggregate_id, table.c.order_id != "")
    riding = (
        select(load_orders.c.order_id.label("order_id"))
        .join(table, table.c.load_id == load_orders.c.owner_id)
        .where(table.c.id == aggregate_id, table.c.order_id == "")
    )
    found = union(named, riding).subquery()
    return select(found.c.order_id).order_by(found.c.order_id)


def _nameless(table: Table) -> Condition:
    """What names no order. A comparison would tempt the planner to begin with all of these."""
    return func.length(table.c.order_id) == 0


def _loads_of(order_id: str) -> Select[str]:
    return _owners(load_orders, order_id)


def _owners(part: Table, order_id: str) -> Select[str]:
    return select(part.c.owner_id).where(part.c.order_id == index_text(order_id))
