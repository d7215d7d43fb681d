"""What a process declares of itself, checked against the contract that it was built with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from gladhand.errors import ContractError
from gladhand.registry.images import own_image
from gladhand.registry.paths import PathError, check_path
from logistics.contract.v1.registration_pb2 import (
    PARTICIPATION_CONSUMER,
    PARTICIPATION_SERVICE,
    EventReading,
    Registration,
)

__all__ = ["Consumer", "Service", "declared"]

Reads = Mapping[type[Message], Sequence[str]]
"""Paths of the fields that are read, by the message that comes over the bus; see `EventReading.fields`."""


@dataclass(frozen=True)
class Consumer:
    """A process that reads events or calls services.

    `Consumer("billing-report", reads={OrderEvent: ["order_id", "received.order.customer.name"]})`
    """

    name: str
    """Shared by its replicas: letters, digits, `_` and `-`."""

    reads: Reads = field(default_factory=dict)
    calls: Sequence[str] = ()
    """Methods, as `package.Service/Method`."""

    @property
    def serves(self) -> Sequence[str]:
        """Full names of the services that it serves: none."""
        return ()


@dataclass(frozen=True)
class Service(Consumer):
    """A process that serves methods, and may read and call like any other."""

    services: Sequence[str] = ()
    """Full names, for example `logistics.erp.v1.ErpGatewayService`."""

    @property
    def serves(self) -> Sequence[str]:
        """Full names of the services that it serves."""
        return self.services


def declared(part: Consumer, instance: str, image_digest: str) -> Registration:
    """Return the registration of a process, its times not set.

    Raises ContractError naming every field, method and service that its own contract does not have.
    """
    faults = [*_unknown_names(part), *_unknown_fields(part.reads)]
    if faults:
        raise ContractError(
            f"{part.name} declares what its contract does not have: {'; '.join(faults)}; correct the declaration"
        )
    return Registration(
        name=part.name,
        instance=instance,
        participation=PARTICIPATION_SERVICE if part.serves else PARTICIPATION_CONSUMER,
        image_digest=image_digest,
        serves=sorted(part.serves),
        calls=sorted(set(part.calls)),
        reads=sorted(_readings(part.reads), key=lambda reading: reading.message),
    )


def _readings(reads: Reads) -> Iterator[EventReading]:
    for message, paths in reads.items():
        body = message.DESCRIPTOR.oneofs_by_name.get("body")
        bodies = {each.name for each in body.fields} if body is not None else set()
        firsts = {path.partition(".")[0] for path in paths}
        handled = bodies if "*" in paths else bodies & firsts
        yield EventReading(message=message.DESCRIPTOR.full_name, bodies=sorted(handled), fields=sorted(set(paths)))


def _unknown_fields(reads: Reads) -> Iterator[str]:
    for message, paths in reads.items():
        if not paths:
            yield f"{message.DESCRIPTOR.full_name} without any field (for all of them write '*')"
        for path in paths:
            try:
                check_path(cast("Descriptor", message.DESCRIPTOR), path)
            except PathError as error:
                yield str(error)


def _unknown_names(part: Consumer) -> Iterable[str]:
    own_image()  # loads all of the contract, also what nobody here has imported
    pool = descriptor_pool.Default()
    for name in part.serves:
        try:
            pool.FindServiceByName(name)
        except KeyError:
            yield f"service {name}"
    for call in part.calls:
        service, _, method = call.partition("/")
        try:
            pool.FindMethodByName(f"{service}.{method}")
        except KeyError:
            yield f"method {call}"
