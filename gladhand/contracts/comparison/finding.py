"""One difference between two contracts, with its places in both (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gladhand.contracts.place import Place


class ChangeKind(Enum):
    """What a change does to those who live by the older contract."""

    ADDED = "added"
    DEPRECATED = "deprecated"
    LOOSENED = "loosened"
    """What was accepted still is, and more."""

    TIGHTENED = "tightened"
    """Something that was accepted, allowed or granted no longer is."""

    BROKEN = "broken"
    """Something that was there is gone or means something else."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference."""

    rule: str
    """The rule that forbids it, or a name of its own where nothing does."""

    kind: ChangeKind
    element: str
    sentence: str
    place: Place | None
    """Where it shows in the newer contract: of what is gone, what it stood in. None where the file is gone too."""

    was: Place | None = None
    """Where it stands in the older contract; None for what is new."""

    whom: tuple[str, ...] = ()
    """Who notices, where that does not follow from the element."""
