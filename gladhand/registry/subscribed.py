"""Which events subscriptions take in, told by their filters (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from google.protobuf.message import Message

from gladhand.bus.port import Subscription
from gladhand.envelope import PREFIX, EnvelopeType
from gladhand.registry.paths import ALL

__all__ = ["reads_of"]


def reads_of(subscriptions: Iterable[Subscription], *envelopes: type[Message]) -> Mapping[type[Message], list[str]]:
    """Return what a consumer reads that hands whole events to code which does not say what it needs of them.

    That is every field of the envelopes' events that the filters let through: filter `logistics.order.*.*.received`
    reads all of `received` and of the envelope itself. `envelopes` are the event types that are decoded; filters of
    other subjects add nothing.
    """
    found: dict[type[Message], set[str]] = {}
    for subscription in subscriptions:
        for wanted in subscription.filters:
            for message in envelopes:
                found.setdefault(message, set()).update(_paths(EnvelopeType.of(message), wanted))
    return {message: sorted(paths) for message, paths in found.items() if paths}


def _paths(kind: EnvelopeType[Message], wanted: str) -> Iterator[str]:
    prefix, _, rest = wanted.partition(".")
    aggregate, *more = rest.split(".")
    if prefix != PREFIX or aggregate not in {kind.aggregate, "*", ">"}:
        return
    token = more[-1] if len(more) == 3 else ">"
    bodies = [name for name, body in kind.bodies.items() if token in {body.token, "*", ">"}]
    if len(bodies) == len(kind.bodies):
        yield ALL
    elif bodies:
        yield from (f"{name}.{ALL}" for name in bodies)
        yield from _of_all(kind)


def _of_all(kind: EnvelopeType[Message]) -> Iterator[str]:
    """The fields that every event has, whatever its body."""
    for field in kind.message.DESCRIPTOR.fields:
        if field.name not in kind.bodies:
            yield f"{field.name}.{ALL}" if field.message_type is not None else field.name
