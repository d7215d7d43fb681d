"""What an identity may do on the bus, as subjects: its declaration in the contract, turned into grants (pure).

A grant is one subject that the identity may send to, be it an event or a request to JetStream. What the server cannot
narrow to a subject (a read by id, the state of a stream, several filters at once) is granted for whole streams only;
decision 0012 tells how each was tried.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from google.protobuf.descriptor import ServiceDescriptor

from gladhand.bus.deadletters import REDRIVE_STREAM, redrive_subject
from gladhand.bus.subjects import covers, overlap
from gladhand.errors import ContractError
from gladhand.security.names import is_identity
from logistics.contract.v1 import service_pb2

__all__ = ["Answers", "BusPolicy", "Consumer", "Grant", "Rights", "policies_of", "rights_of"]

API = "$JS.API"
API_WITHIN = "mesh.api"
"""How requests to JetStream are called inside the account of an identity; clients go on calling them `API`."""

CLOCK = "CLOCK"
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")

_REGISTERED = ("REGISTRY.{identity}.>", "CONTRACTS")
"""Where everybody tells what it runs and which contract it was built with."""


class Answers(Enum):
    """How many messages may answer one request; the server has to know."""

    ONE = "singleton"
    MANY = "stream"


@dataclass(frozen=True, slots=True)
class Grant:
    """One subject that may be sent to. Wildcards as NATS has them."""

    subject: str
    answers: Answers = Answers.ONE


@dataclass(frozen=True, slots=True)
class Consumer:
    """A durable consumer: its name, and the subjects of one stream that it receives."""

    durable: str
    filters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BusPolicy:
    """What an identity is to do on the bus, all placeholders filled in."""

    identity: str
    publishes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    buckets: tuple[str, ...] = ()
    """Names; after a dot the keys that are written, where not all."""
    objects: tuple[str, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    timers: tuple[str, ...] = ()
    requests: tuple[str, ...] = ()
    """Requests to JetStream beyond those that reading needs; for who sets up or repairs a mesh."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What the server lets an identity do: send to `grants`, but for `denied`, and hear answers on its own inbox."""

    identity: str
    grants: tuple[Grant, ...]
    denied: tuple[str, ...] = ()
    inbox: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inbox", inbox_of(self.identity))

    def allows(self, subject: str) -> bool:
        """Return whether the identity may send to a subject."""
        granted = any(covers(grant.subject, subject) for grant in self.grants)
        return granted and not any(covers(each, subject) for each in self.denied)


def inbox_of(identity: str) -> str:
    """Return the prefix of the subjects on which an identity hears answers."""
    return f"_INBOX_{identity}"


def policies_of(services: Iterable[ServiceDescriptor], known: Mapping[str, str]) -> tuple[BusPolicy, ...]:
    """Return what the contract declares for the processes behind `services`, one for each identity.

    `known` fills in the tokens in braces. Raises ContractError where a service declares nothing, an identity is
    misnamed or declared twice, or a placeholder is not known.
    """
    found: dict[str, BusPolicy] = {}
    for service in services:
        policy = _policy_of(service, known)
        if policy.identity in found:
            raise ContractError(f"{service.full_name}: identity {policy.identity!r} belongs to another service already")
        found[policy.identity] = policy
    return tuple(found.values())


def _policy_of(service: ServiceDescriptor, known: Mapping[str, str]) -> BusPolicy:
    options = service.GetOptions()
    if not options.HasExtension(service_pb2.service):
        raise ContractError(f"{service.full_name} lacks option (logistics.contract.v1.service)")
    declared = options.Extensions[service_pb2.service]
    if not is_identity(declared.identity):
        raise ContractError(f"{service.full_name}: {declared.identity!r} is no identity: use a-z, 0-9 and _")

    def filled(values: Iterable[str]) -> tuple[str, ...]:
        return tuple(_filled(value, known, service.full_name) for value in values)

    return BusPolicy(
        identity=declared.identity,
        publishes=filled(declared.publishes),
        reads=filled(declared.reads),
        buckets=filled(declared.buckets),
        objects=filled(declared.objects),
        consumers=tuple(Consumer(filled([each.durable])[0], filled(each.filters)) for each in declared.consumers),
        timers=filled(declared.timers),
    )


def _filled(value: str, known: Mapping[str, str], where: str) -> str:
    def fill(found: re.Match[str]) -> str:
        if found[1] not in known:
            raise ContractError(f"{where}: {value!r} needs {found[1]}, which this mesh does not know")
        return known[found[1]].replace(".", "_")

    return _PLACEHOLDER.sub(fill, value)


def rights_of(policy: BusPolicy, streams: Mapping[str, Sequence[str]], others: Iterable[BusPolicy] = ()) -> Rights:
    """Return the rights that a policy amounts to. `streams` gives each stream's subjects.

    The durable consumers of `others` are denied: who may read a stream chooses names for its readers, and could
    otherwise take another's messages. Raises ContractError where a subject belongs to no stream or to several, or where
    a consumer has several filters on a stream that the identity may not read whole.
    """
    grants = _without_covered(_grants(policy, streams))
    clashing = [
        f"{one.subject} and {other.subject}"
        for number, one in enumerate(grants)
        for other in grants[:number]
        if overlap(one.subject, other.subject)
    ]
    if clashing:
        # The server would carry out such a request once for each of the two.
        raise ContractError(f"{policy.identity}: grants overlap without one covering the other: {'; '.join(clashing)}")
    own = {(each.durable, _stream_of(each.filters[0], streams)) for each in policy.consumers}
    foreign = {(each.durable, _stream_of(each.filters[0], streams)) for other in others for each in other.consumers}
    denied = (
        subject
        for durable, stream in sorted(foreign - own)
        for subject in _of_consumer(stream, durable)
        if any(covers(grant.subject, subject) for grant in grants)
    )
    return Rights(policy.identity, grants, tuple(denied))


def _of_consumer(stream: str, durable: str) -> Iterator[str]:
    yield f"{API}.CONSUMER.CREATE.{stream}.{durable}"
    yield f"{API}.CONSUMER.CREATE.{stream}.{durable}.>"
    for verb in ("MSG.NEXT", "INFO", "DELETE"):
        yield f"{API}.CONSUMER.{verb}.{stream}.{durable}"


def _grants(policy: BusPolicy, streams: Mapping[str, Sequence[str]]) -> Iterator[Grant]:
    for subject in policy.publishes:
        yield Grant(subject)
    for kind in policy.timers:
        yield Grant(f"logistics.timer.{kind}.*")
    for subject in policy.requests:
        yield Grant(subject)
    whole = _read_whole(policy.reads, streams)
    for stream in sorted(whole):
        yield from _reads_whole(stream)
    for subject in policy.reads:
        if (stream := _stream_of(subject, streams)) not in whole:
            yield from _reads_part(stream, subject)
    for consumer in policy.consumers:
        yield from _consumes(policy.identity, consumer, streams, whole)
    for bucket in (*policy.buckets, *(each.format(identity=policy.identity) for each in _REGISTERED)):
        name, _, keys = bucket.partition(".")
        yield Grant(f"$KV.{name}.{keys or '>'}")
        yield from _reads_whole(f"KV_{name}")
    yield from _reads_whole(f"KV_{CLOCK}")
    for name in policy.objects:
        yield Grant(f"$O.{name}.>")
        yield Grant(f"{API}.STREAM.PURGE.OBJ_{name}")
        yield from _reads_whole(f"OBJ_{name}")


def _reads_whole(stream: str) -> Iterator[Grant]:
    for each in ("STREAM.INFO.{0}", "STREAM.MSG.GET.{0}", "DIRECT.GET.{0}.>"):
        yield Grant(f"{API}.{each.format(stream)}")
    yield Grant(f"{API}.DIRECT.GET.{stream}", Answers.MANY)
    for each in ("{0}", "{0}.*", "{0}.*.>"):
        yield Grant(f"{API}.CONSUMER.CREATE.{each.format(stream)}")
    yield from _follows(stream, "*")


def _reads_part(stream: str, subject: str) -> Iterator[Grant]:
    """The filter stands in the request's subject, and the server checks it against the request's body."""
    yield Grant(f"{API}.STREAM.INFO.{stream}")
    yield Grant(f"{API}.DIRECT.GET.{stream}.{subject}")
    yield Grant(f"{API}.CONSUMER.CREATE.{stream}.*.{subject}")
    yield from _follows(stream, "*")


def _follows(stream: str, consumer: str) -> Iterator[Grant]:
    yield Grant(f"{API}.CONSUMER.MSG.NEXT.{stream}.{consumer}", Answers.MANY)
    yield Grant(f"{API}.CONSUMER.INFO.{stream}.{consumer}")
    yield Grant(f"{API}.CONSUMER.DELETE.{stream}.{consumer}")
    yield Grant(f"$JS.FC.{stream}.>")


def _consumes(
    identity: str, consumer: Consumer, streams: Mapping[str, Sequence[str]], whole: frozenset[str]
) -> Iterator[Grant]:
    name = consumer.durable
    on = {_stream_of(each, streams) for each in consumer.filters}
    if len(on) != 1:
        raise ContractError(f"{identity}: consumer {name} needs filters on one stream, not on {sorted(on) or 'none'}")
    (stream,) = on
    if len(consumer.filters) > 1 and stream not in whole:
        raise ContractError(
            f"{identity}: consumer {name} has several filters, which NATS grants only to who reads all of {stream}"
        )
    for subject in consumer.filters:
        yield from _durable(stream, name, subject)
    yield Grant(f"logistics.deadletter.{name}.{stream}")
    yield from _durable(REDRIVE_STREAM, name, redrive_subject(name))


def _durable(stream: str, name: str, subject: str) -> Iterator[Grant]:
    yield Grant(f"{API}.CONSUMER.CREATE.{stream}.{name}.{subject}")
    yield Grant(f"{API}.CONSUMER.MSG.NEXT.{stream}.{name}", Answers.MANY)
    yield Grant(f"{API}.CONSUMER.INFO.{stream}.{name}")
    yield Grant(f"$JS.ACK.{stream}.{name}.>")


def _stream_of(subject: str, streams: Mapping[str, Sequence[str]]) -> str:
    found = [name for name, taken in streams.items() if any(overlap(each, subject) for each in taken)]
    if len(found) != 1:
        raise ContractError(f"{subject} must belong to one stream, and belongs to {', '.join(found) or 'none'}")
    return found[0]


def _read_whole(reads: Sequence[str], streams: Mapping[str, Sequence[str]]) -> frozenset[str]:
    return frozenset(
        name
        for name, subjects in streams.items()
        if all(any(covers(read, subject) for read in reads) for subject in subjects)
    )


def _without_covered(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """One import for each request: what a wider grant covers goes, and what stands twice."""
    unique = {grant.subject: grant for grant in grants}
    return tuple(
        grant
        for subject, grant in sorted(unique.items())
        if not any(wider != subject and covers(wider, subject) for wider in unique)
    )
