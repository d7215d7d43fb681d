"""Who notices that an element changed: callers of methods, readers and writers of events (pure)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from gladhand.contracts.model import Contract, Message, Method
from gladhand.enums import short_name
from logistics.contract.v1.method_pb2 import Audience


class Concerned:
    """Knows which methods and events carry which messages and enums of a contract, however deep."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._methods = contract.methods
        self._within: dict[str, set[str]] = defaultdict(set)
        for message in contract.messages.values():
            for used in _uses(message):
                self._within[used].add(message.name)

    def by(self, element: str, *, senders_only: bool = False) -> tuple[str, ...]:
        """Return who notices, as people say it; empty where nobody sends or receives the element.

        A rule that turned tighter hits only those who send.
        """
        if "/" in element:
            return (_callers(self._methods[element]),) if element in self._methods else ()
        carriers = self._carriers(element)
        found = []
        for method in self._methods.values():
            sent, received = method.request in carriers, method.response in carriers
            if method.service == element or sent or (received and not senders_only):
                found.append(_callers(method))
        for envelope in self._contract.envelopes:
            if envelope.name in carriers and envelope.envelope is not None:
                where = f"{envelope.envelope.aggregate} events ({envelope.envelope.stream})"
                found += [f"writers of {where}"] if senders_only else [f"readers of {where}"]
        return tuple(found)

    def _carriers(self, element: str) -> set[str]:
        """Every message that the element is part of, its own included."""
        outer = element.rpartition(".")[0]
        known = self._contract.messages.keys() | self._contract.enums.keys()
        todo = [element if element in known else outer]
        reached = set(todo)
        while todo:
            new = self._within[todo.pop()] - reached
            reached |= new
            todo += new
        return reached


def _uses(message: Message) -> Iterator[str]:
    """Full names of what the fields of a message hold; of a map its values."""
    entries = {f".{message.name}.{nested.name}": nested for nested in message.proto.nested_type}
    for field in message.proto.field:
        entry = entries.get(field.type_name)
        held = entry.field if entry is not None and entry.options.map_entry else [field]
        yield from (inner.type_name.removeprefix(".") for inner in held if inner.type_name)


def _callers(method: Method) -> str:
    policy = method.policy
    audience = (
        ", ".join(short_name(Audience, value) for value in policy.audience) if policy else "audience not declared"
    )
    return f"callers of {method.name} ({audience})"
