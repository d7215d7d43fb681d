"""gRPC reflection in both its versions, for clients that have no descriptors: grpcurl, `buf curl`, grpc-requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

__all__ = ["add_reflection"]

_VERSIONS = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


def add_reflection(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Answer reflection for `services` (full names). Both versions speak the same messages on the wire."""
    pool = cast(DescriptorPool, _WithMethods(descriptor_pool.Default()))
    servicer = ReflectionServicer([*services, *_VERSIONS[1:]], pool)
    handler = grpc.stream_stream_rpc_method_handler(
        cast(Any, servicer.ServerReflectionInfo),
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
