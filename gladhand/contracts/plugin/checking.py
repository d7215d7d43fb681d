"""Runs the rules over the files that buf hands in, and points at the option that is at fault (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from gladhand.contracts.changes import findings
from gladhand.contracts.lint import events, lifecycles, methods, quantities
from gladhand.contracts.lint.remark import Remark
from gladhand.contracts.model import Contract
from gladhand.contracts.place import Lines, Place
from gladhand.contracts.plugin.catalog import BREAKING, RULES

LINTS: Mapping[str, Callable[[Contract], Iterator[Remark]]] = {
    "RPC_POLICY_REQUIRED": methods.policy_required,
    "MUTATION_REQUEST_ID_REQUIRED": methods.request_id_required,
    "EVENT_ROUTING_REQUIRED": events.routing_required,
    "LIFECYCLE_SOUND": lifecycles.sound,
    "QUANTITY_UNIT_REQUIRED": quantities.unit_required,
}
_BREAKS = frozenset(rule.id for rule in RULES if rule.kind == BREAKING)


@dataclass(frozen=True, slots=True)
class Annotation:
    """What buf prints: a rule, a sentence, and a place in the checked and in the older contract."""

    rule: str
    sentence: str
    place: Place | None
    was: Place | None = None


def lint(contract: Contract, own: frozenset[str], rules: Iterable[str]) -> Iterator[Annotation]:
    """Yield what the lint rules find in the files named `own`; the others are imports and somebody else's."""
    lines = Lines(contract.files)
    for rule in rules:
        for remark in LINTS[rule](contract) if rule in LINTS else ():
            if remark.place.file in own:
                yield Annotation(remark.rule, remark.sentence, lines.located(remark.place))


def breaks(
    old: Contract, new: Contract, own: frozenset[str], rules: Iterable[str], today: date
) -> Iterator[Annotation]:
    """Yield what the breaking rules find; `own` names the files of either contract that are no imports."""
    wanted, earlier, later = _BREAKS.intersection(rules), Lines(old.files), Lines(new.files)
    for finding in findings(old, new, today) if wanted else ():
        place = finding.place or finding.was
        if finding.rule in wanted and place is not None and place.file in own:
            yield Annotation(
                finding.rule,
                finding.sentence,
                later.located(finding.place) if finding.place else None,
                earlier.located(finding.was) if finding.was else None,
            )
