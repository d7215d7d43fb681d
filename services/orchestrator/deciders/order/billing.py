"""After delivery: the review, the billing gate (domain reference 3.5), and what stands on invoices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from google.protobuf.message import Message

from gladhand.decider import Rejected
from gladhand.enums import short_name
from logistics.error.v1 import ErrorReason
from logistics.exception.v1 import Gate
from logistics.invoice.v1 import GateCheck, GateCheckKind, GateResult
from logistics.order.v1 import (
    LineMovement,
    Order,
    OrderBillingReleased,
    OrderClosed,
    OrderCommand,
    OrderInvoiced,
    OrderReviewOpened,
    OrderState,
    OrderType,
)
from services.orchestrator.deciders.order import cold_chain
from services.orchestrator.deciders.order.riding import open_stops
from services.orchestrator.deciders.order.rules import (
    accepted,
    barred,
    check_ceiling,
    check_lines,
    present,
    short_lines,
)
from services.orchestrator.deciders.order.state import State, held_at, rides_whole
from services.orchestrator.deciders.refusal import refused, violated
from services.orchestrator.quantities import decimal_of, total

_GATED = frozenset({OrderState.ORDER_STATE_DELIVERED, OrderState.ORDER_STATE_DELIVERY_REVIEW})
_BILLED = frozenset(
    {
        OrderState.ORDER_STATE_BILLABLE,
        OrderState.ORDER_STATE_PARTIALLY_INVOICED,
        OrderState.ORDER_STATE_INVOICED,
        OrderState.ORDER_STATE_CLOSED,
    }
)
_BILLABLE = frozenset({OrderState.ORDER_STATE_BILLABLE, OrderState.ORDER_STATE_PARTIALLY_INVOICED})
UNBILLED = frozenset({OrderType.ORDER_TYPE_REPLENISHMENT, OrderType.ORDER_TYPE_TRANSFER})
"""Orders of goods that stay our own: nobody is billed."""
_PROOF_REVIEWS = frozenset({"POD_MISSING", "POD_INVALID"})
WAIVABLE = frozenset(
    {
        GateCheckKind.GATE_CHECK_KIND_POD_VERIFIED,
        GateCheckKind.GATE_CHECK_KIND_COLD_CHAIN,
        GateCheckKind.GATE_CHECK_KIND_RATE_VARIANCE,
        GateCheckKind.GATE_CHECK_KIND_REFERENCES,
        GateCheckKind.GATE_CHECK_KIND_QUIET_PERIOD,
    }
)
"""Checks that a named role may let pass; what was delivered, and whether a hold stands, is not for waiving."""

_NOT_SHUTTING = frozenset({GateCheckKind.GATE_CHECK_KIND_RATE_VARIANCE})
"""Checks that shut no gate where they fail: the drafted invoice goes to review (domain reference 3.5)."""

_REASONS = {
    GateCheckKind.GATE_CHECK_KIND_STOPS_TERMINAL: ErrorReason.ERROR_REASON_TRANSITION_NOT_ALLOWED,
    GateCheckKind.GATE_CHECK_KIND_POD_VERIFIED: ErrorReason.ERROR_REASON_POD_MISSING,
    GateCheckKind.GATE_CHECK_KIND_QUANTITIES: ErrorReason.ERROR_REASON_QUANTITY_EXCEEDED,
    GateCheckKind.GATE_CHECK_KIND_COLD_CHAIN: ErrorReason.ERROR_REASON_COLD_CHAIN_OPEN,
}
"""The reason of a refusal by the check that failed; any other check answers HOLD_BLOCKS."""


def open_review(state: State, command: OrderCommand) -> Message | None:
    """Stop before billing until something is decided, or record the decision."""
    order, wish = present(state), command.open_review
    if order.state == OrderState.ORDER_STATE_DELIVERY_REVIEW and state.review is not None:
        if state.review.decided or not wish.decided:
            return None
    elif order.state not in _GATED:
        raise barred(order, "reviewing the delivery", "a review stands between delivery and billing")
    if not wish.reason:
        raise violated("reason", "name the kind of exception that must be decided")
    return OrderReviewOpened(reason=wish.reason, exception_id=wish.exception_id, decided=wish.decided)


def release_billing(state: State, command: OrderCommand) -> Message | None:
    """Open the billing gate where every check is passed, waived by a named role, or has nothing to look at."""
    order, wish = present(state), command.release_billing
    if order.state in _BILLED:
        return None
    if order.state not in _GATED:
        raise barred(order, "releasing it for billing", "every delivery stop must be done first")
    brought = _brought(order, [*wish.checks, *state.waivers.values()])
    if not any(decimal_of(line.quantities.accepted) for line in order.lines):
        raise barred(order, "billing nothing", "nothing was accepted: open a review and close the order")
    _check_review(state, order, brought)
    checks = _judged(state, order, brought)
    for check in checks:
        if check.result == GateResult.GATE_RESULT_FAIL and check.kind not in _NOT_SHUTTING:
            raise _shut(check)
    return OrderBillingReleased(checks=checks, policy_version=wish.policy_version)


def gate_checks(state: State, brought: Iterable[GateCheck]) -> list[GateCheck]:
    """Return every check of the gate with its result, whether it would open or not; empty before birth.

    `brought` are the checks that the policy decides. Raises Rejected as `release_billing` does for a bad waiver.
    """
    order = state.order
    return [] if order is None else _judged(state, order, _brought(order, [*brought, *state.waivers.values()]))


def _judged(state: State, order: Order, brought: dict[int, GateCheck]) -> list[GateCheck]:
    checks = [_settled(check, brought) for check in (make(state, order) for make in _OWN_CHECKS)]
    own = {check.kind for check in checks}
    return checks + [check for kind, check in brought.items() if kind not in own]


def record_invoice(state: State, command: OrderCommand) -> Message | None:
    """Record a posted invoice; all invoices together never pass the accepted quantity of a line."""
    order, wish = present(state), command.record_invoice
    posted = state.invoices.get(wish.invoice_id)
    if posted is not None:
        if posted == tuple(wish.lines):
            return None
        raise refused(
            ErrorReason.ERROR_REASON_MESSAGE_CONFLICT,
            f"invoice {wish.invoice_id} was recorded with other lines; a posted invoice never changes, credit it",
            invoice_id=wish.invoice_id,
        )
    if order.state not in _BILLABLE:
        raise barred(order, "recording an invoice", "the billing gate must open first, and only what is open is billed")
    check_lines(order, wish.lines)
    others = [line for lines in state.invoices.values() for line in lines]
    check_ceiling(order, accepted(order), others, wish.lines, "invoiced")
    event = OrderInvoiced(
        invoice_id=wish.invoice_id, lines=wish.lines, complete=_all_billed(order, [*others, *wish.lines])
    )
    if wish.HasField("erp_invoice"):
        event.erp_invoice.CopyFrom(wish.erp_invoice)
    return event


def close(state: State, command: OrderCommand) -> Message | None:
    """Close an order that is invoiced, or of which nothing is to be billed."""
    order, wish = present(state), command.close
    if order.state == OrderState.ORDER_STATE_CLOSED:
        return None
    holds = held_at(state, Gate.GATE_BILLING)
    if holds:
        raise _held(order, holds)
    kept = any(decimal_of(line.quantities.accepted) for line in order.lines)
    if order.state in _GATED:
        if kept and order.order_type not in UNBILLED:
            raise barred(order, "closing", "something was accepted: release it for billing")
        if kept or order.state == OrderState.ORDER_STATE_DELIVERED:
            for check in (_stops_terminal(state, order), _pod_verified(state, order)):
                if check.result == GateResult.GATE_RESULT_FAIL:
                    raise _shut(check)
        _check_review(state, order, {})
    elif order.state == OrderState.ORDER_STATE_BILLABLE:
        if kept or state.invoices:
            raise barred(order, "closing", "bill what was accepted")
    elif order.state != OrderState.ORDER_STATE_INVOICED:
        raise barred(order, "closing", "bill it first, or cancel it")
    return OrderClosed(reason=wish.reason)


def _brought(order: Order, checks: Iterable[GateCheck]) -> dict[int, GateCheck]:
    """Return the caller's checks by kind. Raises Rejected where one waives what may not be waived, or namelessly."""
    brought: dict[int, GateCheck] = {}
    for check in checks:
        if check.result == GateResult.GATE_RESULT_WAIVED:
            decides = check.kind == GateCheckKind.GATE_CHECK_KIND_QUANTITIES
            in_review = order.state == OrderState.ORDER_STATE_DELIVERY_REVIEW
            if not check.waived_by or not (check.kind in WAIVABLE or (decides and in_review)):
                raise refused(
                    ErrorReason.ERROR_REASON_NOT_PERMITTED,
                    f"{_name(check)} may be waived only where the policy lets it, and by somebody named",
                    check=_name(check),
                )
        before = brought.get(check.kind)
        if (
            check.result != GateResult.GATE_RESULT_WAIVED
            or before is None
            or before.result == GateResult.GATE_RESULT_FAIL
        ):
            brought[check.kind] = check
    return brought


def _check_review(state: State, order: Order, brought: dict[int, GateCheck]) -> None:
    """Refuse while something about the delivery is to be decided."""
    word = brought.get(GateCheckKind.GATE_CHECK_KIND_QUANTITIES)
    if word is not None and word.result == GateResult.GATE_RESULT_WAIVED:
        return
    short = short_lines(order)
    review = state.review
    if order.state == OrderState.ORDER_STATE_DELIVERED:
        open_question = "SHORTAGE" if short else ""
    elif review is None or review.decided:
        open_question = ""
    else:
        settled = review.reason in _PROOF_REVIEWS and not short and not _unverified(state)
        open_question = "" if settled else review.reason
    if open_question:
        raise refused(
            ErrorReason.ERROR_REASON_HOLD_BLOCKS,
            f"order {order.order_id} waits for a decision about its delivery ({open_question}): open a review and "
            "let the policy or a person decide",
            gate="billing",
            review=open_question,
            line_ids=",".join(short),
        )


def _settled(check: GateCheck, brought: dict[int, GateCheck]) -> GateCheck:
    """Let the caller's waiver stand for a check that the order cannot pass itself."""
    other = brought.get(check.kind)
    if other is None:
        return check
    if other.result == GateResult.GATE_RESULT_FAIL and check.kind == GateCheckKind.GATE_CHECK_KIND_NO_BILLING_HOLD:
        # The order knows its own holds; those of its loads and stops somebody else must bring.
        return _both(check, other)
    if check.result != GateResult.GATE_RESULT_FAIL:
        return check
    return other if other.result == GateResult.GATE_RESULT_WAIVED and check.kind in WAIVABLE else check


def _both(own: GateCheck, other: GateCheck) -> GateCheck:
    return _fail(own.kind, other.message, sorted({*own.evidence_ids, *other.evidence_ids}))


def _stops_terminal(state: State, order: Order) -> GateCheck:
    kind = GateCheckKind.GATE_CHECK_KIND_STOPS_TERMINAL
    given_up = bool(state.remainder) or order.turned_back
    missing = [] if given_up else open_stops(state)
    if missing or not (given_up or rides_whole(state, order)):
        return _fail(kind, f"delivery stops are not done: {', '.join(missing) or 'lines without a load'}", missing)
    return _pass(kind)


def _pod_verified(state: State, _order: Order) -> GateCheck:
    kind = GateCheckKind.GATE_CHECK_KIND_POD_VERIFIED
    missing = _unverified(state)
    if missing or not state.deliveries:
        return _fail(kind, f"no verified proof of delivery for stop {', '.join(missing)}", missing)
    return _pass(kind, [there.pod_id for there in state.deliveries.values()])


def _no_billing_hold(state: State, _order: Order) -> GateCheck:
    kind = GateCheckKind.GATE_CHECK_KIND_NO_BILLING_HOLD
    holds = held_at(state, Gate.GATE_BILLING)
    return _fail(kind, "a hold blocks billing", holds) if holds else _pass(kind)


def _quantities(_state: State, order: Order) -> GateCheck:
    kind = GateCheckKind.GATE_CHECK_KIND_QUANTITIES
    for line in order.lines:
        if decimal_of(line.quantities.invoiced) > decimal_of(line.quantities.accepted):
            return _fail(kind, f"line {line.line_id} has more invoiced than accepted", [line.line_id])
    return _pass(kind)


_OWN_CHECKS: tuple[Callable[[State, Order], GateCheck], ...] = (
    _stops_terminal,
    _pod_verified,
    _no_billing_hold,
    _quantities,
    cold_chain.check,
)


def _pass(kind: GateCheckKind.ValueType, evidence: Iterable[str] = ()) -> GateCheck:
    return GateCheck(kind=kind, result=GateResult.GATE_RESULT_PASS, evidence_ids=evidence)


def _fail(kind: GateCheckKind.ValueType, message: str, evidence: Iterable[str]) -> GateCheck:
    return GateCheck(kind=kind, result=GateResult.GATE_RESULT_FAIL, message=message, evidence_ids=evidence)


def _unverified(state: State) -> list[str]:
    """Return the delivery stops at which something was set down without a verified proof."""
    return [stop_id for (_, stop_id), there in state.deliveries.items() if there.lines and not there.proof_verified]


def _shut(check: GateCheck) -> Rejected:
    reason = _REASONS.get(check.kind, ErrorReason.ERROR_REASON_HOLD_BLOCKS)
    metadata = {"gate": "billing", "check": _name(check)}
    if check.kind == GateCheckKind.GATE_CHECK_KIND_NO_BILLING_HOLD:
        metadata["hold_ids"] = ",".join(check.evidence_ids)
    elif check.evidence_ids:
        metadata["evidence_ids"] = ",".join(check.evidence_ids)
    return refused(reason, f"the billing gate is shut: {check.message or _name(check)}", **metadata)


def _held(order: Order, holds: tuple[str, ...]) -> Rejected:
    return refused(
        ErrorReason.ERROR_REASON_HOLD_BLOCKS,
        f"order {order.order_id} cannot be closed: a hold blocks billing; release it first",
        gate="billing",
        hold_ids=",".join(holds),
    )


def _name(check: GateCheck) -> str:
    return short_name(GateCheckKind, check.kind)


def _all_billed(order: Order, lines: Sequence[LineMovement]) -> bool:
    return all(
        total(decimal_of(billed.quantity) for billed in lines if billed.line_id == line_id) == kept
        for line_id, kept in accepted(order).items()
    )
