"""The standard gRPC health service: the status of the process and of each service it serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

__all__ = ["Health"]

_Status = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):
    """Answers Check and Watch. Watchers are let go at the drain, which grpcio's own servicer does not do."""

    def __init__(self, services: Iterable[str], strangers: int) -> None:
        """Begin with NOT_SERVING for the process (the empty name) and each of `services`.

        `strangers`: how many may watch at once over TLS without a certificate, since nobody asks them who they are.
        """
        self._room = strangers
        self._serving = dict.fromkeys(("", *services), False)
        self._draining = False
        self._watchers = 0
        self._moved = asyncio.Condition()

    def add_to(self, server: grpc.aio.Server) -> None:
        """Serve from `server`."""
        health_pb2_grpc.add_HealthServicer_to_server(self, server)

    async def mark(self, service: str | None = None, *, serving: bool) -> None:
        """Set the status of one service, or of all and the process. Without effect once draining."""
        if self._draining:
            return
        for name in self._serving if service is None else (service,):
            self._serving[name] = serving
        async with self._moved:
            self._moved.notify_all()

    async def drain(self) -> bool:
        """Turn everything NOT_SERVING for good, tell the watchers and let them go; whether there were any."""
        watched = self._watchers > 0
        await self.mark(serving=False)
        self._draining = True
        async with self._moved:
            self._moved.notify_all()
        return watched

    async def Check(self, request: health_pb2.HealthCheckRequest, context: Any) -> health_pb2.HealthCheckResponse:
        """Return the present status; NOT_FOUND for a service that is not served here."""
        if request.service not in self._serving:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.service!r} here")
        return _Status(status=self._status(request.service))

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Yield the status, and again whenever it changes, until the server drains.

        UNIMPLEMENTED where too many strangers watch: gRPC's clients then go on without looking (gRFC A17).
        """
        strange = _is_stranger(context)
        if strange and not self._room:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "too many watch; go on without, or show a certificate")
        self._room -= strange
        self._watchers += 1
        try:
            async for status in self._changes(request.service):
                yield _Status(status=status)
        finally:
            self._watchers -= 1
            self._room += strange

    async def _changes(self, service: str) -> AsyncIterator[Any]:
        told: int | None = None
        while True:
            status = self._status(service)
            if status != told:
                told = status
                yield status
                continue
            if self._draining:
                return
            # Nothing else runs between the look above and this wait, so no change is missed.
            async with self._moved:
                await self._moved.wait()

    def _status(self, service: str) -> Any:
        serving = self._serving.get(service)
        if serving is None:
            return _Status.SERVICE_UNKNOWN
        return _Status.SERVING if serving else _Status.NOT_SERVING


def _is_stranger(context: Any) -> bool:
    """Whether the peer came to a port of TLS and showed no certificate of the mesh."""
    proven = context.auth_context()
    return "peer_spiffe_id" not in proven and proven.get("transport_security_type") == [b"ssl"]
