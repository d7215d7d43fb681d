"""The fleet desk over both of its books, and what only the book in a file must keep."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gladhand.errors import StartRefused, Unavailable
from gladhand.testing import VirtualClock
from logistics.dispatch.v1 import AssignLoadRequest, PlanLoadsRequest
from logistics.load.v1 import Assignment
from services.fleet_gateway.adapters.book import LogLine, Taken
from services.fleet_gateway.adapters.fleet_desk import FleetDesk
from services.fleet_gateway.adapters.memory import MemoryBook
from services.fleet_gateway.adapters.sqlite_book import SqliteBook
from tests.adapters.fleet.contract import FleetAdapterContract
from tests.adapters.fleet.samples import DRIVERS, START, VEHICLES, an_id, stamp
from tests.adapters.fleet.steps import assign, on_the_road, present, propose


class TestMemory(FleetAdapterContract):
    @pytest.fixture
    async def fleet(self, clock: VirtualClock) -> FleetDesk:
        desk = FleetDesk(MemoryBook(), clock)
        await desk.register(VEHICLES, DRIVERS)
        return desk

    @pytest.fixture
    def registering(self, fleet: FleetDesk) -> FleetDesk:
        return fleet


class TestSqlite(FleetAdapterContract):
    @pytest.fixture
    async def fleet(self, clock: VirtualClock, tmp_path: Path) -> AsyncIterator[FleetDesk]:
        async with SqliteBook.opened(tmp_path / "desk" / "desk.sqlite3", clock.now()) as book:
            desk = FleetDesk(book, clock)
            await desk.register(VEHICLES, DRIVERS)
            yield desk

    @pytest.fixture
    def registering(self, fleet: FleetDesk) -> FleetDesk:
        return fleet


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "desk.sqlite3"


async def test_a_restart_keeps_everything(file: Path, clock: VirtualClock) -> None:
    async with SqliteBook.opened(file, clock.now()) as book:
        desk = FleetDesk(book, clock)
        await desk.register(VEHICLES, DRIVERS)
        planned = await propose(desk, ("a", "truck-1"), ("b", "truck-2"))
        await assign(desk, "a")
        before = await present(desk, "a")
    clock.advance(timedelta(minutes=5))
    async with SqliteBook.opened(file, clock.now()) as book:
        desk = FleetDesk(book, clock)
        await desk.register(VEHICLES, DRIVERS)
        assert await present(desk, "a") == before
        assert await propose(desk, ("a", "truck-1"), ("b", "truck-2")) == planned
        assert await assign(desk, "a") == 1
        assert await desk.plannable("us", []) == []
        async with book.read() as page:
            assert [line.action for line in await page.log_of(an_id("a"))] == ["planned", "assigned"]


async def test_what_was_not_finished_is_not_there(file: Path, clock: VirtualClock) -> None:
    async with SqliteBook.opened(file, clock.now()) as book:
        desk = FleetDesk(book, clock)
        await desk.register(VEHICLES, DRIVERS)
        with pytest.raises(ZeroDivisionError):
            await _log_and_fail(book)
        async with book.read() as page:
            assert await page.log_of("x") == []


async def _log_and_fail(book: SqliteBook) -> None:
    async with book.write() as page:
        await page.log(LogLine("x", "planned", START, an_id("r"), ""))
        raise ZeroDivisionError


def _assignment(epoch: int, vehicle_id: str, driver_id: str) -> Assignment:
    return Assignment(epoch=epoch, vehicle_id=vehicle_id, driver_ids=[driver_id], start_time=stamp(START))


@pytest.mark.parametrize(
    "second",
    [
        (an_id("a"), _assignment(2, "truck-2", "driver-2")),
        (an_id("b"), _assignment(1, "truck-1", "driver-2")),
        (an_id("b"), _assignment(1, "truck-2", "driver-1")),
    ],
    ids=["load", "vehicle", "driver"],
)
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_the_book_itself_refuses_two_live_assignments(
    file: Path, clock: VirtualClock, kind: str, second: tuple[str, Assignment]
) -> None:
    async def run(book: MemoryBook | SqliteBook) -> None:
        desk = FleetDesk(book, clock)
        await desk.register(VEHICLES, DRIVERS)
        await propose(desk, ("a", "truck-1"), ("b", "truck-2"))
        await assign(desk, "a")
        with pytest.raises(Taken):
            await _begin(book, second)

    if kind == "memory":
        await run(MemoryBook())
    else:
        async with SqliteBook.opened(file, clock.now()) as book:
            await run(book)


async def _begin(book: MemoryBook | SqliteBook, second: tuple[str, Assignment]) -> None:
    async with book.write() as page:
        await page.begin_assignment(*second)


async def test_two_programs_on_one_desk_never_assign_one_vehicle_twice(file: Path, clock: VirtualClock) -> None:
    async with SqliteBook.opened(file, clock.now()) as one, SqliteBook.opened(file, clock.now()) as two:
        first, second = FleetDesk(one, clock), FleetDesk(two, clock)
        await first.register(VEHICLES, DRIVERS)
        await on_the_road(first, "a", "truck-1")
        assert [v.vehicle_id for v in await second.plannable("us", [])] == ["truck-2"]
        asked = AssignLoadRequest(request_id=an_id("assign a"), load_id=an_id("a"))
        assert (await second.assign(asked)).assignment.epoch == 1


async def test_a_locked_desk_is_unavailable(file: Path, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.fleet_gateway.adapters.sqlite_book._BUSY_TIMEOUT_MS", 20)
    async with SqliteBook.opened(file, clock.now()) as book:
        desk = FleetDesk(book, clock)
        other = sqlite3.connect(file, isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Unavailable) as refusal:
                await desk.propose(PlanLoadsRequest(request_id=an_id("p"), region="us"), [], [])
        finally:
            other.close()
        assert refusal.value.reason == "FLEET_UNAVAILABLE"
        await desk.propose(PlanLoadsRequest(request_id=an_id("p"), region="us"), [], [])


async def test_answers_are_forgotten_after_a_month(file: Path, clock: VirtualClock) -> None:
    async with SqliteBook.opened(file, clock.now()) as book:
        await FleetDesk(book, clock).propose(PlanLoadsRequest(request_id=an_id("p"), region="us"), [], [])
    clock.advance(timedelta(days=32))
    async with SqliteBook.opened(file, clock.now()) as book, book.read() as page:
        assert await page.answer(an_id("p")) is None


@pytest.mark.parametrize("content", [b"this is no database, whatever its name may say" * 40, None])
async def test_a_file_that_is_no_desk_refuses_the_start(file: Path, clock: VirtualClock, content: bytes | None) -> None:
    if content is not None:
        file.write_bytes(content)
    else:
        other = sqlite3.connect(file)
        other.execute("PRAGMA user_version = 99")
        other.close()
    with pytest.raises(StartRefused, match="fleet desk"):
        async with SqliteBook.opened(file, clock.now()):
            pytest.fail("opened")


async def test_drivers_with_unknown_hours_are_refused_where_hours_count(clock: VirtualClock) -> None:
    desk = FleetDesk(MemoryBook(), clock, known_hours=True)
    await desk.register(VEHICLES, DRIVERS)
    await propose(desk, ("a", "truck-1"))
    with pytest.raises(Exception, match="hours of driver driver-1 are unknown"):
        await assign(desk, "a")
