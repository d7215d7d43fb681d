from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gladhand import calls
from gladhand.interceptors.tally import Tally
from gladhand.readiness import Ready, read_ready, remove_ready, write_ready
from gladhand.supervision import Supervisor


def test_a_ready_file_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "run" / "erp.json"
    ready = Ready("erp", os.getpid(), "127.0.0.1", {"grpc": 4000, "http": 4001})
    write_ready(path, ready)
    assert read_ready(path) == ready
    assert [entry.name for entry in path.parent.iterdir()] == ["erp.json"]
    remove_ready(path)
    assert read_ready(path) is None


def test_the_ready_file_of_a_successor_is_left_alone(tmp_path: Path) -> None:
    write_ready(tmp_path / "erp.json", Ready("erp", 1, "127.0.0.1", {"grpc": 4000}))
    remove_ready(tmp_path / "erp.json")
    assert read_ready(tmp_path / "erp.json") is not None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "erp"}', '{"name":"e","pid":"x","host":"h","ports":{}}'])
def test_a_file_that_is_no_ready_file_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "erp.json").write_text(text)
    assert read_ready(tmp_path / "erp.json") is None


async def test_tasks_run_until_they_are_asked_to_stop() -> None:
    supervisor, stopped = Supervisor(), []

    async def work(stopping: asyncio.Event) -> None:
        await stopping.wait()
        stopped.append("work")

    supervisor.add("first", work)
    supervisor.start()
    supervisor.add("second", work)
    await supervisor.stop(5)
    assert stopped == ["work", "work"]
    assert not supervisor.died.done()


async def test_a_name_is_taken_once() -> None:
    supervisor = Supervisor()

    async def work(stopping: asyncio.Event) -> None:
        await stopping.wait()

    supervisor.add("first", work)
    with pytest.raises(ValueError, match="first"):
        supervisor.add("first", work)


@pytest.mark.parametrize("fault", [None, RuntimeError("broke")])
async def test_a_task_that_ends_too_early_is_reported_with_its_cause(fault: Exception | None) -> None:
    supervisor = Supervisor()

    async def work(_stopping: asyncio.Event) -> None:
        if fault is not None:
            raise fault

    supervisor.add("projector", work)
    supervisor.start()
    death = await asyncio.wait_for(supervisor.died, 5)
    assert (death.name, death.__cause__) == ("projector", fault)
    await supervisor.stop(1)


async def test_a_task_that_does_not_listen_is_cancelled() -> None:
    supervisor, ended = Supervisor(), []

    async def deaf(_stopping: asyncio.Event) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    supervisor.add("deaf", deaf)
    supervisor.start()
    await supervisor.stop(0.05)
    assert ended == ["cancelled"]
    assert not supervisor.died.done()


def test_calls_are_counted_by_outcome_and_duration() -> None:
    tally = Tally()
    for _ in range(98):
        tally.of("/a").record("OK", 0.001)
    tally.of("/a").record("OK", 0.5)
    tally.of("/a").record("INTERNAL", 0.6)
    tally.of("/b")
    [facts] = tally.report(10.0)
    assert facts["codes"] == {"OK": 99, "INTERNAL": 1}
    assert (facts["method"], facts["calls"], facts["per_s"]) == ("/a", 100, 10.0)
    assert facts["p50_ms"] == pytest.approx(1.024)
    assert facts["p99_ms"] == pytest.approx(524.288)
    assert list(tally.report(10.0)) == []


async def test_a_deadline_is_never_extended_inside() -> None:
    assert calls.remaining() is None
    with calls.correlated("outer-journey", timeout_s=5):
        with calls.correlated("inner-journey", timeout_s=60):
            left = calls.remaining()
            assert left is not None
            assert left <= 5
            assert calls.correlation_id() == "inner-journey"
        assert calls.correlation_id() == "outer-journey"
    assert calls.remaining() is None
    assert calls.correlation_id() == ""


def test_there_is_no_call_outside_of_one() -> None:
    with pytest.raises(LookupError):
        calls.current_call()
