"""A channel that gets a new certificate while calls run: another channel takes its place underneath."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import grpc

from gladhand.security.credentials import RELOAD_S, TlsCredentials, channel_credentials

__all__ = ["Newest", "renewing_channel"]

_log = logging.getLogger(__name__)

_SETTLE_S: Final = 1.0
"""A call that was begun just before the change has reached its channel by then."""

_LONGEST_S: Final = 86_400.0
"""A stream without end is cut off this long after its connection was replaced."""

Open = Callable[[grpc.ChannelCredentials], grpc.aio.Channel]
Newest = Callable[[], grpc.aio.Channel]
"""Gives the channel for the next call. Do not keep it."""


@asynccontextmanager
async def renewing_channel(credentials: TlsCredentials, opening: Open) -> AsyncIterator[Newest]:
    """Hold a channel with the newest certificate of the process; `opening` makes one.

    When the certificate is replaced, new calls go to a new channel, and the old one is closed once its calls have
    ended.
    """
    folder = credentials.folder.again()
    current = opening(channel_credentials(folder.read()))
    old: dict[grpc.aio.Channel, asyncio.Task[None]] = {}

    def forget() -> None:
        for channel in [each for each, retiring in old.items() if retiring.done()]:
            del old[channel]

    async def watch() -> None:
        nonlocal current
        while True:
            await asyncio.sleep(RELOAD_S)
            found = folder.changed()
            if found is None:
                continue
            before, current = current, opening(channel_credentials(found))
            old[before] = asyncio.create_task(_retire(before))
            old[before].add_done_callback(lambda _: forget())
            _log.info("calling with a new certificate", extra={"facts": {"ends": found.ends.isoformat()}})

    watching = asyncio.create_task(watch())
    try:
        yield lambda: current
    finally:
        for task in (watching, *old.values()):
            task.cancel()
        for channel in (*old, current):
            await channel.close()


async def _retire(channel: grpc.aio.Channel) -> None:
    await asyncio.sleep(_SETTLE_S)
    await channel.close(_LONGEST_S)
