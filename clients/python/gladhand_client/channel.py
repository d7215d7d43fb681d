"""Channels to a mesh."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc

from gladhand_client.correlation import CORRELATION_KEY, correlation_id
from gladhand_client.service_config import service_config, timeouts


@asynccontextmanager
async def connect(
    target: str,
    *,
    ca: Path | None = None,
    token: str = "",
    package: str = "",
    max_message_bytes: int = 4 * 1024 * 1024,
) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel to `target`, any gRPC URI: `host:port`, `dns:///name:port`, `ipv4:a:1,b:2`.

    `ca` is the certificate authority that vouches for the server; without one the channel is plain text, for a mesh
    on the loopback address that says so. `token` comes from `gladhand token create`. `package` (for example
    `logistics.orchestrator.v1`) lets the channel leave out replicas that its service's health check calls unready.

    A call that the contract allows to repeat is repeated on UNAVAILABLE, and every call ends by the contract's
    timeout, or by its own `timeout` where that is sooner. Each carries the correlation id in force, or a new one.
    """
    config = service_config(package)
    options = (
        ("grpc.service_config", config),
        ("grpc.enable_retries", 1),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
    )
    limits = timeouts(config)
    identify = [kind(token, limits) for kind in (_UnaryUnary, _UnaryStream, _StreamUnary, _StreamStream)]
    if ca is None:
        channel = grpc.aio.insecure_channel(target, options=options, interceptors=identify)
    else:
        trusted = grpc.ssl_channel_credentials(await asyncio.to_thread(ca.read_bytes))
        channel = grpc.aio.secure_channel(target, trusted, options=options, interceptors=identify)
    async with channel:
        yield channel


class _Identify:
    """Adds token, deadline and correlation id to a call, unless the caller gave an id of his own."""

    def __init__(self, token: str, limits: Mapping[str, float]) -> None:
        self._token = token
        self._limits = limits

    def _identified(self, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        given = tuple(details.metadata or ())
        metadata = grpc.aio.Metadata(*given)
        if self._token:
            metadata.add("authorization", f"Bearer {self._token}")
        if all(key != CORRELATION_KEY for key, _ in given):
            metadata.add(CORRELATION_KEY, correlation_id())
        name = cast("str | bytes", details.method)  # text by its types, bytes by what arrives
        method = name.decode() if isinstance(name, bytes) else name
        allowed = [limit for limit in (details.timeout, self._limits.get(method)) if limit is not None]
        return grpc.aio.ClientCallDetails(
            details.method, min(allowed, default=None), metadata, details.credentials, details.wait_for_ready
        )

    async def _go_on(self, proceed: Callable[..., Any], details: grpc.aio.ClientCallDetails, request: Any) -> Any:
        return await proceed(self._identified(details), request)


class _UnaryUnary(_Identify, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await self._go_on(continuation, client_call_details, request)


class _UnaryStream(_Identify, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await self._go_on(continuation, client_call_details, request)


class _StreamUnary(_Identify, grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await self._go_on(continuation, client_call_details, request_iterator)


class _StreamStream(_Identify, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await self._go_on(continuation, client_call_details, request_iterator)
