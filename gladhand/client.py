"""Channels to other services: correlation, deadlines and safe repetition by contract, and errors as what they mean."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, TypeVar, cast

import grpc
from google.protobuf.descriptor import FileDescriptor

from gladhand import telemetry
from gladhand.budget import Budget
from gladhand.calls import CORRELATION_KEY, correlation_id, remaining
from gladhand.endings import Ending, answered, ending
from gladhand.errors import ContractError, DeadlineExceeded, SettingsError
from gladhand.hedging import HedgedCall, patience_s
from gladhand.passage import Entry, Passage, opened
from gladhand.policy import DEFAULT_TIMEOUT_S, MethodContract, read_contracts
from gladhand.security.credentials import TlsCredentials
from gladhand.security.renewing import Newest, renewing_channel
from gladhand.service_config import BUDGET_RATIO, BUDGET_TOKENS, MOST_IN_FLIGHT, service_config_json
from gladhand.statuses import from_rpc_error
from gladhand.targets import Target, read_target
from logistics.contract.v1 import service_pb2

__all__ = ["call", "channel", "stream"]

T = TypeVar("T")
Metadata = Sequence[tuple[str, str | bytes]]

_CONNECTIONS = (
    ("grpc.keepalive_time_ms", 5_000),
    # gRPC's core never looks at grpc.keepalive_timeout_ms (grpc/grpc#39239): this is what ends a connection whose other
    # side hangs, and by it every call on it, as UNAVAILABLE. Both together stay below the usual deadline of a call.
    ("grpc.http2.ping_timeout_ms", 4_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A replica that comes back after an hour is found within seconds; gRPC's own two minutes are for the internet.
    ("grpc.max_reconnect_backoff_ms", 10_000),
)


@asynccontextmanager
async def channel(
    target: str,
    *files: FileDescriptor,
    credentials: TlsCredentials | None = None,
    max_message_bytes: int = 4 * 1024 * 1024,
    most_in_flight: int = MOST_IN_FLIGHT,
) -> AsyncIterator[grpc.aio.Channel]:
    """Open a channel to `target`, in any form that `gladhand.targets` reads: an address, a list, `dns:///`, `xds:///`.

    `files` are the descriptors whose services will be called (`orchestrator_service_pb2.DESCRIPTOR`): their policies
    decide deadlines and repetition. Every call carries the correlation id in force and ends by the deadline in force,
    or sooner by its own `timeout` or the policy's; one that begins after the deadline raises DeadlineExceeded at once.
    A call to a system that does not answer raises Unavailable (CIRCUIT_OPEN) at once, one beyond `most_in_flight`
    ResourceFull; see `gladhand.passage`. A call that may be repeated is sent again where no answer comes, if there is
    more than one replica; see `gladhand.hedging`.

    With `credentials` the channel is mutual TLS, follows their renewal, and calls nobody but the identity that the
    contract declares for the services, unless `target` names another; without, it is clear text.

    Raises ContractError where a method has no policy or the services have more than one identity, SettingsError where
    `target` is none.
    """
    contracts = read_contracts(service for file in files for service in file.services_by_name.values())
    try:
        where = read_target(target)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    options: tuple[tuple[str, str | int], ...] = (
        ("grpc.service_config", service_config_json(contracts.values())),
        ("grpc.enable_retries", 1),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.max_receive_message_length", max_message_bytes),
        *_CONNECTIONS,
    )
    identity = serving_identity(files)
    async with _plain(where, credentials, identity, options) as newest:
        with opened(target, most_in_flight) as passage:
            yield cast(grpc.aio.Channel, _Channel(newest, contracts, passage, hedges=where.replicated))


def _plain(
    where: Target, credentials: TlsCredentials | None, identity: str, options: tuple[tuple[str, str | int], ...]
) -> AbstractAsyncContextManager[Newest]:
    interceptors = telemetry.client_interceptors()
    if credentials is None:
        return _held(grpc.aio.insecure_channel(where.uri, options=options, interceptors=interceptors))
    named = where.tls_name or (credentials.server_name(identity) if identity else "")
    if named:
        options = (*options, ("grpc.ssl_target_name_override", named))
    elif where.tls_unnamed:
        raise SettingsError(
            f"{where.uri}: with TLS it has to be known for which name the replicas' certificates are; write "
            "static://NAME/ and then the addresses"
        )

    def opening(own: grpc.ChannelCredentials) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(where.uri, own, options=options, interceptors=interceptors)

    return renewing_channel(credentials, opening)


@asynccontextmanager
async def _held(plain: grpc.aio.Channel) -> AsyncIterator[Newest]:
    async with plain:
        yield lambda: plain


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
    """A channel whose calls take correlation and deadline from the work in hand, and a place on the passage.

    It wraps the calls rather than adding client interceptors: each of those would cost a task per call.
    """

    def __init__(self, newest: Newest, contracts: dict[str, MethodContract], passage: Passage, *, hedges: bool) -> None:
        self._newest = newest
        self._contracts = contracts
        self._passage = passage
        self._budget = Budget(BUDGET_TOKENS, BUDGET_RATIO) if hedges else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._newest(), name)

    def unary_unary(self, method: str, *args: Any, **options: Any) -> Callable[..., Any]:
        return self._bind(method, lambda inner: inner.unary_unary(method, *args, **options), self._budget)

    def unary_stream(self, method: str, *args: Any, **options: Any) -> Callable[..., Any]:
        return self._bind(method, lambda inner: inner.unary_stream(method, *args, **options))

    def stream_unary(self, method: str, *args: Any, **options: Any) -> Callable[..., Any]:
        return self._bind(method, lambda inner: inner.stream_unary(method, *args, **options))

    def stream_stream(self, method: str, *args: Any, **options: Any) -> Callable[..., Any]:
        return self._bind(method, lambda inner: inner.stream_stream(method, *args, **options))

    def _bind(
        self, method: str, take: Callable[[grpc.aio.Channel], Any], budget: Budget | None = None
    ) -> Callable[..., Any]:
        bound = self._newest()
        plain = take(bound)
        contract = self._contracts.get(method)
        usual_s = DEFAULT_TIMEOUT_S if contract is None else contract.timeout_s
        passage = self._passage
        if contract is None or not contract.may_repeat:
            budget = None

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
            entry = passage.enter(endless=usual_s is None)
            ended = partial(_leave, passage, entry, limit, usual_s)
            try:
                if budget is not None:
                    send = partial(_send, plain, request, metadata, options)
                    return HedgedCall(send, limit, patience_s(limit, usual_s), passage, budget, ended)
                sent = plain(request, timeout=limit, metadata=metadata, **options)
            except BaseException:
                passage.leave(entry, "CANCELLED", answered=None)
                raise
            sent.add_done_callback(lambda call: ended(ending(call)))
            return sent

        return begin


def _send(
    plain: Callable[..., Any], request: Any, metadata: Metadata | None, options: dict[str, Any], timeout_s: float | None
) -> Any:
    return plain(request, timeout=timeout_s, metadata=metadata, **options)


def _leave(passage: Passage, entry: Entry, given_s: float | None, usual_s: float | None, end: Ending) -> None:
    passage.leave(entry, end.code, answered=answered(end, given_s, usual_s))
