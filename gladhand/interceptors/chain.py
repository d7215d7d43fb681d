"""One wrapper per method, composed at start: correlation, deadline, admission, validation, idempotency, errors."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError, Message

from gladhand import validation
from gladhand.calls import Call, current_call, enter, offered_correlation
from gladhand.errors import InvalidArgument
from gladhand.idempotency import Once
from gladhand.ids import new_id
from gladhand.interceptors.admission import Admission
from gladhand.interceptors.outcome import Context, Outcome
from gladhand.interceptors.shares import Shares
from gladhand.interceptors.streams import OpenStreams, late
from gladhand.interceptors.tally import Tally
from gladhand.interceptors.unread import Reading
from gladhand.policy import MethodContract

__all__ = ["Chain"]

Unary = Callable[[Any, Context], Awaitable[Any]]
Streaming = Callable[[Any, Context], AsyncIterator[Any]]

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch


@dataclass(frozen=True, slots=True)
class Malformed:
    """Bytes that are no message of the method's request type."""

    why: str


@dataclass(slots=True)
class Chain:
    """The steps around every servicer method of one server."""

    slow_s: float
    """Seconds from which an answered call is logged as slow."""

    shares: Shares
    """What one client may have in hand at once."""

    admissions: Sequence[Admission] = ()
    unread_s: float = 60.0
    """Seconds that an answer of a stream may wait to be read."""

    tally: Tally = field(default_factory=Tally)
    streams: OpenStreams = field(default_factory=OpenStreams)

    def wrap(self, contract: MethodContract, handler: Any, once: Once | None) -> Any:
        """Return a gRPC method handler with the steps around `handler`; with `once` its first answers are kept."""
        outcome = Outcome(contract.path, self.tally.of(contract.path), self.slow_s)
        parse = _tolerant(handler.request_deserializer)
        if contract.server_streaming:
            inner = handler.stream_stream if contract.client_streaming else handler.unary_stream
            make = (
                grpc.stream_stream_rpc_method_handler
                if contract.client_streaming
                else grpc.unary_stream_rpc_method_handler
            )
            return make(cast(Any, self._streaming(contract, inner, outcome)), parse, handler.response_serializer)
        inner = handler.stream_unary if contract.client_streaming else handler.unary_unary
        make = (
            grpc.stream_unary_rpc_method_handler if contract.client_streaming else grpc.unary_unary_rpc_method_handler
        )
        kept = _kept(contract, inner, once) if once is not None else inner
        return make(cast(Any, self._unary(contract, kept, outcome)), parse, _serialize)

    def _unary(self, contract: MethodContract, inner: Unary, outcome: Outcome) -> Unary:
        now = asyncio.get_running_loop().time
        admissions, read, shares = self.admissions, _reader(contract), self.shares

        async def serve(request: Any, context: Context) -> Any:
            started = now()
            call, own_limit = _begin(contract, context, started)
            try:
                for step in admissions:
                    if (waiting := step(call, context)) is not None:
                        await waiting
                if admissions:
                    shares.take(call)
                request = read(call, request)
                if own_limit:
                    answer = await _within(call, inner(request, context))
                else:
                    answer = await inner(request, context)
            except BaseException as fault:  # noqa: BLE001 - every end of a call is told, counted and logged
                await outcome.failed(call, context, fault, now() - started)
            finally:
                shares.give_back(call)
            outcome.answered(call, context, now() - started)
            return answer

        return serve

    def _streaming(self, contract: MethodContract, inner: Streaming, outcome: Outcome) -> Streaming:
        now = asyncio.get_running_loop().time
        admissions, read, paced = self.admissions, _reader(contract), self.streams.paced

        async def serve(request: Any, context: Context) -> AsyncIterator[Any]:
            started = now()
            call, _own_limit = _begin(contract, context, started)
            reading = Reading(call, context, self.unread_s)
            try:
                for step in admissions:
                    if (waiting := step(call, context)) is not None:
                        await waiting
                if admissions:
                    self.shares.take(call)
                async for answer in paced(call, inner(read(call, request), context)):
                    reading.offered()
                    yield answer
                    reading.taken()
            except GeneratorExit:
                outcome.broken_off(now() - started)
                raise
            except BaseException as fault:  # noqa: BLE001 - every end of a call is told, counted and logged
                await outcome.failed(call, context, fault, now() - started)
            finally:
                reading.over()
                self.shares.give_back(call)
            outcome.answered(call, context, now() - started)

        return serve


def _begin(contract: MethodContract, context: Context, now: float) -> tuple[Call, bool]:
    """Return the call, made current, and whether its deadline is ours to enforce: gRPC enforces the caller's."""
    metadata = tuple(context.invocation_metadata() or ())
    left = cast(float | None, context.time_remaining())
    if left is not None:
        limit: float | None = now + left
    else:
        limit = None if contract.timeout_s is None else now + contract.timeout_s
    call = Call(contract, offered_correlation(metadata) or new_id(), metadata, limit)
    enter(call)
    return call, left is None and limit is not None


async def _within(call: Call, work: Awaitable[Any]) -> Any:
    scope = asyncio.timeout_at(call.deadline)
    try:
        async with scope:
            return await work
    except TimeoutError as error:
        if not scope.expired():
            raise
        raise late(call) from error


def _reader(contract: MethodContract) -> Callable[[Call, Any], Any]:
    """Return the step that refuses what is no message, breaks a rule or lacks its request id."""
    needs_id = contract.requires_request_id

    def one(call: Call, request: Any) -> Message:
        if isinstance(request, Malformed):
            kind = contract.request_type.DESCRIPTOR.full_name
            raise InvalidArgument(
                f"the request is no {kind}: {request.why}", reason="MALFORMED_MESSAGE", metadata={"type": kind}
            )
        message = cast(Message, request)
        validation.check(message)
        if needs_id:
            call.request_id = _request_id(message)
        return message

    async def many(call: Call, requests: AsyncIterator[Any]) -> AsyncIterator[Message]:
        async for request in requests:
            yield one(call, request)

    return many if contract.client_streaming else one


def _request_id(message: Any) -> str:
    """Return the request id in lower case, and have the request say it so: the same id in capitals is the same."""
    given: str = message.request_id
    if not _UUID(given):
        raise InvalidArgument(
            "request_id is missing" if not given else "request_id is no UUID",
            field="request_id",
            remedy="give a new UUID for each new request, and the same one when repeating it",
            rule="request_id.required",
        )
    canonical = given.lower()
    if canonical != given:
        message.request_id = canonical
    return canonical


def _kept(contract: MethodContract, inner: Unary, once: Once) -> Unary:
    """Return the servicer method with its first answers kept by request id."""
    scope = f"{contract.service}.{contract.name}"

    async def serve(request: Message, context: Context) -> bytes:
        call = current_call()
        return await once.run(scope, call.request_id, request, call.remaining(), lambda: _answer(request, context))

    async def _answer(request: Message, context: Context) -> bytes:
        return _serialize(await inner(request, context))

    return serve


def _tolerant(parse: Callable[[bytes], Message]) -> Callable[[bytes], Any]:
    """Return a parser that hands broken bytes on: gRPC's own answer to them says nothing of use."""

    def tolerant(raw: bytes) -> Any:
        try:
            return parse(raw)
        except DecodeError as error:
            return Malformed(str(error))

    return tolerant


def _serialize(answer: Any) -> bytes:
    return answer if isinstance(answer, bytes) else cast(Message, answer).SerializeToString()
