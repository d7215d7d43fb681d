"""One thing that a rule finds wrong with a contract (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from gladhand.contracts.place import Place


@dataclass(frozen=True, slots=True)
class Remark:
    """What is wrong, what would be right, and where."""

    rule: str
    sentence: str
    place: Place
