"""The gateway as a process: killed in the middle, it comes back with everything it had answered."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import grpc
import pytest

from gladhand.testing import eventually
from logistics.dispatch.v1 import dispatch_service_pb2 as api
from logistics.dispatch.v1.dispatch_service_pb2_grpc import DispatchServiceStub
from tests.adapters.fleet.samples import an_id, to_plan

REGISTER = """
[[vehicles]]
vehicle_id = "van-1"
kind = "VEHICLE_KIND_VAN"
status = "VEHICLE_STATUS_AVAILABLE"
telematics_devices = [{ provider = "osmand", device_id = "1" }]
home_site = { name = "Hampden", point = { latitude = 39.655193, longitude = -104.919294 } }

[[drivers]]
driver_id = "driver-1"
status = "DRIVER_STATUS_AVAILABLE"
"""


@asynccontextmanager
async def running(folder: Path, repository: Path, nats_url: str) -> AsyncIterator[tuple[Process, str]]:
    """Start the gateway on a free port and give it with its address; kill it at the end."""
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    env = os.environ | {
        "GLADHAND_DATA_DIR": str(folder),
        "GLADHAND_READY_FILE": str(ready),
        "GLADHAND_FLEET_FILE": str(folder / "fleet.toml"),
        "GLADHAND_NATS_URL": nats_url,
        "GLADHAND_LOG_LEVEL": "WARNING",
        "GLADHAND_GRACE_S": "1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.fleet_gateway.main", env=env, cwd=repository
    )
    try:
        await eventually(lambda: ready.exists() or process.returncode is not None, within=60)
        yield process, f"127.0.0.1:{json.loads(ready.read_text())['ports']['grpc']}"
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def children(pid: int) -> list[int]:
    listing = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(each) for each in listing.read_text().split()] if listing.exists() else []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fleet.toml").write_text(REGISTER)
    return tmp_path


async def test_a_kill_loses_nothing_that_was_answered(folder: Path, repository: Path, nats_url: str) -> None:
    asked = api.PlanLoadsRequest(request_id=an_id("plan"), region="us", orders=[to_plan("a")])
    async with running(folder, repository, nats_url) as (process, target), grpc.aio.insecure_channel(target) as channel:
        stub = DispatchServiceStub(channel)
        plan = await stub.PlanLoads(asked)
        load_id = plan.loads[0].load_id
        assigning = api.AssignLoadRequest(request_id=an_id("assign"), load_id=load_id)
        assigned = await stub.AssignLoad(assigning)
        workers = children(process.pid)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), within=30)
    async with running(folder, repository, nats_url) as (process, target), grpc.aio.insecure_channel(target) as channel:
        stub = DispatchServiceStub(channel)
        assert await stub.PlanLoads(asked) == plan
        assert await stub.AssignLoad(assigning) == assigned
        sending = api.DispatchLoadRequest(request_id=an_id("send"), load_id=load_id)
        assert (await stub.DispatchLoad(sending)).dispatch_reference == "FD-000001"
        found = await stub.ResolveDevice(api.ResolveDeviceRequest(device_id="1"))
        assert (found.vehicle_id, found.load_id) == ("van-1", load_id)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_a_bad_register_refuses_the_start(folder: Path, repository: Path, nats_url: str) -> None:
    (folder / "fleet.toml").write_text("[[vehicles]]\n")
    env = os.environ | {
        "GLADHAND_DATA_DIR": str(folder),
        "GLADHAND_FLEET_FILE": str(folder / "fleet.toml"),
        "GLADHAND_NATS_URL": nats_url,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.fleet_gateway.main", env=env, cwd=repository, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    assert b"vehicles[0]" in said
