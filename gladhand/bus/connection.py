"""The connection to NATS: quick to notice a dead or hung server, endless in coming back, never silent about errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast

from nats import errors as nats_errors
from nats.aio.client import Client

from gladhand.errors import StartRefused

_log = logging.getLogger(__name__)
_PENDING_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """How to reach NATS. Seconds everywhere."""

    servers: tuple[str, ...] = ("nats://127.0.0.1:4222",)
    name: str = "gladhand"
    """Shown by the server's monitoring; the service's name."""
    user: str | None = None
    password: str | None = None
    credentials_file: str | None = None
    """Path of a JWT credentials file; a renewed file is read at the next reconnect."""
    connect_timeout: int = 2
    ping_interval: int = 2
    """A hung server is noticed after `ping_interval * pings_out`; the client's own default of 120 never notices."""
    pings_out: int = 2
    reconnect_wait: float = 0.25
    first_connect: float = 15.0
    """How long the first connection is tried before the process gives up; later outages are waited out for ever."""


async def connect(settings: ConnectionSettings) -> Client:
    """Return a connected client. Raises StartRefused where no server answers in time or the credentials are refused."""
    connection = Client()
    seen: list[Exception] = []
    said: set[str] = set()

    async def on_error(error: Exception) -> None:
        # A refusal tells more than the reset connection that may come with it.
        if not (seen and "authorization" in str(seen[0]).lower()):
            seen[:] = [error]
        # Every attempt to reconnect reports the same thing: said once until something else happens.
        text = str(error) or type(error).__name__
        if text not in said:
            said.add(text)
            _log.warning("nats: %s", text)

    async def on_disconnect() -> None:
        if not connection.is_closed:
            _log.warning("nats: disconnected; trying again")

    async def on_return() -> None:
        said.clear()
        _log.info("nats: connected again")

    try:
        async with asyncio.timeout(settings.first_connect):
            await connection.connect(
                servers=list(settings.servers),
                name=settings.name,
                error_cb=on_error,
                disconnected_cb=on_disconnect,
                reconnected_cb=on_return,
                connect_timeout=settings.connect_timeout,
                ping_interval=settings.ping_interval,
                max_outstanding_pings=settings.pings_out,
                reconnect_time_wait=cast("int", settings.reconnect_wait),  # it only sleeps for so long
                max_reconnect_attempts=-1,
                pending_size=_PENDING_BYTES,
                user=settings.user,
                password=settings.password,
                user_credentials=settings.credentials_file,
            )
    except (nats_errors.Error, OSError, TimeoutError) as failed:
        await disconnect(connection)
        cause = seen[-1] if seen else failed
        where = ", ".join(_shown(server) for server in settings.servers)
        raise StartRefused(f"no NATS server at {where} lets us in: {str(cause) or type(cause).__name__}") from failed
    return connection


def _shown(url: str) -> str:
    """A URL without the password that may stand in it."""
    scheme, found, rest = url.rpartition("://")
    return f"{scheme}{found}{rest.rpartition('@')[2]}"


async def disconnect(connection: Client) -> None:
    """Close a connection. What was published is flushed first where the server still answers."""
    if connection.is_closed:
        return
    with suppress(nats_errors.Error, asyncio.TimeoutError, OSError):
        if connection.is_connected:
            await connection.flush(timeout=2)
    # Closing while the server is dead can cancel from within; the socket is gone either way.
    with suppress(asyncio.CancelledError, nats_errors.Error, OSError):
        await connection.close()


@asynccontextmanager
async def connected(settings: ConnectionSettings) -> AsyncIterator[Client]:
    """Hold a connection open for the duration of a block."""
    connection = await connect(settings)
    try:
        yield connection
    finally:
        await disconnect(connection)
