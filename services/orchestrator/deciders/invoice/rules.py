"""The rules of an invoice: through the gate, laid down, posted once, never changed after."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from google.protobuf.message import Message

from gladhand.decider import Rejected
from gladhand.enums import short_name
from logistics.error.v1 import ErrorReason
from logistics.invoice.v1 import (
    GateCheck,
    GateCheckKind,
    GateResult,
    Invoice,
    InvoiceApproved,
    InvoiceBlocked,
    InvoiceCommand,
    InvoiceDrafted,
    InvoiceOpened,
    InvoicePosted,
    InvoicePostFailed,
    InvoicePostingBegan,
    InvoiceReleased,
    InvoiceReviewRequested,
    InvoiceState,
    InvoiceVoided,
)
from services.orchestrator.deciders.invoice.amounts import nanos_of
from services.orchestrator.deciders.invoice.crediting import credit
from services.orchestrator.deciders.invoice.state import State, name_of
from services.orchestrator.deciders.refusal import no_way, refused, violated
from services.orchestrator.quantities import ZERO, decimal_of

_BEFORE_GATE = frozenset({InvoiceState.INVOICE_STATE_NOT_READY, InvoiceState.INVOICE_STATE_BLOCKED})
_BLOCKABLE = _BEFORE_GATE | {InvoiceState.INVOICE_STATE_READY}
_DRAFTABLE = frozenset(
    {
        InvoiceState.INVOICE_STATE_READY,
        InvoiceState.INVOICE_STATE_DRAFT,
        InvoiceState.INVOICE_STATE_IN_REVIEW,
        InvoiceState.INVOICE_STATE_APPROVED,
        InvoiceState.INVOICE_STATE_POST_FAILED,
    }
)
_APPROVABLE = frozenset({InvoiceState.INVOICE_STATE_DRAFT, InvoiceState.INVOICE_STATE_IN_REVIEW})
_APPROVED = frozenset(
    {
        InvoiceState.INVOICE_STATE_APPROVED,
        InvoiceState.INVOICE_STATE_POSTING,
        InvoiceState.INVOICE_STATE_POSTED,
        InvoiceState.INVOICE_STATE_POST_FAILED,
    }
)
_POSTABLE = frozenset({InvoiceState.INVOICE_STATE_APPROVED, InvoiceState.INVOICE_STATE_POST_FAILED})
_UNVOIDABLE = frozenset({InvoiceState.INVOICE_STATE_POSTING, InvoiceState.INVOICE_STATE_POSTED})
_NEEDED: Mapping[int, ErrorReason.ValueType] = {
    GateCheckKind.GATE_CHECK_KIND_POD_VERIFIED: ErrorReason.ERROR_REASON_POD_MISSING,
    GateCheckKind.GATE_CHECK_KIND_NO_BILLING_HOLD: ErrorReason.ERROR_REASON_HOLD_BLOCKS,
}
_SET_BY_US = (
    "state", "checks", "version", "create_time", "update_time", "post_time", "credit_invoice_ids", "credited_lines",
)  # fmt: skip
_HALF_CENT = 5_000_000


def decide(state: State, command: InvoiceCommand) -> Message | None:
    """Return the event that a command causes, or None. Raises Rejected."""
    wish = command.WhichOneof("body")
    if wish == "open":
        return _open(state, command)
    if wish is None:
        raise violated("body", "the command asks for nothing; set its body")
    if state.invoice is None:
        raise refused(
            ErrorReason.ERROR_REASON_INVOICE_NOT_FOUND,
            "there is no such invoice; begin billing first",
            invoice_id=command.invoice_id,
        )
    return _WISHES[wish](state, state.invoice, command)


def _open(state: State, command: InvoiceCommand) -> Message | None:
    told = _content(command.open.invoice)
    if told.invoice_id != command.invoice_id:
        raise violated("invoice.invoice_id", f"the invoice names itself {told.invoice_id}; the ids must agree")
    if state.opened is None:
        return InvoiceOpened(invoice=told)
    if told == state.opened:
        return None
    raise refused(
        ErrorReason.ERROR_REASON_REFERENCE_CONFLICT,
        f"billing under {told.invoice_id} began with other content; correct it by drafting, or by a credit memo",
        invoice_id=told.invoice_id,
    )


def _block(state: State, invoice: Invoice, command: InvoiceCommand) -> Message | None:
    wish = command.block
    failed = any(check.result == GateResult.GATE_RESULT_FAIL for check in wish.checks)
    if not failed and not wish.hold_ids:
        raise violated("checks", "an invoice is blocked by a failed check or a hold; name one")
    blocked = invoice.state == InvoiceState.INVOICE_STATE_BLOCKED
    if blocked and tuple(wish.checks) == tuple(invoice.checks) and tuple(wish.hold_ids) == state.hold_ids:
        return None
    if invoice.state not in _BLOCKABLE:
        raise _no_way(invoice, "blocking it", "void it, or credit it once posted")
    return InvoiceBlocked(checks=wish.checks, hold_ids=wish.hold_ids)


def _release(_state: State, invoice: Invoice, command: InvoiceCommand) -> Message | None:
    """Pass the gate, on the checks of the order's own gate. Never without proof and with a billing hold."""
    wish = command.release
    if invoice.state == InvoiceState.INVOICE_STATE_VOIDED:
        raise _no_way(invoice, "releasing it", "bill anew")
    if invoice.state not in _BEFORE_GATE:
        return None
    by_kind: dict[int, GateCheck] = {check.kind: check for check in wish.checks}
    for check in wish.checks:
        if not _passes(check):
            raise _shut(check.kind, f"the billing gate is shut: {check.message or _kind(check.kind)}")
    for kind in _NEEDED:
        if kind not in by_kind or by_kind[kind].result == GateResult.GATE_RESULT_NOT_APPLICABLE:
            raise _shut(kind, f"{_kind(kind)} is not among the checks; bring the checks of the order's billing gate")
    return InvoiceReleased(checks=wish.checks, policy_version=wish.policy_version)


def _draft(state: State, invoice: Invoice, command: InvoiceCommand) -> Message | None:
    told = _content(command.draft.invoice)
    if state.content is not None and told == state.content and invoice.state != InvoiceState.INVOICE_STATE_POST_FAILED:
        return None
    if invoice.state not in _DRAFTABLE:
        raise _no_way(invoice, "changing its lines", "correct it by a credit memo once it is posted")
    for name in ("invoice_id", "order_id", "currency", "region", "erp_instance"):
        was, now = getattr(invoice, name), getattr(told, name)
        if was != now:
            raise violated(f"invoice.{name}", f"{name} is {was} and cannot become {now}; void it and bill anew")
    _check_lines(told)
    _check_amounts(told)
    return InvoiceDrafted(invoice=told)


def _approve(_state: State, invoice: Invoice, command: InvoiceCommand) -> Message | None:
    if invoice.state in _APPROVED:
        return None
    if invoice.state not in _APPROVABLE:
        raise _no_way(invoice, "approving it", "lay down its lines first")
    wish = command.approve
    if invoice.state == InvoiceState.INVOICE_STATE_IN_REVIEW and not wish.approved_by:
        raise refused(
            ErrorReason.ERROR_REASON_NOT_PERMITTED,
            f"invoice {invoice.invoice_id} is in review: a person approves or revises it, no rule does",
            invoice_id=invoice.invoice_id,
        )
    return InvoiceApproved(reason=wish.reason, approved_by=wish.approved_by)


def _request_review(_state: State, invoice: Invoice, command: InvoiceCommand) -> Message | None:
    check = command.request_review.check
    if check.result != GateResult.GATE_RESULT_FAIL:
        raise violated("check.result", "only a check that failed asks for a review; let the invoice be approved")
    if invoice.state == InvoiceState.INVOICE_STATE_IN_REVIEW:
        return None
    if invoice.state != InvoiceState.INVOICE_STATE_DRAFT:
        raise _no_way(invoice, "reviewing it", "only a draft is reviewed")
    return InvoiceReviewRequested(reason=check.message, check=check)


def _begin_posting(state: State, invoice: Invoice, command: InvoiceCommand) -> Message | None:
    key = command.begin_posting.posting_key
    if not key:
        raise violated("posting_key", "a posting needs the key under which the ERP will know it")
    if state.posting_key and key != state.posting_key:
        raise refused(
            ErrorReason.ERROR_REASON_REFERENCE_CONFLICT,
            f"invoice {invoice.invoice_id} is posted under {state.posting_key}; look that key up in the ERP",
            invoice_id=invoice.invoice_id,
            posting_key=state.posting_key,
        )
    if invoice.state == InvoiceState.INVOICE_STATE_POSTING:
        return None
    if invoice.state not in _POSTABLE:
        raise _no_way(invoice, "posting it", "it is in the ERP's books" if state.erp_invoice else "approve it first")
    return InvoicePostingBegan(posting_key=key, attempt=state.attempt + 1)


def _record_posting(state: State, invoice: Invoice, command: InvoiceCommand) -> Message | None:
    wish = command.record_posting
    if not wish.erp_invoice.value:
        raise violated("erp_invoice.value", "a posted invoice has a number of the ERP's own; give it")
    if state.erp_invoice is not None:
        if name_of(wish.erp_invoice) == name_of(state.erp_invoice):
            return None
        raise refused(
            ErrorReason.ERROR_REASON_REFERENCE_CONFLICT,
            f"invoice {invoice.invoice_id} is posted as {state.erp_invoice.value}; {wish.erp_invoice.value} would be a "
            "second posting: reverse it in the ERP",
            invoice_id=invoice.invoice_id,
            posted_as=state.erp_invoice.value,
        )
    if invoice.state != InvoiceState.INVOICE_STATE_POSTING:
        raise _no_way(invoice, "recording a posting", "begin the posting first")
    posted = InvoicePosted(erp_invoice=wish.erp_invoice, lines=wish.lines)
    if wish.HasField("post_time"):
        posted.post_time.CopyFrom(wish.post_time)
    if wish.HasField("total"):
        posted.total.CopyFrom(wish.total)
    return posted


def _record_failure(_state: State, invoice: Invoice, command: InvoiceCommand) -> Message | None:
    wish = command.record_failure
    if invoice.state == InvoiceState.INVOICE_STATE_POST_FAILED:
        return None
    if invoice.state != InvoiceState.INVOICE_STATE_POSTING:
        raise _no_way(invoice, "recording a refusal of the ERP", "nobody is asking the ERP")
    return InvoicePostFailed(reason=wish.reason, message=wish.message)


def _void(_state: State, invoice: Invoice, command: InvoiceCommand) -> Message | None:
    if invoice.state == InvoiceState.INVOICE_STATE_VOIDED:
        return None
    if invoice.state in _UNVOIDABLE:
        posted = invoice.state == InvoiceState.INVOICE_STATE_POSTED
        raise _no_way(invoice, "voiding it", "write a credit memo" if posted else "wait for the ERP's answer")
    return InvoiceVoided(reason=command.void.reason)


def _passes(check: GateCheck) -> bool:
    if check.result == GateResult.GATE_RESULT_WAIVED:
        # A hold is released, not waived.
        return bool(check.waived_by) and check.kind != GateCheckKind.GATE_CHECK_KIND_NO_BILLING_HOLD
    if check.kind == GateCheckKind.GATE_CHECK_KIND_RATE_VARIANCE and check.result == GateResult.GATE_RESULT_FAIL:
        # It shuts no gate: the draft goes to review.
        return True
    return check.result in {GateResult.GATE_RESULT_PASS, GateResult.GATE_RESULT_NOT_APPLICABLE}


def _shut(kind: int, message: str) -> Rejected:
    reason = _NEEDED.get(kind, ErrorReason.ERROR_REASON_HOLD_BLOCKS)
    return refused(reason, message, gate="billing", check=_kind(kind))


def _kind(kind: int) -> str:
    return short_name(GateCheckKind, kind)


def _no_way(invoice: Invoice, wish: str, remedy: str) -> Rejected:
    return no_way("invoice", InvoiceState, invoice.state, wish, remedy)


def _content(invoice: Invoice) -> Invoice:
    content = Invoice()
    content.CopyFrom(invoice)
    cleared: Message = content
    for name in _SET_BY_US:
        cleared.ClearField(name)
    return content


def _check_lines(invoice: Invoice) -> None:
    if not invoice.lines:
        raise violated("invoice.lines", "an invoice needs at least one line")
    numbers = [line.line_no for line in invoice.lines]
    if len(set(numbers)) != len(numbers):
        raise violated("invoice.lines.line_no", "line numbers must differ; number the lines from 1")
    for line in invoice.lines:
        if decimal_of(line.quantity) <= ZERO:
            raise violated("invoice.lines.quantity", f"line {line.line_no} charges nothing; leave it out")


def _check_amounts(invoice: Invoice) -> None:
    """Check that lines and taxes make the total, to the cent, as far as the ERP priced them (domain reference 2.9)."""
    amounts = [*(line.amount for line in invoice.lines if line.HasField("amount"))]
    given = [invoice.net] if invoice.HasField("net") else []
    given += [invoice.tax] if invoice.HasField("tax") else []
    given += [invoice.total] if invoice.HasField("total") else []
    strange = sorted({money.currency for money in [*amounts, *given]} - {invoice.currency})
    if strange:
        raise violated(
            "invoice.lines.amount", f"amounts are in {', '.join(strange)}, the invoice in {invoice.currency}"
        )
    if len(amounts) < len(invoice.lines):
        return
    net = sum(nanos_of(money) for money in amounts)
    if invoice.HasField("net") and abs(net - nanos_of(invoice.net)) >= _HALF_CENT:
        raise violated("invoice.net", "the lines do not add up to the net amount")
    if invoice.HasField("total") and abs(net + nanos_of(invoice.tax) - nanos_of(invoice.total)) >= _HALF_CENT:
        raise violated("invoice.total", "lines and tax do not add up to the total")


_WISHES: Mapping[str, Callable[[State, Invoice, InvoiceCommand], Message | None]] = {
    "block": _block,
    "release": _release,
    "draft": _draft,
    "approve": _approve,
    "begin_posting": _begin_posting,
    "record_posting": _record_posting,
    "record_failure": _record_failure,
    "void": _void,
    "credit": credit,
    "request_review": _request_review,
}
