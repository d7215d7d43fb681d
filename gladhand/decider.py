"""Deciders: the pure core of an aggregate. A module of the domain exports one `Decider` and nothing that does IO."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Generic, TypeVar

from google.protobuf.message import Message

from gladhand.errors import FailedPrecondition
from gladhand.lifecycle import MachineState
from logistics.error.v1 import error_reason_pb2

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E", bound=Message)


class Rejected(FailedPrecondition):
    """A command refused by the rules of its aggregate; nothing was recorded.

    `reason` is a value of the contract's ErrorReason enum and stands in the error by its short name, for example
    "STOCK_SHORT"; `message` says what is wrong and what would help; `metadata` holds the facts that a caller may see,
    never personal data. Raises ValueError where the enum has no such value.
    """

    def __init__(self, reason: int, message: str, metadata: Mapping[str, str] | None = None) -> None:
        value = error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_number.get(reason)
        if value is None:
            raise ValueError(f"ErrorReason has no value {reason}")
        super().__init__(message, reason=value.name.removeprefix("ERROR_REASON_"), metadata=metadata)
        self.number = reason


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
