"""The session against a server that answers as told; the real one is tried in tests/adapters/erp."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gladhand import errors
from gladhand.breaker import Breaker
from gladhand.passage import Passage
from services.erp_gateway.adapters import tryton_errors as tryton
from services.erp_gateway.adapters.tryton_faults import as_mesh_error
from services.erp_gateway.adapters.tryton_press import Presses, PressPolicy
from services.erp_gateway.adapters.tryton_rpc import TrytonLogin, TrytonSession

Answer = tuple[int, Any]


class Script:
    """An HTTP server that answers logins itself and every other call from a list of (status, body)."""

    def __init__(self) -> None:
        self.answers: list[Answer | None] = []
        self.calls: list[str] = []
        self.logins = 0
        self.served: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.served.add(task)
        try:
            await self._talk(reader, writer)
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await self._head(reader):
            length = next(int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:"))
            method = json.loads(await reader.readexactly(length))["method"]
            answer = self._answer(method)
            if answer is None:
                break
            status, result = answer
            body = json.dumps({"id": 1, **result} if isinstance(result, dict) else {"id": 1, "result": result}).encode()
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            await writer.drain()

    @staticmethod
    async def _head(reader: asyncio.StreamReader) -> str:
        try:
            return (await reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            return ""

    def _answer(self, method: str) -> Answer | None:
        if method == "common.db.login":
            self.logins += 1
            return 200, [4, f"token-{self.logins}", None]
        if method == "model.res.user.get_preferences":
            return 200, {"result": {"company": 1}}
        self.calls.append(method.rpartition(".")[2])
        return self.answers.pop(0) if self.answers else (200, [])


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def session(script: Script) -> AsyncIterator[TrytonSession]:
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def no_pause(_seconds: float) -> None:
        await asyncio.sleep(0)

    async with TrytonSession(TrytonLogin(url, "erp", "gateway", "pw", timeout_s=5.0), sleep=no_pause) as session:
        yield session
    server.close()
    await asyncio.gather(*script.served)


BUSY: Answer = (503, "busy")
LOST = None


async def test_one_login_serves_many_calls_at_once(session: TrytonSession, script: Script) -> None:
    await asyncio.gather(*(session.search_read("sale.sale", [], ["id"]) for _ in range(8)))
    assert script.logins == 1


async def test_many_calls_that_lose_the_session_at_once_log_in_once(session: TrytonSession, script: Script) -> None:
    await session.search_read("sale.sale", [], ["id"])
    script.answers = [(401, "")] * 3
    await asyncio.gather(*(session.search_read("sale.sale", [], ["id"]) for _ in range(3)))
    assert script.logins == 2


async def test_a_session_refused_again_right_after_the_login_is_given_up(
    session: TrytonSession, script: Script
) -> None:
    script.answers = [(401, "")] * 4
    with pytest.raises(tryton.SessionExpiredError):
        await session.search_read("sale.sale", [], ["id"])
    assert script.logins == 2


@pytest.mark.parametrize("trouble", [BUSY, LOST, (504, ""), (500, "")])
async def test_reads_are_repeated_a_few_times(session: TrytonSession, script: Script, trouble: Answer | None) -> None:
    script.answers = [trouble] * 3
    assert await session.search_read("sale.sale", [], ["id"]) == []
    script.answers = [trouble] * 9
    with pytest.raises((tryton.BusyError, tryton.AmbiguousError)):
        await session.search_read("sale.sale", [], ["id"])
    assert len(script.answers) == 5


@pytest.mark.parametrize(
    ("trouble", "kind"), [(BUSY, tryton.BusyError), (LOST, tryton.AmbiguousError), ((504, ""), tryton.AmbiguousError)]
)
async def test_writes_are_not_repeated(
    session: TrytonSession, script: Script, trouble: Answer | None, kind: type[Exception]
) -> None:
    script.answers = [trouble]
    with pytest.raises(kind):
        await session.write("sale.sale", [1], {"comment": "x"})
    assert script.calls == ["write"]


def press_on(session: TrytonSession, **options: Any) -> Presses:
    async def no_pause(_seconds: float) -> None:
        await asyncio.sleep(0)

    return Presses(session, PressPolicy(**options), sleep=no_pause)


def states(*names: str) -> Answer:
    return 200, [{"id": at, "state": name} for at, name in enumerate(names, start=1)]


Press = Callable[[Presses], Any]


async def test_only_records_that_are_not_there_yet_are_pressed(session: TrytonSession, script: Script) -> None:
    script.answers = [states("done", "packed"), (200, None), states("done", "done")]
    assert await press_on(session).press("stock.shipment.out", "do", [1, 2], {"done"}) == ["done", "done"]
    script.answers = [states("done", "done")]
    script.calls.clear()
    await press_on(session).press("stock.shipment.out", "do", [1, 2], {"done"})
    assert script.calls == ["read"]


async def test_a_lost_answer_is_watched_until_it_came_true(session: TrytonSession, script: Script) -> None:
    script.answers = [states("packed"), LOST, states("packed"), states("packed"), states("done")]
    assert await press_on(session).press("stock.shipment.out", "do", [1], {"done"}) == ["done"]


async def test_a_refusal_of_what_is_done_already_counts_as_done(session: TrytonSession, script: Script) -> None:
    refusal = (200, {"error": ["UserError", ['You can not call "do"', "", None]]})
    script.answers = [states("packed"), refusal, states("done")]
    assert await press_on(session).press("stock.shipment.out", "do", [1], {"done"}) == ["done"]
    script.answers = [states("packed"), refusal, states("packed")]
    with pytest.raises(tryton.UserError):
        await press_on(session).press("stock.shipment.out", "do", [1], {"done"})


async def test_warnings_are_acknowledged_only_from_the_list(session: TrytonSession, script: Script) -> None:
    warning = (200, {"error": ["UserWarning", ["future_move.7", "Sure?", ""]]})
    script.answers = [states("packed"), warning, (200, None), (200, None), states("done")]
    allowed = press_on(session, warnings=("future_move.",))
    assert await allowed.press("stock.shipment.out", "do", [1], {"done"}) == ["done"]
    assert script.calls == ["read", "do", "skip", "do", "read"]
    script.answers = [states("packed"), warning]
    with pytest.raises(tryton.UserWarningRaised):
        await press_on(session).press("stock.shipment.out", "do", [1], {"done"})


async def test_a_warning_that_stays_after_it_was_acknowledged_is_raised(session: TrytonSession, script: Script) -> None:
    warning = (200, {"error": ["UserWarning", ["future_move.7", "Sure?", ""]]})
    script.answers = [states("packed"), warning, (200, None), warning]
    with pytest.raises(tryton.UserWarningRaised):
        await press_on(session, warnings=("future_move.",)).press("stock.shipment.out", "do", [1], {"done"})


async def test_one_order_is_written_by_one_at_a_time(session: TrytonSession) -> None:
    presses, inside, most = press_on(session), 0, 0

    async def write() -> None:
        nonlocal inside, most
        async with presses.only("S-1"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*(write() for _ in range(5)))
    assert most == 1
    assert presses._locks == {}


async def test_a_doubt_keeps_others_out_until_it_is_over(session: TrytonSession) -> None:
    now = 0.0
    presses = Presses(session, PressPolicy(doubt_s=30.0), monotonic=lambda: now)
    with pytest.raises(tryton.AmbiguousError):
        async with presses.only("S-1"):
            raise tryton.AmbiguousError("lost")
    with pytest.raises(tryton.BusyError):
        async with presses.only("S-1"):
            pytest.fail("must not get in")
    async with presses.only("S-2"):
        now = 31.0
    async with presses.only("S-1"):
        assert presses._doubts == {}


class Closed:
    """A server that takes connections and answers nothing; every one is cut at once."""

    def __init__(self) -> None:
        self.taken = 0

    async def serve(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.taken += 1
        writer.close()


async def test_after_calls_without_an_answer_tryton_is_left_alone_for_a_while() -> None:
    closed, now = Closed(), 100.0
    server = await asyncio.start_server(closed.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    passage = Passage("tryton-us", breaker=Breaker(lambda: now))

    async def no_pause(_seconds: float) -> None:
        await asyncio.sleep(0)

    async with TrytonSession(TrytonLogin(url, "erp", "gateway", "pw"), passage=passage, sleep=no_pause) as session:
        for _ in range(2):
            with pytest.raises(tryton.TrytonError):
                await session.search_read("sale.sale", [], ["id"])
        reached = closed.taken
        with pytest.raises(tryton.HeldBackError, match="tryton-us did not answer the last calls") as caught:
            await session.search_read("sale.sale", [], ["id"])
        assert (closed.taken, reached) == (5, 5)
        error = as_mesh_error(caught.value, "tryton-us")
        assert isinstance(error, errors.Unavailable)
        assert (error.reason, error.retry_after_s) == ("ERP_UNAVAILABLE", 2.0)
    server.close()


async def test_what_tryton_refuses_keeps_the_way_open(session: TrytonSession, script: Script) -> None:
    script.answers = [(403, "")] * 10
    for _ in range(10):
        with pytest.raises(tryton.ForbiddenError):
            await session.search_read("sale.sale", [], ["id"])
    assert len(script.calls) == 10


async def test_more_calls_than_may_wait_are_held_back(script: Script) -> None:
    server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with TrytonSession(TrytonLogin(url, "erp", "gateway", "pw"), passage=Passage("tryton-us", most=2)) as session:
        await session.search_read("sale.sale", [], ["id"])
        calls = (session.search_read("sale.sale", [], ["id"]) for _ in range(5))
        ends = await asyncio.gather(*calls, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["HeldBackError"] * 3 + ["list"] * 2
    server.close()
    await asyncio.gather(*script.served)
