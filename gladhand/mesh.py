"""How a service joins the mesh: one connection, the bus on it, the clock that all go by, its place in the registry, and
its consumers.

Every `main.py` stands on this, so that no service can forget the durability check or mix two clocks.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from nats.aio.client import Client

from gladhand.bus.connection import ConnectionSettings, connected
from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.port import Bus, Subscription
from gladhand.bus.request import Patience
from gladhand.bus.warp import MeshClock
from gladhand.clock import Clock, SystemClock
from gladhand.log.durability import require_durable
from gladhand.registry.participants import Service
from gladhand.registry.presence import enrolled
from gladhand.settings import ClockKind, Settings

__all__ = ["Joined", "consuming", "joined", "present"]


@dataclass(frozen=True, slots=True)
class Joined:
    """A service's place in the mesh."""

    connection: Client
    bus: JetStreamBus
    clock: Clock
    """The clock that `bus` and its timers go by; hand on no other."""


@asynccontextmanager
async def joined(
    name: str, settings: Settings, *, part: Service | None = None, patience: Patience | None = None
) -> AsyncIterator[Joined]:
    """Join as `name`, to write as well as to read, for the duration of a block; `part` is shown in the registry.

    Raises StartRefused where no server lets us in, NotDurable where it acknowledges what is not on disk and
    `allow_unsynced` does not accept that, ContractBreaks where the contract would break those who are live and
    `allow_breaking` does not accept that.
    """
    async with _connection(name, settings) as connection:
        await require_durable(
            connection,
            settings.monitoring_url,
            replicas=settings.replicas,
            allow_unsynced=settings.allow_unsynced,
            ca=_authority(settings),
        )
        async with _on_time(connection, settings, patience) as place, _shown(place, settings, part):
            yield place


@asynccontextmanager
async def present(name: str, settings: Settings, *, part: Service | None = None) -> AsyncIterator[Joined]:
    """Join as a service that keeps no events in the mesh: for the clock and for its place in the registry.

    Raises StartRefused where no server lets us in, ContractBreaks.
    """
    async with (
        _connection(name, settings) as connection,
        _on_time(connection, settings, None) as place,
        _shown(place, settings, part),
    ):
        yield place


@asynccontextmanager
async def consuming(bus: Bus, subscriptions: Iterable[Subscription]) -> AsyncIterator[None]:
    """Run consumers for the duration of a block; the last to begin stops first.

    Raises StreamMissing, BusUnavailable; those that had begun are stopped again.
    """
    async with AsyncExitStack() as running:
        for subscription in subscriptions:
            consumer = await bus.subscribe(subscription)
            running.push_async_callback(consumer.stop)
        yield


def _connection(name: str, settings: Settings) -> AbstractAsyncContextManager[Client]:
    return connected(
        ConnectionSettings(
            servers=settings.nats_servers, name=name, credentials=settings.nats_credentials, ca=_authority(settings)
        )
    )


def _authority(settings: Settings) -> Path | None:
    """Whose word counts for the certificate of NATS: the authority that also vouches for the services."""
    return None if settings.tls_dir is None else settings.tls_dir / "ca.pem"


@asynccontextmanager
async def _on_time(connection: Client, settings: Settings, patience: Patience | None) -> AsyncIterator[Joined]:
    if settings.clock is ClockKind.SYSTEM:
        clock = SystemClock()
        bus = JetStreamBus(connection, clock, patience=patience, replicas=settings.replicas)
        yield Joined(connection, bus, clock)
        return
    warped = MeshClock()
    bus = JetStreamBus(connection, warped, patience=patience, replicas=settings.replicas)
    async with warped.following(bus):
        yield Joined(connection, bus, warped)


@asynccontextmanager
async def _shown(place: Joined, settings: Settings, part: Service | None) -> AsyncIterator[None]:
    if part is None:
        yield
        return
    async with enrolled(place.bus, part, allow_breaking=settings.allow_breaking):
        yield
