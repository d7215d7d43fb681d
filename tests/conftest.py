"""What every test may ask for. Fixtures of one room stand in that room's conftest."""

from __future__ import annotations

from pathlib import Path

import pytest

# One real nats-server for the whole run: nats_server, nats_connection, mesh_streams and the like.
pytest_plugins = ["gladhand.testing.fixtures"]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the clone."""
    return Path(__file__).resolve().parent.parent
