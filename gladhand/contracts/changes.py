"""What changed between two contracts, for whom, and whether it breaks anybody (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gladhand.contracts.comparison import elements, lifecycles, methods, rights, routing, rules
from gladhand.contracts.comparison.concerned import Concerned
from gladhand.contracts.comparison.finding import ChangeKind, Finding
from gladhand.contracts.model import Contract, read
from gladhand.contracts.place import Lines

__all__ = ["Change", "ChangeKind", "compare", "findings"]


@dataclass(frozen=True, slots=True)
class Change:
    """One change, for people and programs."""

    rule: str
    """The rule of `buf breaking` or of the check plugin that forbids it; else what it is, for example FIELD_ADDED."""

    kind: ChangeKind
    element: str
    """Full name, for example `logistics.order.v1.Order.lines` or `logistics.order.v1.OrderService/Get`."""

    sentence: str
    file: str
    """The file in the newer contract where it shows; of what is gone with its file, that file."""

    line: int | None
    """From 1. None where the image has no positions, or the file is gone."""

    whom: tuple[str, ...] = ()
    """Who notices: callers of methods with their audiences, readers and writers of events."""


def compare(old: FileDescriptorSet, new: FileDescriptorSet, today: date | None = None) -> tuple[Change, ...]:
    """Return every change from one contract to the other, the worst first.

    Without `today` no sunset counts as past, so that a removed method always lacks its farewell.
    """
    before, after = read(old.file), read(new.file)
    earlier, later, lines = Concerned(before), Concerned(after), Lines(after.files)
    found = [
        _change(
            finding,
            lines,
            finding.whom or (earlier if finding.was else later).by(finding.element, senders_only=_at_senders(finding)),
        )
        for finding in findings(before, after, today)
    ]
    worst = list(reversed(ChangeKind))
    return tuple(sorted(found, key=lambda change: (worst.index(change.kind), change.file, change.line or 0)))


def findings(old: Contract, new: Contract, today: date | None) -> Iterator[Finding]:
    """Yield every difference with its places; `compare` is the same for people and programs."""
    yield from elements.compare(old, new)
    yield from methods.compare(old, new, today)
    yield from lifecycles.compare(old, new)
    yield from routing.compare(old, new)
    yield from rights.compare(old, new)
    yield from rules.compare(old, new)


def _at_senders(finding: Finding) -> bool:
    return finding.rule in {"RULE_NO_TIGHTEN", "RULE_LOOSENED"}


def _change(finding: Finding, lines: Lines, whom: tuple[str, ...]) -> Change:
    place = finding.place or finding.was
    return Change(
        rule=finding.rule,
        kind=finding.kind,
        element=finding.element,
        sentence=finding.sentence,
        file=place.file if place else "",
        line=lines.line(finding.place) if finding.place else None,
        whom=whom,
    )
