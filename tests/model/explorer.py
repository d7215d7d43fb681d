"""Walks a decider through everything that a small world can ask of it, and remembers every step.

The real `decide`, the contract's lifecycle and the real `evolve` run at each step; only bookkeeping that grows without
end (versions, times, revisions) is left out of what makes two states the same.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from gladhand.decider import Decider, Rejected
from gladhand.envelope import EnvelopeType
from gladhand.lifecycle import IllegalTransition, check_step, lifecycle_of

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E", bound=Message)

BOOKKEEPING = ("version", "update_time", "create_time", "revision", "plan_version")


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """One command that made something new true."""

    before: int
    wish: str
    event: str
    after: int


@dataclass(slots=True)
class Walk(Generic[S]):
    """Every state that was reached, and every step between them."""

    states: list[S] = field(default_factory=list)
    steps: list[Step[S]] = field(default_factory=list)
    refusals: int = 0
    illegal: list[str] = field(default_factory=list)
    """Steps that only the lifecycle check refused: the decider should have."""
    unsettled: list[str] = field(default_factory=list)
    """Wishes that came true twice."""

    def dead_ends(self, ended: Callable[[S], bool]) -> list[int]:
        """Return the states from which no state is reached that has ended."""
        sources: dict[int, set[int]] = defaultdict(set)
        for step in self.steps:
            sources[step.after].add(step.before)
        open_ends = deque(index for index, state in enumerate(self.states) if ended(state))
        safe = set(open_ends)
        while open_ends:
            for source in sources[open_ends.popleft()] - safe:
                safe.add(source)
                open_ends.append(source)
        return [index for index in range(len(self.states)) if index not in safe]

    def __str__(self) -> str:
        return f"{len(self.states)} states, {len(self.steps)} steps, {self.refusals} refusals"


def explore(
    decider: Decider[S, C, E], wishes: Mapping[str, C], *, told_again: Iterable[str] = (), limit: int = 50_000
) -> Walk[S]:
    """Walk from birth through every wish in every state. `told_again` are events after which a wish may come again.

    Raises AssertionError where the world turns out larger than `limit` states.
    """
    kind = EnvelopeType.of(decider.envelope)
    walk: Walk[S] = Walk(states=[decider.initial])
    known = {key_of(decider.initial): 0}
    again = frozenset(told_again)
    frontier = deque([0])
    while frontier:
        index = frontier.popleft()
        state = walk.states[index]
        for wish, command in wishes.items():
            taken = _take(decider, kind, state, command, walk, wish)
            if taken is None:
                continue
            name, after = taken
            if name not in again and _answers(decider, after, command):
                walk.unsettled.append(f"{wish} after {name}")
            key = key_of(after)
            if key not in known:
                known[key] = len(walk.states)
                walk.states.append(after)
                frontier.append(known[key])
                assert len(walk.states) <= limit, f"the world is larger than {limit} states"
            walk.steps.append(Step(index, wish, name, known[key]))
    return walk


def _take(
    decider: Decider[S, C, E], kind: EnvelopeType[E], state: S, command: C, walk: Walk[S], wish: str
) -> tuple[str, S] | None:
    try:
        decided = decider.decide(state, command)
    except Rejected:
        walk.refusals += 1
        return None
    if decided is None:
        return None
    event = kind.wrap(decided)
    name = kind.body(event).name
    after = decider.evolve(state, event)
    try:
        check_step(decider.machines(state), name, decider.machines(after))
    except IllegalTransition as illegal:
        walk.illegal.append(f"{wish}: {illegal}")
        return None
    return name, after


def _answers(decider: Decider[S, C, E], state: S, command: C) -> bool:
    """Return whether a command makes something new true."""
    try:
        return decider.decide(state, command) is not None
    except Rejected:
        return False


def key_of(value: Any) -> Any:
    """Return what makes two states the same."""
    if isinstance(value, Message):
        return _content(value)
    if is_dataclass(value) and not isinstance(value, type):
        return tuple(_field(part.name, getattr(value, part.name)) for part in fields(value))
    if isinstance(value, Mapping):
        return tuple(sorted((str(name), key_of(part)) for name, part in value.items()))
    if isinstance(value, tuple):
        return tuple(key_of(part) for part in value)
    return value


def _field(name: str, value: Any) -> Any:
    # An order may be amended back and forth for ever: which contents it ever had matters, not how often.
    return (frozenset(value), value[-1:]) if name == "contents" else key_of(value)


def _content(message: Message) -> bytes:
    bare = type(message)()
    bare.CopyFrom(message)
    for name in BOOKKEEPING:
        if name in bare.DESCRIPTOR.fields_by_name:
            bare.ClearField(name)
    return bare.SerializeToString(deterministic=True)


def left_wrongly(decider: Decider[S, C, E], walk: Walk[S]) -> list[str]:
    """Return the steps out of terminal states other than those that the contract names for them."""
    wrong = []
    for step in walk.steps:
        primary = decider.machines(walk.states[step.before])[""]
        table = lifecycle_of(primary.enum)
        source = table.state(primary.value)
        target = table.state(decider.machines(walk.states[step.after])[""].value)
        if source in table.terminal and not table.allows(source, step.event, target):
            wrong.append(f"{step.wish}: {source} -{step.event}-> {target}")
    return wrong
