"""Fixtures of the fleet adapters."""

from __future__ import annotations

import pytest

from gladhand.testing import VirtualClock
from tests.adapters.fleet.samples import START


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that stands still until told otherwise."""
    return VirtualClock(START)
