"""Channels to other services: correlation, deadlines and safe repetition by contract, and errors as what they mean."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import grpc
from google.protobuf.descriptor import FileDescriptor

from gladhand import telemetry
from gladhand.calls import CORRELATION_KEY, correlation_id, remaining
from gladhand.errors import ContractError, DeadlineExceeded
from gladhand.policy import DEFAULT_TIMEOUT_S, MethodContract, read_contracts
from gladhand.security.credentials import Credentials
from gladhand.security.renewing import Newest, renewing_channel
from gladhand.service_config import service_config_json
from gladhand.statuses import from_rpc_error
from logistics.contract.v1 import service_pb2

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
    credentials: Credentials | None = None,
    max_message_bytes: int = 4 * 1024 * 1024,
) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel to `target`, any gRPC URI: `host:port`, `ipv4:a,b`, `dns:///name`, `xds:///name`.

    `files` are the descriptors whose services will be called (`orchestrator_service_pb2.DESCRIPTOR`): their policies
    decide deadlines and repetition. Every call carries the correlation id in force and ends by the deadline in force,
    or sooner by its own `timeout` or the policy's; one that begins after the deadline raises DeadlineExceeded at once.
    With `credentials` the channel is mutual TLS, follows their renewal, and calls nobody but the identity that the
    contract declares for the services; without, it is clear text. Raises ContractError where a method has no policy, or
    where the services have more than one identity.
    """
    contracts = read_contracts(service for file in files for service in file.services_by_name.values())
    options: tuple[tuple[str, str | int], ...] = (
        ("grpc.service_config", service_config_json(contracts.values())),
        ("grpc.enable_retries", 1),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        *_KEEPALIVE,
    )
    interceptors = telemetry.client_interceptors()
    if credentials is None:
        async with grpc.aio.insecure_channel(target, options=options, interceptors=interceptors) as plain:
            yield cast(grpc.aio.Channel, _Channel(lambda: plain, contracts))
        return
    identity = serving_identity(files)
    if identity:
        options = (*options, ("grpc.ssl_target_name_override", credentials.server_name(identity)))

    def opening(own: grpc.ChannelCredentials) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(target, own, options=options, interceptors=interceptors)

    async with renewing_channel(credentials, opening) as newest:
        yield cast(grpc.aio.Channel, _Channel(newest, contracts))


def serving_identity(files: Iterable[FileDescriptor]) -> str:
    """The identity that serves the services of these files, as the contract declares it; empty where it does not.

    Services that every process has, as health, declare none. Raises ContractError where there is more than one.
    """
    services = [service.GetOptions() for file in files for service in file.services_by_name.values()]
    found = {options.Extensions[service_pb2.service].identity for options in services} - {""}
    if len(found) > 1:
        raise ContractError(f"one channel leads to one identity, not to {' and '.join(sorted(found))}")
    return "".join(found)


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

    def __init__(self, newest: Newest, contracts: dict[str, MethodContract]) -> None:
        self._newest = newest
        self._contracts = contracts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._newest(), name)

    def unary_unary(self, method: str, *args: Any, **options: Any) -> Callable[..., Any]:
        return self._bind(method, lambda inner: inner.unary_unary(method, *args, **options))

    def unary_stream(self, method: str, *args: Any, **options: Any) -> Callable[..., Any]:
        return self._bind(method, lambda inner: inner.unary_stream(method, *args, **options))

    def stream_unary(self, method: str, *args: Any, **options: Any) -> Callable[..., Any]:
        return self._bind(method, lambda inner: inner.stream_unary(method, *args, **options))

    def stream_stream(self, method: str, *args: Any, **options: Any) -> Callable[..., Any]:
        return self._bind(method, lambda inner: inner.stream_stream(method, *args, **options))

    def _bind(self, method: str, take: Callable[[grpc.aio.Channel], Any]) -> Callable[..., Any]:
        bound = self._newest()
        plain = take(bound)
        contract = self._contracts.get(method)
        usual_s = DEFAULT_TIMEOUT_S if contract is None else contract.timeout_s

        def begin(
            request: Any = None, *, timeout: float | None = None, metadata: Metadata | None = None, **options: Any
        ) -> Any:
            nonlocal bound, plain
            newest = self._newest()
            if newest is not bound:
                bound, plain = newest, take(newest)
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
