"""Deciders: the pure core of an aggregate. A module of the domain exports one `Decider` and nothing that does IO."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar

from google.protobuf.message import Message

from gladhand.lifecycle import MachineState

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E", bound=Message)


class Rejected(Exception):  # noqa: N818 - the name of the outcome, as the contract says it
    """A command refused by the rules of its aggregate; nothing was recorded.

    `reason` is a value of the contract's ErrorReason enum, `message` says what is wrong and what would help,
    `metadata` holds the facts that a caller may show (never personal data).
    """

    def __init__(self, reason: int, message: str, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.metadata: dict[str, str] = dict(metadata or {})

    def __repr__(self) -> str:
        return f"Rejected(reason={self.reason}, message={self.message!r}, metadata={self.metadata!r})"


@dataclass(frozen=True, slots=True)
class Decider(Generic[S, C, E]):
    """What an aggregate is: a state, what may happen to it, and what a happening makes of it.

    All parts are pure. Time and ids arrive inside the command.
    """

    envelope: type[E]
    """The aggregate's event envelope, for example OrderEvent."""

    initial: S
    """The state before birth."""

    decide: Callable[[S, C], Message | None]
    """The rules. Returns the body of the one event that the command causes, or None where nothing new is true.

    It may return the envelope itself with its body set, to say more than the body can: `occur_time`, `classifier`,
    `provenance`, `retracts_event_id`, `corrects_event_id` and `may_ignore` are then kept as set. Raises Rejected.
    """

    evolve: Callable[[S, E], S]
    """What the event makes of the state. Never refuses: the past already happened."""

    machines: Callable[[S], Mapping[str, MachineState]]
    """The state machines inside the aggregate: the primary one named "", others for example "stop/<id>"."""

    def fold(self, events: Iterable[E], state: S | None = None) -> S:
        """Return what the events make of `state`, or of the initial state where none is given."""
        return reduce(self.evolve, events, self.initial if state is None else state)
