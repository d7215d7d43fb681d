"""The watchdog drives what stood still, whatever becomes of the one before it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from gladhand.errors import Internal
from gladhand.testing import VirtualClock
from services.orchestrator.processes.watchdog import Watchdog


class Standing:
    """Orders and loads that stood still."""

    def __init__(self, *orders: str) -> None:
        self.orders = list(orders)
        self.asked: list[datetime] = []

    async def open_orders(self, unchanged_since: datetime, limit: int, skip: int = 0) -> list[str]:
        self.asked.append(unchanged_since)
        return self.orders[skip : skip + limit]

    async def open_loads(self, unchanged_since: datetime, limit: int, skip: int = 0) -> list[str]:
        return ["load"]

    async def waiting_regions(self) -> list[str]:
        return ["us"]


class Drivers:
    """Every driver in one; refuses those it is told to."""

    def __init__(self, **failures: Exception) -> None:
        self.failures = failures
        self.driven: list[str] = []

    async def drive(self, name: str) -> None:
        self.driven.append(name)
        if name in self.failures:
            raise self.failures[name]

    async def wake(self, region: str) -> None:
        self.driven.append(region)


def watchdog(standing: Standing, drivers: Drivers, clock: VirtualClock) -> Watchdog:
    each = cast(Any, drivers)
    return Watchdog(standing, each, each, each, clock, patience=timedelta(seconds=15))


async def test_one_that_cannot_be_driven_holds_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    drivers = Drivers(refused=Internal("no rest"), broken=KeyError("a fault of ours"))
    with caplog.at_level(logging.WARNING):
        await watchdog(Standing("refused", "broken", "last"), drivers, VirtualClock()).look()
    assert drivers.driven == ["refused", "broken", "last", "load", "us"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


async def test_only_what_stood_still_longer_than_the_patience_is_asked_for() -> None:
    standing, clock = Standing(), VirtualClock()
    await watchdog(standing, Drivers(), clock).look()
    assert standing.asked == [clock.now() - timedelta(seconds=15)]


async def test_every_look_goes_on_where_a_full_one_ended() -> None:
    names = [f"order {number}" for number in range(250)]
    drivers, clock = Drivers(), VirtualClock()
    dog = watchdog(Standing(*names), drivers, clock)
    for _ in range(3):
        await dog.look()
    orders = [name for name in drivers.driven if name.startswith("order")]
    assert orders == [*names, *names[:200]]
