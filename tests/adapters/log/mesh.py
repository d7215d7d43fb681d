"""A store and a bus on one broker, whichever it is."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from nats.aio.client import Client

from gladhand.bus.port import Bus
from gladhand.bus.request import Patience
from gladhand.bus.streams import StreamLimits, standard_streams
from gladhand.log.port import EventStore
from gladhand.testing import MemoryBroker
from tests.adapters.log.parcel import PARCELS

QUICK = Patience(deadline=5.0, attempt=1.0, pause=0.05)
STREAMS = (*standard_streams(StreamLimits(total_bytes=64 << 20)), PARCELS)

on_jetstream = pytest.mark.parametrize("broker_kind", ["jetstream"], indirect=True)


@dataclass(frozen=True)
class Mesh:
    store: EventStore
    bus: Bus
    connection: Client | None = None
    broker: MemoryBroker | None = None
