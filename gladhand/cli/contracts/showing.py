"""How changes of a contract are told: grouped by what they do, with the place, the sentence and who notices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from gladhand.cli.output import print_json, screen, table
from gladhand.contracts.changes import Change, ChangeKind
from gladhand.contracts.plugin.catalog import BREAKING, RULES

_WORST_FIRST = tuple(reversed(ChangeKind))
_SHOWN = 2
_FORBIDDEN = frozenset(rule.id for rule in RULES if rule.kind == BREAKING)
_PACKAGE = re.compile(r"(.+\.v)(\d+)(?:\.|$)")


def breaks(changes: Iterable[Change]) -> bool:
    """Whether somebody loses something."""
    return any(change.kind in {ChangeKind.BROKEN, ChangeKind.TIGHTENED} for change in changes)


def forbidden(changes: Iterable[Change]) -> list[Change]:
    """The changes that a released contract must not see: what breaks, and what a rule of the plugin forbids."""
    return [change for change in changes if change.kind is ChangeKind.BROKEN or change.rule in _FORBIDDEN]


def remedy(change: Change) -> str:
    """A change with its place, and the package that could take it."""
    match = _PACKAGE.match(change.element)
    beside = (
        f"; or change it in a new package {match[1]}{int(match[2]) + 1} beside {match[1]}{match[2]}" if match else ""
    )
    return f"{place_of(change)}: {change.sentence}{beside} ({change.rule})"


def place_of(change: Change) -> str:
    """Where a change shows: file and line; empty where it has no place."""
    return f"{change.file}:{change.line}" if change.line else change.file


def change_as_dict(change: Change) -> dict[str, Any]:
    """A change as programs get it."""
    return {
        "kind": change.kind.value,
        "rule": change.rule,
        "element": change.element,
        "sentence": change.sentence,
        "file": change.file,
        "line": change.line,
        "whom": list(change.whom),
    }


def show(changes: Sequence[Change], old: str, new: str, *, as_json: bool) -> None:
    """Print what changed from one contract to the other."""
    if as_json:
        print_json(
            {
                "old": old,
                "new": new,
                "breaks": breaks(changes),
                "changes": [change_as_dict(change) for change in changes],
            }
        )
        return
    console = screen()
    for kind in _WORST_FIRST:
        rows = [
            (place_of(change), change.sentence, _whom(change), change.rule) for change in changes if change.kind is kind
        ]
        if rows:
            console.print(table(("where", "what", "for whom", "rule"), rows, f"{kind.value} ({len(rows)})"))
    counts = [f"{count} {kind.value}" for kind in _WORST_FIRST if (count := sum(c.kind is kind for c in changes))]
    console.print(f"{old} to {new}: {', '.join(counts) or 'nothing changed'}", highlight=False)


def _whom(change: Change) -> str:
    """Who notices, in few words; the document has them all."""
    callers = [_short(who) for who in change.whom if who.startswith("callers")]
    others = [who for who in change.whom if not who.startswith("callers")]
    return "; ".join(_some(group) for group in (others, callers) if group)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _short(who: str) -> str:
    """Callers without the package of the method: `callers of OrderService/Get (INTERNAL)`."""
    return re.sub(r"of [a-z0-9_.]+\.", "of ", who)
