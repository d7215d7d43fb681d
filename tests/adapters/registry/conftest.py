"""A registry on a real nats-server, and contracts that break those who live by this one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nats.aio.client import Client

from gladhand.bus.jetstream import JetStreamBus
from gladhand.clock import SystemClock
from gladhand.registry import Registry

READ_BY_BILLING = "received.order.lines.description"


@pytest.fixture
def bus(nats_connection: Client) -> JetStreamBus:
    return JetStreamBus(nats_connection, SystemClock())


@pytest.fixture
async def registry(bus: JetStreamBus) -> Registry:
    return await Registry.opened(bus)


@pytest.fixture(scope="session")
def broken_workspace(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the contract whose order lines have no description, with the Python generated from it."""
    root = tmp_path_factory.mktemp("broken")
    for name in ("proto", "third_party", "gen"):
        shutil.copytree(repository / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("buf.yaml", "buf.gen.yaml"):
        shutil.copyfile(repository / name, root / name)
    order = root / "proto" / "logistics" / "order" / "v1" / "order.proto"
    lines = order.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.strip().startswith("string description =")]
    assert len(kept) == len(lines) - 1
    order.write_text("".join(kept))
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, "-m", "tools.generate"], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return root
