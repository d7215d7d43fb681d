"""Given-when-then for deciders: what happened, what is asked, what must come of it. Checks the lifecycle as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from gladhand.decider import Decider, Rejected
from gladhand.envelope import EnvelopeType
from gladhand.lifecycle import IllegalTransition, check_step
from logistics.error.v1 import error_reason_pb2

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E", bound=Message)


@dataclass(frozen=True, slots=True)
class Given(Generic[S, C, E]):
    """An aggregate with a past. Start with `given`."""

    decider: Decider[S, C, E]
    state: S
    version: int = 0

    def and_given(self, *events: Message) -> Given[S, C, E]:
        """Add events, as bodies or whole envelopes. Raises IllegalTransition where the past itself is illegal."""
        state, version = self.state, self.version
        for event in events:
            version += 1
            state = _evolved(self.decider, state, event, version)
        return Given(self.decider, state, version)

    def when(self, command: C) -> Decision[S, C, E]:
        """Ask for something."""
        return Decision(self, command)


@dataclass(frozen=True, slots=True)
class Decision(Generic[S, C, E]):
    """A command about to be judged; one of the `then` methods judges it."""

    past: Given[S, C, E]
    command: C

    def then(self, expected: Message) -> Given[S, C, E]:
        """Expect this event and a legal step; return the aggregate after it, to go on from.

        Give the body to judge the body alone, or the envelope to judge all that the decider has set.
        """
        decided = self._decide()
        assert decided is not None, f"nothing happened; expected {_shown(expected)}"
        kind = EnvelopeType.of(self.past.decider.envelope)
        found = kind.wrap(decided)
        judged = found if isinstance(expected, kind.message) else getattr(found, kind.body(found).name)
        assert judged == expected, f"{_shown(judged)}\nis not the expected\n{_shown(expected)}"
        return self.past.and_given(found)

    def then_event(self, name: str) -> Given[S, C, E]:
        """Expect an event of this kind, whatever it holds, named by its field in the envelope; return the aggregate."""
        decided = self._decide()
        assert decided is not None, f"nothing happened; expected {name}"
        kind = EnvelopeType.of(self.past.decider.envelope)
        found = kind.wrap(decided)
        assert kind.body(found).name == name, f"{kind.body(found).name} happened; expected {name}"
        return self.past.and_given(found)

    def then_nothing(self) -> Given[S, C, E]:
        """Expect that nothing new is true."""
        decided = self._decide()
        assert decided is None, f"{_shown(decided)} happened; expected nothing"
        return self.past

    def then_rejected(self, reason: int | str) -> Rejected:
        """Expect a refusal with this reason, by number or short name; return it for a closer look."""
        wanted = _reason_name(reason) if isinstance(reason, int) else reason
        try:
            decided = self._decide()
        except Rejected as error:
            rejected = error
        else:
            raise AssertionError(f"not refused but {_shown(decided)}; expected {wanted}")
        assert rejected.reason == wanted, f"refused with {rejected!r}; expected {wanted}"
        return rejected

    def then_illegal(self) -> IllegalTransition:
        """Expect an event for which the contract has no edge; return the error for a closer look."""
        decided = self._decide()
        assert decided is not None, "nothing happened; expected an illegal step"
        try:
            self.past.and_given(decided)
        except IllegalTransition as illegal:
            return illegal
        raise AssertionError(f"{_shown(decided)} is a legal step")

    def _decide(self) -> Message | None:
        return self.past.decider.decide(self.past.state, self.command)


def given(decider: Decider[S, C, E], *events: Message) -> Given[S, C, E]:
    """Return an aggregate with these events behind it, as bodies or whole envelopes, each checked as a legal step."""
    return Given(decider, decider.initial).and_given(*events)


def _evolved(decider: Decider[S, C, E], state: S, event: Message, version: int) -> S:
    kind = EnvelopeType.of(decider.envelope)
    whole = kind.wrap(event)
    fields: Any = whole
    fields.version = fields.version or version
    after = decider.evolve(state, whole)
    check_step(decider.machines(state), kind.body(whole).name, decider.machines(after))
    return after


def _reason_name(number: int) -> str:
    value = error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_number[number]
    return value.name.removeprefix("ERROR_REASON_")


def _shown(message: Message | None) -> str:
    return "nothing" if message is None else f"{message.DESCRIPTOR.name} {{ {message} }}"
