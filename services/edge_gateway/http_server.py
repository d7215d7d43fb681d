"""uvicorn inside a process that has its own signals, its own loop and its own log."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette

from gladhand.errors import StartRefused

__all__ = ["HttpServer"]

_BACKLOG = 1024


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the process."""
        yield


class HttpServer:
    """One listening socket and the server on it. The socket is bound at once, so that its port is known."""

    def __init__(self, app: Starlette, host: str, port: int, *, grace_s: float, tls: ssl.SSLContext | None) -> None:
        """Raises StartRefused where the port is taken. `tls` makes it https."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        # With the protocol named, asyncio turns Nagle's algorithm off; without, each answer waits 40 ms for an ACK.
        self._socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
            # Whoever connects before the server runs is served once it does, instead of being refused.
            self._socket.listen(_BACKLOG)
        except OSError as error:
            self._socket.close()
            raise StartRefused(
                f"cannot listen on {host}:{port}; set GLADHAND_HTTP_PORT to a free port, or to 0 for any"
            ) from error
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, int(grace_s)),
            backlog=_BACKLOG,
            # Trackers and proxies keep connections; closing them early races with their next report.
            timeout_keep_alive=75,
            ssl_context_factory=None if tls is None else lambda *_: tls,
        )
        self._server = _Server(config)

    async def run(self, stopping: asyncio.Event) -> None:
        """Serve until `stopping` is set, then finish what is in flight."""
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        asked = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait((serving, asked), return_when=asyncio.FIRST_COMPLETED)
            self._server.should_exit = True
            await serving
        finally:
            asked.cancel()
            serving.cancel()
            self._socket.close()
