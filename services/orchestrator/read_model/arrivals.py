"""Wakes readers that wait for a version, when the projector of the same process has committed it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Arrivals:
    """Who waits for which aggregate, by its name: token and id."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], set[asyncio.Event]] = {}

    @contextmanager
    def watching(self, name: tuple[str, str]) -> Iterator[asyncio.Event]:
        """Give an event that is set with every commit that changes the aggregate."""
        arrived = asyncio.Event()
        self._waiting.setdefault(name, set()).add(arrived)
        try:
            yield arrived
        finally:
            waiting = self._waiting[name]
            waiting.discard(arrived)
            if not waiting:
                del self._waiting[name]

    def announce(self, names: Iterable[tuple[str, str]]) -> None:
        """Wake whoever waits for one of these."""
        if not self._waiting:
            return
        for name in names:
            for arrived in self._waiting.get(name, ()):
                arrived.set()
