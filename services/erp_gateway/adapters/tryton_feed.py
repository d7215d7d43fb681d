"""Finds what changed in Tryton: sales, and the lines, moves, shipments and addresses behind them.

A change of a child does not touch its sale (ERP reference A.5), so each kind is asked for. Stamps are the *start* times
of transactions, so that changes may surface behind the newest stamp seen: every question reaches back by an overlap.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from services.erp_gateway.adapters.port import Change, ChangePage
from services.erp_gateway.adapters.tryton_rpc import TrytonSession

_PAGE = 500
_BEGINNING = dt.datetime(1970, 1, 2, tzinfo=dt.UTC)
_OLDEST_FIRST = (("last_modified_at", "ASC"), ("id", "ASC"))


async def list_changes(
    session: TrytonSession, cursor: str, overlap: dt.timedelta, *, thorough: bool = True
) -> ChangePage:
    """Changes since ``cursor`` (an ISO 8601 stamp of the ERP; "" means the beginning) less ``overlap``.

    Lines and addresses hardly ever change once a sale is processed: they are asked for where ``thorough``, which has to
    be more often than ``overlap`` lasts.
    """
    newest = dt.datetime.fromisoformat(cursor) if cursor else _BEGINNING
    since = max(_BEGINNING, newest - overlap)
    changes: list[Change] = []
    for find in (_sales, _moves, _shipments, *((_lines, _addresses) if thorough else ())):
        for sale, document, stamp in await find(session, since):
            changes.append(Change(str(sale), document, stamp.isoformat()))
            newest = max(newest, stamp)
    return ChangePage(tuple(changes), newest.isoformat() if newest > _BEGINNING else "")


_Found = list[tuple[int, str, dt.datetime]]


async def _sales(session: TrytonSession, since: dt.datetime) -> _Found:
    domain = [("last_modified_at", ">", since), ("state", "in", ["processing", "done", "cancelled"])]
    rows = await _all(session, "sale.sale", domain, [])
    return [(row["id"], f"sale.sale,{row['id']}", row["last_modified_at"]) for row in rows]


async def _lines(session: TrytonSession, since: dt.datetime) -> _Found:
    domain = [("last_modified_at", ">", since), ("sale.state", "=", "processing")]
    rows = await _all(session, "sale.line", domain, ["sale"])
    return [(row["sale"], f"sale.line,{row['id']}", row["last_modified_at"]) for row in rows]


async def _moves(session: TrytonSession, since: dt.datetime) -> _Found:
    domain = [("last_modified_at", ">", since), ("origin", "like", "sale.line,%")]
    rows = await _all(session, "stock.move", domain, ["sale"])
    return [(row["sale"], f"stock.move,{row['id']}", row["last_modified_at"]) for row in rows if row["sale"]]


async def _shipments(session: TrytonSession, since: dt.datetime) -> _Found:
    rows = await _all(session, "stock.shipment.out", [("last_modified_at", ">", since)], ["outgoing_moves.sale"])
    return [
        (sale, f"stock.shipment.out,{row['id']}", row["last_modified_at"]) for row in rows for sale in _sales_of(row)
    ]


async def _addresses(session: TrytonSession, since: dt.datetime) -> _Found:
    """Addresses matter while goods still wait to go there, e.g. when a missing position was filled in."""
    domain = ["OR", ("last_modified_at", ">", since), ("contact_mechanisms.last_modified_at", ">", since)]
    rows = await _all(session, "party.address", domain, ["contact_mechanisms.last_modified_at"])
    if not rows:
        return []
    stamps = {
        row["id"]: max([row["last_modified_at"], *(m["last_modified_at"] for m in row["contact_mechanisms."] or [])])
        for row in rows
    }
    waiting = [("delivery_address", "in", sorted(stamps)), ("state", "=", "waiting")]
    shipments = await _all(session, "stock.shipment.out", waiting, ["delivery_address", "outgoing_moves.sale"])
    return [
        (sale, f"party.address,{row['delivery_address']}", stamps[row["delivery_address"]])
        for row in shipments
        for sale in _sales_of(row)
    ]


def _sales_of(shipment: dict[str, Any]) -> Iterable[int]:
    return sorted({move["sale"] for move in shipment["outgoing_moves."] or [] if move["sale"]})


async def _all(
    session: TrytonSession, model: str, domain: Sequence[object], fields: Sequence[str]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        page = await session.search_read(
            model, domain, [*fields, "last_modified_at"], offset=len(rows), limit=_PAGE, order=_OLDEST_FIRST
        )
        rows.extend(page)
        if len(page) < _PAGE:
            return rows
