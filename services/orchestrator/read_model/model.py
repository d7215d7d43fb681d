"""What can be asked of the read model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final, TypeVar

from google.protobuf.message import Message
from sqlalchemy import Table, select

from gladhand.calls import remaining
from gladhand.errors import Unavailable
from gladhand.security.principal import Party
from logistics.exception.v1 import Exception as LogisticsException
from logistics.exception.v1 import Excursion, Hold
from logistics.invoice.v1 import Invoice, Payable
from logistics.load.v1 import Load
from logistics.order.v1 import Order
from logistics.pod.v1 import ProofOfDelivery
from services.orchestrator.read_model import queries
from services.orchestrator.read_model.arrivals import Arrivals
from services.orchestrator.read_model.database import Database
from services.orchestrator.read_model.paging import Key, Page, digest_of, key_of, page_limit, token_of
from services.orchestrator.read_model.schema import (
    TABLES,
    exceptions,
    excursions,
    holds,
    invoices,
    loads,
    orders,
    payables,
)

M = TypeVar("M", bound=Message)

_PATIENCE_S: Final = 10.0
_POLL_S: Final = 0.25
_ANSWER_S: Final = 0.2
"""Seconds of a call's deadline that are kept for the answer that the model is behind."""


class ReadModel:
    """Orders, loads, invoices, exceptions, holds and proofs as the projector has laid them down.

    It shows what was recorded up to some moment, which `at_least_version` moves forward: with the version that a write
    answered, the writer reads its own write. Every method may raise Unavailable where the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.arrivals = Arrivals()

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str) -> AsyncIterator[ReadModel]:
        """Open the model at an SQLAlchemy URL and close it at the end of the block.

        Tables of another version than this program's are dropped; the projector then builds them anew from the log.
        Raises StartRefused where the database cannot be opened.
        """
        async with Database.opened(url) as database:
            yield cls(database)

    async def rebuild(self) -> None:
        """Empty the model; every running projector then builds it anew from the first event of the log.

        Reads go on meanwhile and show what is there so far; `at_least_version` waits as ever.
        """
        await self.database.clear()

    async def order(self, order_id: str, at_least_version: int = 0, *, party: Party | None = None) -> Order | None:
        """Return an order, None where there is none; waits for the version.

        With a `party`, what is not its own is not there: no answer, error or pause tells it from what never was.

        Raises Unavailable (READ_MODEL_BEHIND) where the version does not come in the time that the call has left, or
        10 seconds outside of a call. The same holds for the other aggregates below.
        """
        return await self._one("order", order_id, at_least_version, Order, queries.orders_of_party(party))

    async def load(self, load_id: str, at_least_version: int = 0, *, party: Party | None = None) -> Load | None:
        """Return a load; see `order`."""
        return await self._one("load", load_id, at_least_version, Load, queries.loads_of_party(party))

    async def pod(self, pod_id: str, at_least_version: int = 0) -> ProofOfDelivery | None:
        """Return a proof of delivery; see `order`."""
        return await self._one("pod", pod_id, at_least_version, ProofOfDelivery)

    async def invoice(self, invoice_id: str, at_least_version: int = 0) -> Invoice | None:
        """Return an invoice; see `order`."""
        return await self._one("invoice", invoice_id, at_least_version, Invoice)

    async def payable(
        self, payable_id: str, at_least_version: int = 0, *, party: Party | None = None
    ) -> Payable | None:
        """Return a carrier's invoice; see `order`."""
        return await self._one("payable", payable_id, at_least_version, Payable, queries.payables_of_party(party))

    async def exception(self, exception_id: str, at_least_version: int = 0) -> LogisticsException | None:
        """Return an exception; see `order`."""
        return await self._one("exception", exception_id, at_least_version, LogisticsException)

    async def hold(self, hold_id: str, at_least_version: int = 0) -> Hold | None:
        """Return a hold; see `order`."""
        return await self._one("hold", hold_id, at_least_version, Hold)

    async def orders(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        states: Iterable[int] = (),
        region: str = "",
        reference: str = "",
        party: Party | None = None,
    ) -> Page[Order]:
        """Return a page of orders, newest first; with a `party` its own alone.

        `page_size` 0 means 50, more than 500 means 500. No state, region or reference means any. Raises InvalidArgument
        (PAGE_TOKEN_INVALID) where the token is damaged or came with other filters. The same holds for the lists below.
        """
        wanted = sorted(set(states))
        conditions = [*queries.orders_of_party(party), *queries.order_filters(wanted, region, reference)]
        asked = {"states": wanted, "region": region, "reference": reference, "party": str(party or "")}
        return await self._page(orders, conditions, asked, page_size, page_token, Order)

    async def loads(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        states: Iterable[int] = (),
        order_id: str = "",
        vehicle_id: str = "",
        party: Party | None = None,
    ) -> Page[Load]:
        """Return a page of loads; see `orders`."""
        wanted = sorted(set(states))
        conditions = [*queries.loads_of_party(party), *queries.load_filters(wanted, order_id, vehicle_id)]
        asked = {"states": wanted, "order_id": order_id, "vehicle_id": vehicle_id, "party": str(party or "")}
        return await self._page(loads, conditions, asked, page_size, page_token, Load)

    async def invoices(
        self, *, page_size: int = 0, page_token: str = "", states: Iterable[int] = (), order_id: str = ""
    ) -> Page[Invoice]:
        """Return a page of invoices; see `orders`."""
        wanted = sorted(set(states))
        conditions = queries.of_order(invoices, wanted, order_id)
        asked = {"states": wanted, "order_id": order_id}
        return await self._page(invoices, conditions, asked, page_size, page_token, Invoice)

    async def exceptions(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        states: Iterable[int] = (),
        order_id: str = "",
        load_id: str = "",
    ) -> Page[LogisticsException]:
        """Return a page of exceptions; see `orders`."""
        wanted = sorted(set(states))
        conditions = queries.exception_filters(wanted, order_id, load_id)
        asked = {"states": wanted, "order_id": order_id, "load_id": load_id}
        return await self._page(exceptions, conditions, asked, page_size, page_token, LogisticsException)

    async def holds(
        self, *, page_size: int = 0, page_token: str = "", order_id: str = "", active_only: bool = False
    ) -> Page[Hold]:
        """Return a page of holds; see `orders`."""
        conditions = queries.hold_filters(order_id, active_only=active_only)
        asked = {"order_id": order_id, "active_only": active_only}
        return await self._page(holds, conditions, asked, page_size, page_token, Hold)

    async def payables(
        self,
        *,
        page_size: int = 0,
        page_token: str = "",
        states: Iterable[int] = (),
        load_id: str = "",
        party: Party | None = None,
    ) -> Page[Payable]:
        """Return a page of carriers' invoices; see `orders`."""
        wanted = sorted(set(states))
        conditions = [*queries.payables_of_party(party), *queries.of_load(payables, wanted, load_id)]
        asked = {"states": wanted, "load_id": load_id, "party": str(party or "")}
        return await self._page(payables, conditions, asked, page_size, page_token, Payable)

    async def payables_of_load(self, load_id: str) -> list[str]:
        """Return ids of carriers' invoices for a load, oldest first; at most 200."""
        return await self._ids(queries.payables_of_load(load_id, 200)) if load_id else []

    async def payables_without_load(self, limit: int) -> list[str]:
        """Return ids of carriers' invoices whose load is not known yet, oldest first."""
        return await self._ids(queries.payables_of_load("", limit))

    async def loads_by_reference(self, value: str) -> list[str]:
        """Return ids of loads that carry a reference, or an order that does; at most 20."""
        return await self._ids(queries.loads_by_reference(value, 20))

    async def excursion(self, excursion_id: str, at_least_version: int = 0) -> Excursion | None:
        """Return an excursion; see `order`."""
        return await self._one("excursion", excursion_id, at_least_version, Excursion)

    async def excursions(
        self, *, page_size: int = 0, page_token: str = "", states: Iterable[int] = (), order_id: str = ""
    ) -> Page[Excursion]:
        """Return a page of excursions; see `orders`."""
        wanted = sorted(set(states))
        conditions = queries.of_order(excursions, wanted, order_id)
        asked = {"states": wanted, "order_id": order_id}
        return await self._page(excursions, conditions, asked, page_size, page_token, Excursion)

    async def open_excursions(self, unchanged_since: datetime, limit: int) -> list[str]:
        """Return excursions that wait for a decision and did not change since, oldest change first."""
        return await self._ids(queries.open_excursions(_micros(unchanged_since), limit))

    async def load_of_stop(self, stop_id: str) -> str | None:
        """Return the load that has a stop, None where none is known."""
        return next(iter(await self._ids(queries.load_of_stop(stop_id))), None)

    async def released_orders(self, region: str, limit: int) -> list[str]:
        """Return ids of released orders of a region, oldest first."""
        return await self._ids(queries.released_orders(region, limit))

    async def waiting_regions(self) -> list[str]:
        """Return the regions in which released orders wait."""
        return await self._ids(queries.waiting_regions())

    async def open_orders(self, unchanged_since: datetime, limit: int, skip: int = 0) -> list[str]:
        """Return orders that have a way to go, or an unfinished process, and did not change since; oldest change first.

        Orders whose process waits for a person are left out; the first `skip` are passed over.
        """
        return await self._ids(queries.open_orders(_micros(unchanged_since), limit, skip))

    async def open_loads(self, unchanged_since: datetime, limit: int, skip: int = 0) -> list[str]:
        """Return loads that have a way to go and did not change since, oldest change first; `skip` are passed over."""
        return await self._ids(queries.open_loads(_micros(unchanged_since), limit, skip))

    async def overdue_exceptions(self, now: datetime, limit: int) -> list[str]:
        """Return exceptions about which somebody should have been called by `now`, the longest due first."""
        return await self._ids(queries.overdue_exceptions(_micros(now), limit))

    async def related(self, order_id: str) -> list[tuple[str, str]]:
        """Return everything of an order's journey as (aggregate, id).

        The order first, then its process, waves, loads, proofs, invoices, exceptions and holds, each kind oldest first.
        """
        found: list[tuple[str, str]] = []
        async with self.database.reading() as connection:
            for aggregate, statement in queries.related(order_id):
                found += [(aggregate, name) for name in (await connection.execute(statement)).scalars()]
        return found

    async def orders_of(self, aggregate: str, aggregate_id: str) -> list[str]:
        """Return the orders in whose journey an aggregate stands; empty where none is known."""
        statement = queries.orders_of(aggregate, aggregate_id)
        return [] if statement is None else await self._ids(statement)

    async def find_order(self, term: str) -> list[str]:
        """Return the orders whose id, any external reference, or ERP invoice number is `term`; at most 20, sorted."""
        return sorted(await self._ids(queries.find_order(term)))

    async def _one(
        self,
        aggregate: str,
        aggregate_id: str,
        at_least_version: int,
        kind: type[M],
        conditions: Sequence[queries.Condition] = (),
    ) -> M | None:
        version, body = await self._row(aggregate, aggregate_id, conditions)
        if version < at_least_version:
            body = await self._awaited(aggregate, aggregate_id, at_least_version, conditions)
        return None if body is None else kind.FromString(body)

    async def _awaited(
        self, aggregate: str, aggregate_id: str, wanted: int, conditions: Sequence[queries.Condition]
    ) -> bytes | None:
        loop = asyncio.get_running_loop()
        left = remaining()
        end = loop.time() + (_PATIENCE_S if left is None else max(0.0, left - _ANSWER_S))
        with self.arrivals.watching((aggregate, aggregate_id)) as arrived:
            while True:
                arrived.clear()
                version, body = await self._row(aggregate, aggregate_id, conditions)
                if version >= wanted:
                    return body
                pause = min(_POLL_S, end - loop.time())
                if pause <= 0:
                    raise Unavailable(
                        f"the read model shows version {version} of {aggregate} {aggregate_id}, not yet {wanted}",
                        reason="READ_MODEL_BEHIND",
                        metadata={"at_least_version": str(wanted), "version": str(version)},
                        retry_after_s=0.5,
                    )
                with suppress(TimeoutError):
                    await asyncio.wait_for(arrived.wait(), pause)

    async def _row(
        self, aggregate: str, aggregate_id: str, conditions: Sequence[queries.Condition]
    ) -> tuple[int, bytes | None]:
        table = TABLES[aggregate]
        statement = select(table.c.version, table.c.body).where(table.c.id == aggregate_id, *conditions)
        async with self.database.reading() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return (0, None) if row is None else (row.version, row.body)

    async def _page(
        self,
        table: Table,
        conditions: Sequence[queries.Condition],
        asked: Mapping[str, object],
        page_size: int,
        page_token: str,
        kind: type[M],
    ) -> Page[M]:
        digest = digest_of(table.name, asked)
        limit = page_limit(page_size)
        statement = queries.listing(table, conditions, key_of(page_token, digest), limit)
        async with self.database.reading() as connection:
            rows = (await connection.execute(statement)).all()
        shown = rows[:limit]
        more = len(rows) > limit
        token = token_of(digest, Key(shown[-1].created_us, shown[-1].id)) if more else ""
        return Page([kind.FromString(row.body) for row in shown], token)

    async def _ids(self, statement: Any) -> list[str]:
        async with self.database.reading() as connection:
            return list((await connection.execute(statement)).scalars())


def _micros(time: datetime) -> int:
    return round(time.timestamp() * 1_000_000)
