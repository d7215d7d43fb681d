"""What every test may ask for. Fixtures of one room stand in that room's conftest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

# One real nats-server for the whole run: nats_server, nats_connection, mesh_streams and the like.
pytest_plugins = ["gladhand.testing.fixtures"]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the clone."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def without_tls() -> Iterator[None]:
    """Let services of tests listen in clear text, on loopback; tests of TLS say `insecure=False`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GLADHAND_INSECURE", "true")
        yield
