"""Turns the ERP's changes into sales worth telling: repeats dropped, unfinished edits waited out.

A sale is told once its content has stood still for the settle time, as seen by this process's own monotonic clock: the
ERP's clock may differ. The cursor that may be kept never passes a sale that was seen and not yet settled, so that a
restart sees it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from services.erp_gateway.adapters.port import Change, ErpAdapter, SaleCondition, SaleReading

_WORTH_TELLING = frozenset({SaleCondition.READY, SaleCondition.WITHDRAWN, SaleCondition.UNREADABLE})

_READ_AT_ONCE = 50
_REMEMBERED = 10_000
"""Sales of which the told content is remembered; forgetting one costs a repeat, which changes nothing."""


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """``interval_s`` between two looks at the ERP; ``settle_s`` for which a sale must stand still. Seconds."""

    interval_s: float = 1.0
    settle_s: float = 1.5


@dataclass(slots=True)
class _Pending:
    """A sale that was seen and not yet settled; ``cursor`` is where a restart must begin to see it again."""

    cursor: str
    content: tuple[SaleCondition, str]
    since: float


@dataclass(slots=True)
class _Window:
    """Changes handled lately; the adapter repeats them for as long as its overlap lasts."""

    seen: set[Change] = field(default_factory=set)

    def fresh(self, changes: tuple[Change, ...]) -> list[Change]:
        """Those not seen in the last page; what the adapter no longer repeats is forgotten."""
        new = [change for change in changes if change not in self.seen]
        self.seen = set(changes)
        return new


class SalesFeed:
    """One reader of the ERP's changes. Call ``poll`` again and again, and ``settled`` for each sale dealt with."""

    def __init__(
        self,
        adapter: ErpAdapter,
        options: FeedOptions,
        cursor: str = "",
        *,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._adapter = adapter
        self._options = options
        self._read_to = cursor
        self._window = _Window()
        self._pending: dict[str, _Pending] = {}
        self._told: dict[str, tuple[SaleCondition, str]] = {}
        self._monotonic = monotonic

    @property
    def cursor(self) -> str:
        """Where a restart may begin without missing a sale that is not settled yet."""
        return next(iter(self._pending.values())).cursor if self._pending else self._read_to

    async def poll(self) -> list[SaleReading]:
        """Look once; return sales that stand still and were not told with this content. Raises Unavailable.

        A sale comes again at every poll until ``settled`` is called for it.
        """
        page = await self._adapter.list_changes(self._read_to)
        began_at, self._read_to = self._read_to, page.cursor
        changed = {change.sale for change in self._window.fresh(page.changes)}
        wanted = [*self._pending, *sorted(changed - set(self._pending))]
        if not wanted:
            return []
        readings: list[SaleReading] = []
        try:
            for start in range(0, len(wanted), _READ_AT_ONCE):
                readings += await self._adapter.read_sales(wanted[start : start + _READ_AT_ONCE])
        except BaseException:
            self._read_to = began_at
            self._window.seen.clear()
            raise
        return [reading for reading in readings if self._is_due(reading, began_at)]

    def settled(self, reading: SaleReading) -> None:
        """A sale returned by ``poll`` has been dealt with."""
        self._pending.pop(reading.sale, None)
        self._told.pop(reading.sale, None)
        self._told[reading.sale] = _content(reading)
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]

    def _is_due(self, reading: SaleReading, began_at: str) -> bool:
        content = _content(reading)
        if reading.condition not in _WORTH_TELLING or self._told.get(reading.sale) == content:
            self._pending.pop(reading.sale, None)
            return False
        pending = self._pending.setdefault(reading.sale, _Pending(began_at, content, self._now()))
        if pending.content != content:
            pending.content, pending.since = content, self._now()
        return self._now() - pending.since >= self._options.settle_s

    def _now(self) -> float:
        return self._monotonic() if self._monotonic is not None else asyncio.get_running_loop().time()


def _content(reading: SaleReading) -> tuple[SaleCondition, str]:
    return reading.condition, reading.content_sha256 or reading.problem
