"""Channels to other services: correlation, deadlines and safe repetition by contract, and errors as what they mean."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import grpc
from google.protobuf.descriptor import FileDescriptor

from gladhand import telemetry
from gladhand.calls import CORRELATION_KEY, correlation_id, remaining
from gladhand.errors import DeadlineExceeded
from gladhand.policy import DEFAULT_TIMEOUT_S, MethodContract, read_contracts
from gladhand.service_config import service_config_json
from gladhand.statuses import from_rpc_error

__all__ = ["call", "channel", "stream"]

T = TypeVar("T")
Metadata = Sequence[tuple[str, str | bytes]]

_KEEPALIVE = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
)


@asynccontextmanager
async def channel(
    target: str,
    *files: FileDescriptor,
    credentials: grpc.ChannelCredentials | None = None,
    max_message_bytes: int = 4 * 1024 * 1024,
) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel to `target`, any gRPC URI: `host:port`, `ipv4:a,b`, `dns:///name`, `xds:///name`.

    `files` are the descriptors whose services will be called (`orchestrator_service_pb2.DESCRIPTOR`): their policies
    decide deadlines and repetition. Every call carries the correlation id in force and ends by the deadline in force,
    or sooner by its own `timeout` or the policy's; one that begins after the deadline raises DeadlineExceeded at once.
    Raises ContractError where a method has no policy.
    """
    contracts = read_contracts(service for file in files for service in file.services_by_name.values())
    options = (
        ("grpc.service_config", service_config_json(contracts.values())),
        ("grpc.enable_retries", 1),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        *_KEEPALIVE,
    )
    interceptors = telemetry.client_interceptors()
    if credentials is None:
        plain = grpc.aio.insecure_channel(target, options=options, interceptors=interceptors)
    else:
        plain = grpc.aio.secure_channel(target, credentials, options=options, interceptors=interceptors)
    async with plain:
        yield cast(grpc.aio.Channel, _Channel(plain, contracts))


async def call(answer: Awaitable[T]) -> T:
    """Return the answer of a unary call. Raises the GladhandError that the server meant."""
    try:
        return await answer
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error


async def stream(answers: AsyncIterator[T]) -> AsyncIterator[T]:
    """Yield the answers of a streaming call. Raises the GladhandError that the server meant."""
    try:
        async for answer in answers:
            yield answer
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error


class _Channel:
    """A channel whose calls take correlation and deadline from the work in hand.

    It wraps the calls rather than adding client interceptors: each of those would cost a task per call.
    """

    def __init__(self, inner: grpc.aio.Channel, contracts: dict[str, MethodContract]) -> None:
        self._inner = inner
        self._contracts = contracts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def unary_unary(self, method: str, *args: Any, **options: Any) -> Callable[..., Any]:
        return self._bind(method, cast(Any, self._inner.unary_unary(method, *args, **options)))

    def unary_stream(self, method: str, *args: Any, **options: Any) -> Callable[..., Any]:
        return self._bind(method, cast(Any, self._inner.unary_stream(method, *args, **options)))

    def stream_unary(self, method: str, *args: Any, **options: Any) -> Callable[..., Any]:
        return self._bind(method, cast(Any, self._inner.stream_unary(method, *args, **options)))

    def stream_stream(self, method: str, *args: Any, **options: Any) -> Callable[..., Any]:
        return self._bind(method, cast(Any, self._inner.stream_stream(method, *args, **options)))

    def _bind(self, method: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        contract = self._contracts.get(method)
        usual_s = DEFAULT_TIMEOUT_S if contract is None else contract.timeout_s

        def begin(
            request: Any = None, *, timeout: float | None = None, metadata: Metadata | None = None, **options: Any
        ) -> Any:
            limit = usual_s if timeout is None else timeout
            left = remaining()
            if left is not None and (limit is None or left < limit):
                limit = left
                if left <= 0:
                    raise DeadlineExceeded(f"no time left to call {method}", metadata={"method": method})
            correlation = correlation_id()
            if correlation:
                metadata = (*(metadata or ()), (CORRELATION_KEY, correlation))
            return plain(request, timeout=limit, metadata=metadata, **options)

        return begin
