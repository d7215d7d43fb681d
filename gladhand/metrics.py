"""Metrics by OpenTelemetry of the ways to other systems, sent over OTLP where a collector is configured.

A bounded set: six instruments, with the target and at most a status or reason as attributes. They read what the
passages count anyway, once per export, so that a call pays nothing for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from gladhand.breaker import BreakerState
from gladhand.passage import Passage, passages

__all__ = ["started"]

_LEVEL = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}

_Reading = Iterable[tuple[int, dict[str, str]]]


@contextmanager
def started(service: str, endpoint: str | None, reader: Any | None = None) -> Iterator[None]:
    """Measure while the context lasts, and send what is left at its end.

    `endpoint` is the collector's OTLP address (http:// or https://, gRPC), None for no metrics. `reader` takes the
    exporter's place in tests.
    """
    if endpoint is None and reader is None:
        yield
        return
    # Imported here: without a collector the process pays neither the time nor the memory.
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415

    if reader is None:
        exporter = OTLPMetricExporter(endpoint=endpoint, insecure=str(endpoint).startswith("http://"))
        reader = PeriodicExportingMetricReader(exporter)
    provider = MeterProvider((reader,), resource=Resource.create({SERVICE_NAME: service}))
    _observe(provider.get_meter("gladhand"))
    try:
        yield
    finally:
        provider.shutdown()


def _observe(meter: Any) -> None:
    up_down, counter = meter.create_observable_up_down_counter, meter.create_observable_counter
    meter.create_observable_gauge(
        "gladhand.target.breaker",
        [_each(lambda passage: [(_LEVEL[passage.breaker.state], {})])],
        description="whether calls pass: 0 closed, 1 half open, 2 open",
    )
    counter(
        "gladhand.target.breaker.opened",
        [_each(lambda passage: [(passage.breaker.opened, {})])],
        description="times that the breaker opened",
    )
    up_down(
        "gladhand.target.calls.in_flight",
        [_each(lambda passage: [(passage.in_flight, {})])],
        description="calls under way",
    )
    counter(
        "gladhand.target.calls",
        [_each(lambda passage: [(count, {"code": code}) for code, count in passage.codes.items()])],
        description="calls that ended, by status",
    )
    counter(
        "gladhand.target.calls.refused",
        [_each(lambda passage: [(count, {"reason": reason}) for reason, count in passage.refused.items()])],
        description="calls that were refused here and never sent, by reason",
    )
    counter(
        "gladhand.target.hedges",
        [_each(lambda passage: [(passage.hedges, {"sent": "yes"}), (passage.hedges_denied, {"sent": "no"})])],
        description="further copies of calls that got no answer; not sent where the budget was used up",
    )


def _each(read: Callable[[Passage], _Reading]) -> Callable[[Any], Any]:
    from opentelemetry.metrics import Observation  # noqa: PLC0415 - see module

    def observe(_options: Any) -> Iterator[Any]:
        for passage in passages():
            for value, attributes in tuple(read(passage)):
                yield Observation(value, {"target": passage.name, **attributes})

    return observe
