"""Services as processes: shown while they run, refused where their contract would break who is live."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from nats.aio.client import Client

from gladhand.readiness import read_ready
from gladhand.registry import Consumer, Registry, registered
from gladhand.registry.images import digest_of, own_image
from gladhand.testing import eventually
from logistics.order.v1 import OrderEvent
from tests.adapters.registry.conftest import READ_BY_BILLING

BILLING = Consumer("billing-report", reads={OrderEvent: ["order_id", READ_BY_BILLING]})
INDIFFERENT = Consumer("counter", reads={OrderEvent: ["order_id", "received"]})
Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(nats_url: str, repository: Path, tmp_path: Path) -> AsyncIterator[Start]:
    """Start the orchestrator; `contract` is the folder of another generated contract."""
    processes: list[Process] = []

    async def begin(contract: Path | None = None, **settings: str) -> Process:
        environment = {
            **os.environ,
            "GLADHAND_NATS_URL": nats_url,
            "GLADHAND_ALLOW_UNSYNCED": "true",
            "GLADHAND_DATA_DIR": str(tmp_path),
            "GLADHAND_READY_FILE": str(tmp_path / "ready.json"),
            "GLADHAND_LOG_FORMAT": "console",
            "GLADHAND_GRACE_S": "1",
            **({"PYTHONPATH": str(contract)} if contract is not None else {}),
            **{f"GLADHAND_{name.upper()}": value for name, value in settings.items()},
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.orchestrator.main",
            cwd=repository,
            env=environment,
            stderr=asyncio.subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def serves(process: Process, tmp_path: Path) -> None:
    def ready() -> bool:
        found = read_ready(tmp_path / "ready.json")
        assert process.returncode is None, "it ended"
        return found is not None and found.pid == process.pid

    await eventually(ready, within=60)


async def instances(registry: Registry, name: str) -> list[str]:
    return [each.instance for each in (await registry.live()).registrations if each.name == name]


async def test_a_service_is_shown_while_it_serves_and_gone_once_drained(
    start: Start, registry: Registry, tmp_path: Path
) -> None:
    process = await start()
    await serves(process, tmp_path)
    (own,) = (await registry.live()).registrations
    assert own.name == "orchestrator"
    assert own.image_digest == digest_of(own_image())
    assert "logistics.erp.v1.ErpGatewayService/PostInvoice" in own.calls
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 0
    assert await instances(registry, "orchestrator") == []


async def test_a_killed_service_stays_until_it_ages_and_comes_back_beside_itself(
    start: Start, registry: Registry, tmp_path: Path
) -> None:
    process = await start()
    await serves(process, tmp_path)
    process.kill()
    await process.communicate()
    assert len(await instances(registry, "orchestrator")) == 1
    await serves(await start(), tmp_path)
    assert len(await instances(registry, "orchestrator")) == 2


async def test_a_broken_contract_is_refused_naming_consumer_and_field_unless_allowed(
    start: Start, registry: Registry, nats_connection: Client, broken_workspace: Path, tmp_path: Path
) -> None:
    contract = broken_workspace / "gen" / "python"
    async with registered(nats_connection, BILLING), registered(nats_connection, INDIFFERENT):
        refused = await start(contract)
        _out, said = await asyncio.wait_for(refused.communicate(), 60)
        assert refused.returncode == 2, said.decode()
        for told in ("orchestrator does not start", "billing-report", READ_BY_BILLING, "GLADHAND_ALLOW_BREAKING=true"):
            assert told in said.decode()
        assert "counter" not in said.decode()
        assert await instances(registry, "orchestrator") == []
        await serves(await start(contract, allow_breaking="true"), tmp_path)
        digests = {each.image_digest for each in (await registry.live()).registrations}
        assert len(digests) == 2


async def test_a_broken_contract_serves_where_nobody_needs_what_is_gone(
    start: Start, nats_connection: Client, broken_workspace: Path, tmp_path: Path
) -> None:
    async with registered(nats_connection, INDIFFERENT):
        await serves(await start(broken_workspace / "gen" / "python"), tmp_path)
