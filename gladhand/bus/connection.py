"""The connection to NATS: quick to notice a dead or hung server, endless in coming back, never silent about errors."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from nats import errors as nats_errors
from nats.aio.client import Client

from gladhand.bus.credentials import NatsCredentials
from gladhand.bus.permissions import inbox_of
from gladhand.bus.refusals import MeshClient
from gladhand.errors import SettingsError, StartRefused

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
    credentials: Path | None = None
    """A seed file, named after the identity; see `bus.credentials`."""
    ca: Path | None = None
    """Certificates to know the server by; None means that the connection is not encrypted."""
    connect_timeout: int = 2
    ping_interval: int = 2
    """A hung server is noticed after `ping_interval * pings_out`; the client's own default of 120 never notices."""
    pings_out: int = 2
    reconnect_wait: float = 0.25
    first_connect: float = 15.0
    """How long the first connection is tried before the process gives up; later outages are waited out for ever."""


async def connect(settings: ConnectionSettings) -> Client:
    """Return a connected client.

    Raises StartRefused where no server answers in time or the credentials are refused, SettingsError where credentials
    or certificates cannot be read.
    """
    credentials = NatsCredentials.read(settings.credentials) if settings.credentials is not None else None
    secured = _secured(settings, credentials)
    connection = MeshClient(credentials.identity if credentials is not None else settings.name)
    seen: list[Exception] = []
    said: set[str] = set()

    async def on_error(error: Exception) -> None:
        # A refusal tells more than the reset connection that may come with it.
        if not (seen and "authorization" in str(seen[0]).lower()):
            seen[:] = [error]
        # Every attempt to reconnect reports the same thing: said once until something else happens.
        text = str(error) or type(error).__name__
        forbidden = connection.heard(text)
        if text not in said:
            said.add(text)
            _log.log(logging.WARNING if forbidden is None else logging.ERROR, "nats: %s", forbidden or text)

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
                **secured,
            )
    except (nats_errors.Error, OSError, TimeoutError) as failed:
        await disconnect(connection)
        cause = seen[-1] if seen else failed
        where = ", ".join(_shown(server) for server in settings.servers)
        raise StartRefused(f"no NATS server at {where} lets us in: {str(cause) or type(cause).__name__}") from failed
    return connection


def _secured(settings: ConnectionSettings, credentials: NatsCredentials | None) -> dict[str, Any]:
    """What the client needs to prove itself, and to have the server do so."""
    options: dict[str, Any] = {}
    if credentials is not None:
        options["nkeys_seed_str"] = credentials.seed
        options["inbox_prefix"] = inbox_of(credentials.identity)
    if settings.ca is not None:
        logging.getLogger("asyncio").addFilter(_is_news)
        try:
            options["tls"] = ssl.create_default_context(cafile=settings.ca)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"the certificates in {settings.ca} cannot be read: {error.strerror or error}"
            ) from error
    return options


def _is_news(record: logging.LogRecord) -> bool:
    """Leave out what asyncio says at the end of every TLS connection that nats-py has made, and nobody can change."""
    return not record.getMessage().startswith("returning true from eof_received()")


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
