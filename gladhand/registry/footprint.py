"""What of a contract a process stands on: the elements behind the fields it reads and the methods it calls (pure)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

from gladhand.contracts.model import Contract, Field, Message
from gladhand.registry.paths import ALL
from logistics.contract.v1.registration_pb2 import EventReading, Registration

__all__ = ["Footprint", "Use", "footprint"]


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """One reason why a process stands on something: a field that it reads, or a method that it calls."""

    of: str
    """Full name of the message that comes over the bus, or of the method."""

    path: str = ""
    """The declared path of the field; empty for a method."""

    def __str__(self) -> str:
        return f"reads {self.path} of {self.of}" if self.path else f"calls {self.of}"


@dataclass(slots=True)
class Footprint:
    """Full names of elements, each with the reasons to stand on it."""

    received: dict[str, set[Use]] = field(default_factory=lambda: defaultdict(set))
    """What comes to the process: events and answers. It is hit where that is gone or another thing."""

    sent: dict[str, set[Use]] = field(default_factory=lambda: defaultdict(set))
    """What it sends, and the methods themselves. It is hit where less of that is accepted, too."""

    missing: set[Use] = field(default_factory=set)
    """What the contract does not have at all."""


def footprint(registration: Registration, contract: Contract) -> Footprint:
    """Return what a registration stands on in a contract: the one it was built with, or another by the names alone."""
    found = Footprint()
    for reading in registration.reads:
        _read(reading, contract, found)
    for call in registration.calls:
        _call(Use(call), contract, found)
    return found


def _read(reading: EventReading, contract: Contract, found: Footprint) -> None:
    message = contract.messages.get(reading.message)
    for path in reading.fields:
        use = Use(reading.message, path)
        if message is None:
            found.missing.add(use)
            continue
        for name in _along(message, path.split("."), contract):
            if name is None:
                found.missing.add(use)
            else:
                found.received[name].add(use)


def _along(message: Message, steps: list[str], contract: Contract) -> Iterator[str | None]:
    """Yield the elements on the way of a path; None where the way ends too early."""
    yield message.name
    step, *rest = steps
    if step == ALL:
        yield from _below(message, contract, set())
        return
    at = message.field(step)
    if at is None:
        yield None
        return
    yield at.name
    entry = _entry(message, at)
    if entry is not None and rest and rest[0] in {"key", "value"}:
        at = Field(at.name, at.package, at.place, next(each for each in entry.field if each.name == rest[0]))
        rest = rest[1:]
    yield from _into(at, rest, contract)


def _into(at: Field, rest: list[str], contract: Contract) -> Iterator[str | None]:
    """What a field leads to: the rest of the way, or the type that is read as a whole."""
    named = at.proto.type_name.removeprefix(".")
    inner = contract.messages.get(named)
    if inner is not None:
        if rest:
            yield from _along(inner, rest, contract)
        else:
            yield inner.name
    elif named in contract.enums:
        yield from _enum(named, contract)
    elif rest and rest != [ALL] and not named.startswith("google."):
        yield None


def _below(message: Message, contract: Contract, seen: set[str]) -> Iterator[str]:
    """Yield everything that a message is made of, itself included."""
    if message.name in seen:
        return
    seen.add(message.name)
    yield message.name
    for at in message.fields.values():
        yield at.name
        entry = _entry(message, at)
        for proto in entry.field if entry is not None else (at.proto,):
            named = proto.type_name.removeprefix(".")
            inner = contract.messages.get(named)
            if inner is not None:
                yield from _below(inner, contract, seen)
            elif named in contract.enums:
                yield from _enum(named, contract)


def _enum(name: str, contract: Contract) -> Iterator[str]:
    yield name
    yield from (value.name for value in contract.enums[name].values.values())


def _entry(message: Message, at: Field) -> DescriptorProto | None:
    """The entry of a map field; None for any other field."""
    if at.proto.type != FieldDescriptorProto.TYPE_MESSAGE:
        return None
    name = at.proto.type_name.rpartition(".")[2]
    return next((each for each in message.proto.nested_type if each.name == name and each.options.map_entry), None)


def _call(use: Use, contract: Contract, found: Footprint) -> None:
    method = contract.methods.get(use.of)
    if method is None:
        found.missing.add(use)
        return
    found.sent[method.service].add(use)
    found.sent[method.name].add(use)
    for name, side in ((method.request, found.sent), (method.response, found.received)):
        message = contract.messages.get(name)
        for element in _below(message, contract, set()) if message is not None else ():
            side[element].add(use)
