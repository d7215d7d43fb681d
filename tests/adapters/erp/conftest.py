from __future__ import annotations

import datetime as dt
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.tryton.credentials import Credentials
from deploy.tryton.database import prepare
from deploy.tryton.layout import Home
from deploy.tryton.server import Server
from tests.adapters.erp.lossy import LossyRelay
from tests.adapters.erp.tryton_harness import TrytonHarness, TrytonUnderTest


def _progress(line: str) -> None:
    sys.stderr.write(f"tryton: {line}\n")


@pytest.fixture(scope="session")
def tryton_home(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with a fresh database, from the template that all runs in this clone share."""
    home = Home(root=tmp_path_factory.mktemp("tryton"), cache=repository / ".gladhand" / "cache" / "tryton")
    prepare(home, dt.datetime.now(dt.UTC).date(), _progress)
    return home


@pytest.fixture(scope="session")
def tryton(tryton_home: Home) -> Iterator[TrytonUnderTest]:
    """One real Tryton for all tests that do not break it."""
    with Server(tryton_home) as server:
        yield TrytonUnderTest(tryton_home, server, Credentials.load(tryton_home.credentials))


@pytest.fixture
def own_home(tmp_path: Path, tryton_home: Home) -> Home:
    """A home of its own, for tests that start and kill their server."""
    home = Home(root=tmp_path / "tryton", cache=tryton_home.cache)
    prepare(home, dt.datetime.now(dt.UTC).date(), _progress)
    return home


@pytest.fixture
async def relay(tryton: TrytonUnderTest) -> AsyncIterator[LossyRelay]:
    async with LossyRelay(tryton.server.port) as relay:
        yield relay


@pytest.fixture
async def tryton_harness(tryton: TrytonUnderTest, relay: LossyRelay) -> AsyncIterator[TrytonHarness]:
    harness = TrytonHarness(tryton, relay)
    yield harness
    await harness.close()
