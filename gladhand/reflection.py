"""gRPC reflection in both its versions, for clients that have no descriptors: grpcurl, `buf curl`, grpc-requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, cast

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

from gladhand.errors import GladhandError
from gladhand.statuses import DETAILS_KEY, status_code, to_status

__all__ = ["add_reflection"]

_VERSIONS = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


def add_reflection(
    server: grpc.aio.Server, services: Sequence[str], identify: Callable[[Any], object | Awaitable[object]]
) -> None:
    """Answer reflection for `services` (full names). Both versions speak the same messages on the wire.

    Whoever asks must be somebody: `identify(context)` raises a GladhandError where it is not, or returns something to
    wait for that may.
    """
    pool = cast(DescriptorPool, _WithMethods(descriptor_pool.Default()))
    servicer = ReflectionServicer([*services, *_VERSIONS[1:]], pool)

    async def answer(requests: Any, context: Any) -> AsyncIterator[Any]:
        try:
            found = identify(context)
            if isinstance(found, Awaitable):
                await found
        except GladhandError as error:
            status = to_status(error)
            await context.abort(status_code(error), status.message, ((DETAILS_KEY, status.SerializeToString()),))
        answers = cast(AsyncIterator[Any], servicer.ServerReflectionInfo(requests, context))
        async for response in answers:
            yield response

    handler = grpc.stream_stream_rpc_method_handler(
        cast(Any, answer),
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for version in _VERSIONS:
        server.add_registered_method_handlers(version, {"ServerReflectionInfo": handler})


class _WithMethods:
    """A descriptor pool that finds methods too, as the protocol wants: ghz asks for `package.Service.Method`."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptor:  # the pool's own name
        try:
            return self._pool.FindFileContainingSymbol(symbol)
        except KeyError:
            owner, _, method = symbol.rpartition(".")
            service = self._pool.FindServiceByName(owner)
            if method not in service.methods_by_name:
                raise
            return service.file
