"""gRPC reflection in both its versions, for clients that have no descriptors: grpcurl, `buf curl`, grpc-requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

__all__ = ["add_reflection"]

_VERSIONS = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


def add_reflection(server: grpc.aio.Server, services: Sequence[str]) -> None:
    """Answer reflection for `services` (full names). Both versions speak the same messages on the wire."""
    servicer = ReflectionServicer([*services, *_VERSIONS[1:]])
    handler = grpc.stream_stream_rpc_method_handler(
        cast(Any, servicer.ServerReflectionInfo),
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for version in _VERSIONS:
        server.add_registered_method_handlers(version, {"ServerReflectionInfo": handler})
