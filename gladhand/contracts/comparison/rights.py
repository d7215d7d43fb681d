"""Compares what the processes behind services may do: whom they call, and what they do on the bus (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from gladhand.contracts.comparison.finding import ChangeKind, Finding
from gladhand.contracts.model import Contract, Service
from gladhand.contracts.place import Place
from logistics.contract.v1 import service_pb2
from logistics.contract.v1.service_pb2 import ConsumerPolicy, ServicePolicy

_SERVICE: int = service_pb2.service.number
_RIGHTS = {
    "calls": "call",
    "publishes": "publish",
    "reads": "read",
    "buckets": "use the bucket",
    "objects": "use the objects of",
    "consumers": "consume by",
    "timers": "set timers of",
}
"""Fields of ServicePolicy, each with what it lets a process do."""


def compare(old: Contract, new: Contract) -> Iterator[Finding]:
    """Yield what changed about the identity and the rights of services that both contracts have."""
    for name, service in old.services.items():
        if name in new.services:
            yield from _rights(service, new.services[name])
    for name, service in new.services.items():
        if name not in old.services and service.policy is not None:
            yield from _granted(service, ServicePolicy(), service.policy)


def _rights(old: Service, new: Service) -> Iterator[Finding]:
    before, after = old.policy or ServicePolicy(), new.policy or ServicePolicy()
    own = new.option(_SERVICE) if new.policy is not None else new.place
    if before.identity and before.identity != after.identity:
        sentence = (
            f"the process of {new.name} was {before.identity} and is {after.identity or 'nobody'}: its callers look "
            "for the old name in its certificate, and the bus knows its rights by it; keep it"
        )
        place = new.option(_SERVICE, ServicePolicy.IDENTITY_FIELD_NUMBER) if new.policy is not None else own
        yield Finding("IDENTITY_SAME", ChangeKind.BROKEN, new.name, sentence, place, old.option(_SERVICE))
    yield from _granted(new, before, after)
    for field, verb in _RIGHTS.items():
        for right in sorted(_listed(before, field) - _listed(after, field)):
            sentence = (
                f"{before.identity} may no longer {verb} {right}: one that runs with the older contract is refused, "
                "so stop using it first"
            )
            element, was = _element(new, field, right), _place(old, field)
            whom = (f"the process {before.identity}",)
            yield Finding("RIGHT_REMOVED", ChangeKind.TIGHTENED, element, sentence, own, was, whom)


def _granted(service: Service, before: ServicePolicy, after: ServicePolicy) -> Iterator[Finding]:
    for field, verb in _RIGHTS.items():
        for right in sorted(_listed(after, field) - _listed(before, field)):
            sentence, whom = f"{after.identity} may {verb} {right} now", (f"the process {after.identity}",)
            element, place = _element(service, field, right), _place(service, field)
            yield Finding("RIGHT_ADDED", ChangeKind.LOOSENED, element, sentence, place, whom=whom)


def _element(service: Service, field: str, right: str) -> str:
    """A right to call is of what is called, every other of the service that has it."""
    return right if field == "calls" else service.name


def _place(service: Service, field: str) -> Place:
    return service.option(_SERVICE, ServicePolicy.DESCRIPTOR.fields_by_name[field].number, 0)


def _listed(policy: ServicePolicy, field: str) -> set[str]:
    return {_told(each) for each in getattr(policy, field)}


def _told(right: str | ConsumerPolicy) -> str:
    return right if isinstance(right, str) else f"{right.durable} ({', '.join(right.filters)})"
