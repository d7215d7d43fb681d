"""Goods that nobody kept: what becomes of them, on which load, and their receipt in the ERP (pure; domain 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, timedelta

from gladhand import ids
from logistics.exception.v1 import ExceptionKind
from logistics.order.v1 import (
    ClaimState,
    Disposition,
    DispositionOrigin,
    GoodsDisposition,
    LineQuantity,
    OrderClaim,
    OrderState,
)
from services.orchestrator.deciders.order.disposing import aboard, find_disposition, rejected_at
from services.orchestrator.phases.steps import Dispose, LayGoods, ReceiveReturn, Report, Settle, Situation, Step, Wait

_RETURN_WITHIN = timedelta(days=7)
_BEFORE_THE_ROAD = frozenset(
    {
        OrderState.ORDER_STATE_DRAFT,
        OrderState.ORDER_STATE_RECEIVED,
        OrderState.ORDER_STATE_VALIDATING,
        OrderState.ORDER_STATE_REJECTED,
        OrderState.ORDER_STATE_ON_HOLD,
        OrderState.ORDER_STATE_RELEASED,
        OrderState.ORDER_STATE_PLANNED,
        OrderState.ORDER_STATE_DISPATCHED,
    }
)
_TRAVELLING = frozenset({Disposition.DISPOSITION_RETURN, Disposition.DISPOSITION_RESHIP})
_SETTLED = frozenset({ClaimState.CLAIM_STATE_TAKEN_IN, ClaimState.CLAIM_STATE_CREDITED})


def returning(s: Situation) -> Iterator[Step]:
    """Yield what goods that nobody kept need next, each thing that can be done now beside the others."""
    if s.order.state in _BEFORE_THE_ROAD:
        return
    for wanted in undecided(s):
        yield Dispose(wanted)
    for known in s.order.dispositions:
        if known.lines:
            yield from _carried_out(s, known)


def undecided(s: Situation) -> Iterator[GoodsDisposition]:
    """Yield the decision by policy for goods about which nobody has decided, or of which the facts have changed."""
    for load_id, stop_id in s.known.deliveries:
        lines = rejected_at(s.known, (load_id, stop_id))
        disposition_id = ids.derive(s.order.order_id, "rejected", load_id, stop_id)
        wanted = _by_policy(s, disposition_id, lines, DispositionOrigin.DISPOSITION_ORIGIN_REJECTED)
        wanted.source_load_id, wanted.source_stop_id = load_id, stop_id
        yield from _news(s, wanted)
    if s.order.turned_back or s.known.remainder:
        for load_id in sorted({load_id for load_id, _ in s.known.pickups}):
            yield from _news(s, _aboard(s, load_id))
    for claim in s.order.claims:
        if claim.state in _SETTLED:
            yield from _news(s, _claimed(s, claim))


def open_reshipment(s: Situation) -> bool:
    """Return whether goods are still to be delivered once more."""
    return any(
        known.disposition == Disposition.DISPOSITION_RESHIP
        and known.lines
        and (known.load_id, known.stop_id) not in s.known.deliveries
        for known in s.order.dispositions
    )


def _aboard(s: Situation, load_id: str) -> GoodsDisposition:
    disposition_id = ids.derive(s.order.order_id, "turned back", load_id)
    wanted = GoodsDisposition(
        disposition_id=disposition_id,
        disposition=Disposition.DISPOSITION_RETURN,
        origin=DispositionOrigin.DISPOSITION_ORIGIN_TURNED_BACK,
        lines=aboard(s.known, s.order, load_id),
        source_load_id=load_id,
    )
    if s.order.HasField("turn_back_place"):
        wanted.place.CopyFrom(s.order.turn_back_place)
    _set_due(s, wanted)
    return wanted


def _claimed(s: Situation, claim: OrderClaim) -> GoodsDisposition:
    wanted = _by_policy(
        s,
        ids.derive(claim.claim_id, "disposition"),
        claim.lines,
        DispositionOrigin.DISPOSITION_ORIGIN_CLAIMED,
        claim.disposition,
    )
    wanted.claim_id = claim.claim_id
    wanted.shipped_in_erp = claim.state == ClaimState.CLAIM_STATE_CREDITED or "post_delivery" in s.done
    return wanted


def _by_policy(
    s: Situation,
    disposition_id: str,
    lines: Iterable[LineQuantity],
    origin: DispositionOrigin.ValueType,
    asked: Disposition.ValueType = Disposition.DISPOSITION_UNSPECIFIED,
) -> GoodsDisposition:
    by_rule = s.policy.rejection.disposition or Disposition.DISPOSITION_RETURN
    again = by_rule == Disposition.DISPOSITION_RESHIP
    if again and origin == DispositionOrigin.DISPOSITION_ORIGIN_CLAIMED:
        by_rule = Disposition.DISPOSITION_RETURN
    wanted = GoodsDisposition(disposition_id=disposition_id, disposition=asked or by_rule, origin=origin, lines=lines)
    if wanted.disposition == Disposition.DISPOSITION_RETURN:
        _set_due(s, wanted)
    return wanted


def _set_due(s: Situation, wanted: GoodsDisposition) -> None:
    within = s.policy.rejection.return_within
    span = timedelta(seconds=within.seconds) if within.seconds else _RETURN_WITHIN
    wanted.due_time.FromDatetime(s.now + span)


def _news(s: Situation, wanted: GoodsDisposition) -> Iterator[GoodsDisposition]:
    """Yield a decision that is new, or whose goods are others than those decided about and do not travel yet."""
    known = find_disposition(s.order, wanted.disposition_id)
    if known is None:
        if wanted.lines:
            yield wanted
        return
    if known.load_id or known.HasField("return_time") or list(known.lines) == list(wanted.lines):
        return
    changed = GoodsDisposition()
    changed.CopyFrom(known)
    del changed.lines[:]
    changed.lines.extend(wanted.lines)
    yield changed


def _carried_out(s: Situation, known: GoodsDisposition) -> Iterator[Step]:
    if known.disposition not in _TRAVELLING:
        return
    if not known.load_id:
        tried = sum(1 for key in s.done if key.startswith(f"lay_goods/{known.disposition_id}/"))
        yield LayGoods(known.disposition_id, tried)
    if known.disposition != Disposition.DISPOSITION_RETURN:
        return
    overdue = Report(
        ExceptionKind.EXCEPTION_KIND_RETURN_OVERDUE,
        "Goods that should come back have not: find them, and hand in the proof of their return.",
        about=known.disposition_id,
    )
    if known.HasField("return_time"):
        if known.returned and ReceiveReturn(known.disposition_id).key not in s.done:
            yield ReceiveReturn(known.disposition_id)
        settled = Settle(overdue, "RETURNED", "the goods are back")
        if overdue.key in s.done and settled.key not in s.done:
            yield settled
        return
    due = known.due_time.ToDatetime(tzinfo=UTC)
    if due > s.now:
        yield Wait("goods are to come back", due)
    elif overdue.key not in s.done:
        yield overdue
    else:
        yield Wait("goods that should have come back are missing")
