"""The answer to calls of methods that the server does not serve: grpcio's own names neither reason nor remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import grpc

from gladhand.errors import GladhandError, Unsupported
from gladhand.statuses import DETAILS_KEY, status_code, to_status

__all__ = ["UnknownMethods"]


class UnknownMethods(grpc.GenericRpcHandler):
    """Takes every call that nobody else took. Register it last."""

    def __init__(self, services: list[str], identify: Callable[[Any], object | Awaitable[object]]) -> None:
        """`services` are the full names of what is served, shown as the remedy to whoever is somebody.

        `identify(context)` raises a GladhandError where the caller is nobody, or returns something to wait for.
        """
        self._identify = identify
        self._services = ", ".join(sorted(services)) or "nothing"

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Return a handler that refuses."""
        method = handler_call_details.method
        unknown = Unsupported(f"no method {method} here; served: {self._services}", metadata={"method": str(method)})

        async def refuse(_requests: Any, context: Any) -> AsyncIterator[bytes]:
            error: GladhandError = unknown
            try:
                found = self._identify(context)
                if isinstance(found, Awaitable):
                    await found
            except GladhandError as stranger:
                error = stranger
            status = to_status(error)
            packed = ((DETAILS_KEY, status.SerializeToString()),)
            await context.abort(status_code(error), status.message, packed)
            yield b""

        return grpc.stream_stream_rpc_method_handler(cast(Any, refuse))
