from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from gladhand import errors
from gladhand.client import call, channel
from gladhand.readiness import Ready, read_ready
from gladhand.server import ServiceProcess
from gladhand.settings import Settings
from gladhand.testing.waiting import eventually
from tests.adapters.serving.trial import ROOT, Trial, compiled

pb2, stubs = compiled()
Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start the trial service as a process; keyword arguments become GLADHAND_ variables."""
    processes: list[asyncio.subprocess.Process] = []

    async def begin(**settings: Any) -> asyncio.subprocess.Process:
        values = {"trace": tmp_path / "trace", "ready_file": tmp_path / "run" / "trial.json", "grace_s": 5, **settings}
        environment = {f"GLADHAND_{name.upper()}": str(value) for name, value in values.items()}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.adapters.serving.trial_main",
            cwd=ROOT,
            env={**os.environ, **environment},
            stderr=asyncio.subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ready(tmp_path: Path) -> Ready:
    found = await eventually(lambda: read_ready(tmp_path / "run" / "trial.json"), within=30)
    assert found is not None
    return found


def trace(tmp_path: Path) -> list[str]:
    return (tmp_path / "trace").read_text().splitlines()


async def test_a_process_says_where_it_serves_and_drains_when_asked(start: Start, tmp_path: Path) -> None:
    process = await start()
    found = await ready(tmp_path)
    assert (found.name, found.pid, found.ports["http"]) == ("trial", process.pid, 4711)
    async with grpc.aio.insecure_channel(f"{found.host}:{found.ports['grpc']}") as plain:
        stub = stubs.TrialServiceStub(plain)
        watching = stub.Watch(pb2.ReadRequest(to=1))
        assert (await watching.read()).count == 0
        in_flight = asyncio.ensure_future(stub.Read(pb2.ReadRequest(), timeout=10))
        await eventually(lambda: "call begun" in trace(tmp_path))
        process.send_signal(signal.SIGTERM)
        assert (await in_flight).text == "done"
    _out, log = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0, log.decode()
    assert not (tmp_path / "run" / "trial.json").exists()
    assert trace(tmp_path) == [
        "open first",
        "open second",
        "call begun",
        "call answered",
        "task stopped",
        "close second",
        "close first",
    ]
    assert b"Traceback" not in log


async def test_a_background_task_that_dies_takes_the_process_down_loudly(start: Start, tmp_path: Path) -> None:
    process = await start(dying_task=True)
    _out, log = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    assert b"projector" in log
    assert b"the projector broke" in log
    assert trace(tmp_path)[-2:] == ["close second", "close first"]


async def test_a_contract_without_policy_stops_the_start_naming_the_methods(start: Start, tmp_path: Path) -> None:
    process = await start(careless=True)
    _out, log = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    for method in ("Silent lacks option idempotency_level", "Vague lacks policy.scopes"):
        assert method in log.decode()
    assert "Careful" not in log.decode()
    assert trace(tmp_path)[-2:] == ["close second", "close first"]


async def test_wrong_settings_stop_the_start_naming_the_variable(start: Start) -> None:
    process = await start(port="eighty")
    _out, log = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert log.decode().startswith("trial does not start: GLADHAND_PORT is wrong")


@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ({"insecure": False}, r"GLADHAND_TLS_DIR .*GLADHAND_INSECURE=true"),
        ({"insecure": True, "host": "0.0.0.0"}, r"GLADHAND_HOST=0\.0\.0\.0 .*listen on 127\.0\.0\.1"),
        ({"insecure": False, "tls_dir": "/nowhere"}, r"GLADHAND_TLS_DIR /nowhere is not usable: .*cert\.pem"),
    ],
)
async def test_a_start_without_tls_is_refused_with_the_remedy(
    start: Start, settings: dict[str, Any], remedy: str
) -> None:
    process = await start(**settings)
    _out, log = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert re.search(f"^trial does not start: .*{remedy}", log.decode(), re.MULTILINE)


async def test_a_start_that_hangs_can_be_stopped(start: Start, tmp_path: Path) -> None:
    process = await start(hanging_start=True)
    await eventually(lambda: (tmp_path / "trace").exists() and "open second" in trace(tmp_path), within=30)
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert trace(tmp_path) == ["open first", "open second", "close second", "close first"]


async def test_a_second_signal_ends_the_grace(start: Start, tmp_path: Path) -> None:
    process = await start(grace_s=120)
    found = await ready(tmp_path)
    async with grpc.aio.insecure_channel(f"{found.host}:{found.ports['grpc']}") as plain:
        talk = stubs.TrialServiceStub(plain).Talk()
        await talk.write(pb2.ReadRequest(name="a"))
        assert (await talk.read()).text == "a"
        process.send_signal(signal.SIGTERM)
        await eventually(lambda: not (tmp_path / "run" / "trial.json").exists())
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0


async def test_a_port_that_is_taken_is_refused_with_the_remedy(serve: Any, trial: Trial) -> None:
    running = await serve()

    async def build(process: ServiceProcess[Settings]) -> None:
        process.add_servicer(stubs.add_TrialServiceServicer_to_server, trial, own_idempotency=True)

    with pytest.raises(errors.StartRefused, match="GLADHAND_PORT"):
        async with ServiceProcess("twin", Settings(port=running.port)).serving(build):
            pytest.fail("it must not serve")


async def test_an_endless_stream_is_ended_at_the_drain(trial: Trial) -> None:
    async def quiet(_request: Any) -> Any:
        yield pb2.ReadResponse(count=1)
        await asyncio.Event().wait()

    async def build(process: ServiceProcess[Settings]) -> None:
        process.add_servicer(stubs.add_TrialServiceServicer_to_server, trial, own_idempotency=True)

    trial.on_watch = quiet
    process = ServiceProcess("trial", Settings(grace_s=60))
    stack = process.serving(build)
    running = await stack.__aenter__()
    async with channel(running.target, pb2.DESCRIPTOR) as ours:
        answers = stubs.TrialServiceStub(ours).Watch(pb2.ReadRequest())
        assert (await answers.read()).count == 1
        stopping = asyncio.ensure_future(stack.__aexit__(None, None, None))
        with pytest.raises(errors.Unavailable) as caught:
            await call(answers.read())
        assert caught.value.retry_after_s == 0.5
        await asyncio.wait_for(stopping, 10)
