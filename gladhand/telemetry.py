"""Traces by OpenTelemetry, sent over OTLP where a collector is configured. Otherwise nothing is even imported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc

__all__ = ["Telemetry", "client_interceptors", "started"]

_QUIET = ("grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")


class Telemetry:
    """The interceptors of a process that traces; of one that does not there are none."""

    def __init__(self, provider: Any | None) -> None:
        """`provider` is an OpenTelemetry tracer provider, None for no traces."""
        self._provider = provider

    def server_interceptors(self) -> Sequence[grpc.aio.ServerInterceptor]:
        """Return what a gRPC server needs; health checks and reflection are not traced."""
        if self._provider is None:
            return ()
        from opentelemetry.instrumentation import grpc as traced  # noqa: PLC0415 - see module

        wanted = traced.filters.negate(traced.filters.any_of(*(traced.filters.service_name(name) for name in _QUIET)))
        make: Any = traced.aio_server_interceptor
        return (make(tracer_provider=self._provider, filter_=wanted),)

    def client_interceptors(self) -> Sequence[grpc.aio.ClientInterceptor]:
        """Return what a gRPC channel needs."""
        if self._provider is None:
            return ()
        from opentelemetry.instrumentation import grpc as traced  # noqa: PLC0415 - see module

        make: Any = traced.aio_client_interceptors
        return tuple(make(tracer_provider=self._provider))


_current = Telemetry(None)


def client_interceptors() -> Sequence[grpc.aio.ClientInterceptor]:
    """Return what the channels of this process need."""
    return _current.client_interceptors()


@contextmanager
def started(service: str, endpoint: str | None, exporter: Any | None = None) -> Iterator[Telemetry]:
    """Trace while the context lasts, and send what is left at its end.

    `endpoint` is the collector's OTLP address (http:// or https://, gRPC), None for no traces. `exporter` takes its
    place in tests.
    """
    global _current  # noqa: PLW0603 - one per process, like OpenTelemetry's own provider
    if endpoint is None and exporter is None:
        yield _current
        return
    provider = _provider(service, endpoint, exporter)
    before, _current = _current, Telemetry(provider)
    try:
        yield _current
    finally:
        _current = before
        provider.shutdown()


def _provider(service: str, endpoint: str | None, exporter: Any | None) -> Any:
    # Imported here: without a collector the process pays neither the time nor the memory.
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    else:
        insecure = str(endpoint).startswith("http://")
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, insecure=insecure)))
    # The log and the bus propagate the trace through NATS by OpenTelemetry's global provider.
    trace.set_tracer_provider(provider)
    return provider
