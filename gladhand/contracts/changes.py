"""What changed between two contracts, for whom, and whether it breaks anybody (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gladhand.contracts.comparison import elements
from gladhand.contracts.comparison.finding import ChangeKind, Finding
from gladhand.contracts.model import Contract, read

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


def compare(old: FileDescriptorSet, new: FileDescriptorSet) -> tuple[Change, ...]:
    """Return every change from one contract to the other, the worst first."""
    before, after = read(old.file), read(new.file)
    found = (_change(finding, after) for finding in findings(before, after))
    worst = list(reversed(ChangeKind))
    return tuple(sorted(found, key=lambda change: (worst.index(change.kind), change.file, change.line or 0)))


def findings(old: Contract, new: Contract) -> Iterator[Finding]:
    """Yield every difference with its places; `compare` is the same for people and programs."""
    yield from elements.compare(old, new)


def _change(finding: Finding, new: Contract) -> Change:
    place = finding.place or finding.was
    return Change(
        rule=finding.rule,
        kind=finding.kind,
        element=finding.element,
        sentence=finding.sentence,
        file=place.file if place else "",
        line=new.line(finding.place) if finding.place else None,
    )
