"""When something is away: nothing is acknowledged that is not stored, and what is stored is finished."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from gladhand.bus.connection import ConnectionSettings, connected
from gladhand.bus.streams import StreamLimits, ensure_streams, standard_streams
from gladhand.nats_server import NatsServer
from gladhand.readiness import Ready, read_ready
from gladhand.testing import eventually
from tests.adapters.edge.conftest import Start, is_ready
from tests.adapters.edge.harness import (
    REGION,
    Fleet,
    Orchestrator,
    Streams,
    now,
    osmand_query,
    served,
    traccar_position,
)


@pytest.fixture
async def own_nats(tmp_path: Path) -> AsyncGenerator[NatsServer]:
    """A server that this test may kill, with the streams on it."""
    with NatsServer(tmp_path / "nats") as server:
        async with connected(ConnectionSettings(servers=(server.url,))) as connection:
            await ensure_streams(connection, standard_streams(StreamLimits(total_bytes=64 << 20)))
        yield server


async def test_while_nats_is_away_senders_are_told_to_keep_what_they_have(start: Start, own_nats: NatsServer) -> None:
    edge = await start(nats_url=own_nats.url, monitoring_url=own_nats.monitoring_url, publish_wait_s=0.5)
    at = now() - timedelta(minutes=5)
    assert (await edge.http.get("/osmand", params=osmand_query(at=at))).status_code == 200
    own_nats.kill()
    answer = await edge.http.get("/osmand", params=osmand_query(at=at + timedelta(seconds=1)))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.json()["reason"] == "UNAVAILABLE"
    await eventually(lambda: _unready(edge.http))
    own_nats.start()
    await eventually(lambda: is_ready(edge.http), within=20)
    again = await edge.http.get("/osmand", params=osmand_query(at=at + timedelta(seconds=1)))
    assert again.status_code == 200
    async with connected(ConnectionSettings(servers=(own_nats.url,))) as connection:
        assert len(await Streams(connection).positions()) == 2


async def _unready(client: httpx.AsyncClient) -> bool:
    return (await client.get("/readyz")).status_code == 503


async def test_while_the_fleet_gateway_is_away_positions_are_kept_and_matched_later(
    start: Start, fleet: Fleet, orchestrator: Orchestrator, streams: Streams
) -> None:
    async with served(fleet, orchestrator) as (target, port):
        pass
    edge = await start(fleet_target=target)
    answer = await edge.http.get("/osmand", params=osmand_query())
    assert answer.status_code == 202, answer.text
    assert answer.json()["results"][0]["outcome"] == "STORED"
    assert await streams.positions() == []
    async with served(fleet, port=port):

        async def matched() -> bool:
            return [position.vehicle_id for position in await streams.positions()] == ["V1"]

        await eventually(matched, within=30)
    assert await streams.quarantined() == []


Begin = Callable[[dict[str, str], Path], Awaitable[tuple[asyncio.subprocess.Process, Ready]]]


@pytest.fixture
async def begin() -> AsyncGenerator[Begin]:
    """Start gateways as processes of their own; none outlives the test."""
    begun: list[asyncio.subprocess.Process] = []

    async def start(environment: dict[str, str], ready_file: Path) -> tuple[asyncio.subprocess.Process, Ready]:
        ready_file.unlink(missing_ok=True)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.edge_gateway.main", env={**os.environ, **environment}
        )
        begun.append(process)

        def ready() -> Ready | None:
            assert process.returncode is None
            return read_ready(ready_file)

        found = await eventually(ready, within=30)
        assert found is not None
        return process, found

    yield start
    for process in begun:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_killed_gateway_finishes_what_it_had_stored(
    tmp_path: Path,
    streams: Streams,
    nats_server: NatsServer,
    nats_url: str,
    neighbours: str,
    fleet: Fleet,
    orchestrator: Orchestrator,
    begin: Begin,
) -> None:
    async with served(fleet, orchestrator) as (away, port):
        pass
    ready_file = tmp_path / "ready.json"
    environment = {
        "GLADHAND_REGION": REGION,
        "GLADHAND_NATS_URL": nats_url,
        "GLADHAND_MONITORING_URL": nats_server.monitoring_url,
        "GLADHAND_READY_FILE": str(ready_file),
        "GLADHAND_FLEET_TARGET": away,
        "GLADHAND_ORCHESTRATOR_TARGET": neighbours,
        "GLADHAND_REDELIVER_AFTER_S": "2",
    }
    at = now() - timedelta(minutes=5)
    process, ready = await begin(environment, ready_file)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ready.ports['http']}", timeout=30) as client:
        # Nobody tells the vehicle, so these are kept and wait; then the process dies.
        for number in range(3):
            message = traccar_position(number + 1, at + timedelta(seconds=number))
            assert (await client.post("/traccar", json=message)).status_code == 202
    process.send_signal(signal.SIGKILL)
    await process.wait()

    async with served(fleet, port=port):
        process, ready = await begin(environment, ready_file)

        async def finished() -> bool:
            return len(await streams.positions()) == 3

        await eventually(finished, within=30)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ready.ports['http']}", timeout=30) as client:
            again = await client.post("/traccar", json=traccar_position(1, at))
        assert again.status_code == 200
        assert again.json()["results"][0]["outcome"] == "DUPLICATE"
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    assert len(await streams.positions()) == 3
