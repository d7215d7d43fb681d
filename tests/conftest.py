"""What every test may ask for. Fixtures of one room stand in that room's conftest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# The services of a test ask for no proof, unless it is about proofs: they listen on the loopback address alone.
os.environ.setdefault("GLADHAND_INSECURE", "true")

# One real nats-server for the whole run: nats_server, nats_connection, mesh_streams and the like.
pytest_plugins = ["gladhand.testing.fixtures"]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the clone."""
    return Path(__file__).resolve().parent.parent
