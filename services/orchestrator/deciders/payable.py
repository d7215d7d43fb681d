"""A carrier's invoice: audited, disputed and settled before it is posted, once (domain reference 3.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from google.protobuf.message import Message

from gladhand.decider import Decider, Rejected
from gladhand.lifecycle import MachineState
from logistics.error.v1 import ErrorReason
from logistics.invoice.v1 import (
    AuditResult,
    DisputeState,
    Payable,
    PayableApproved,
    PayableAudited,
    PayableCharge,
    PayableCommand,
    PayableDisputeAnswered,
    PayableDisputed,
    PayableDisputeSettled,
    PayableEvent,
    PayablePosted,
    PayablePostFailed,
    PayablePostingBegan,
    PayableReceived,
    PayableRejected,
    PayableState,
)
from logistics.type.v1 import ExternalReference, Money
from services.orchestrator.deciders.invoice.amounts import nanos_of
from services.orchestrator.deciders.refusal import no_way, refused, violated

_AUDITABLE = frozenset(
    {PayableState.PAYABLE_STATE_RECEIVED, PayableState.PAYABLE_STATE_MATCHED, PayableState.PAYABLE_STATE_VARIANCE}
)
_DISPUTABLE = frozenset(
    {PayableState.PAYABLE_STATE_MATCHED, PayableState.PAYABLE_STATE_VARIANCE, PayableState.PAYABLE_STATE_DISPUTED}
)
_APPROVABLE = frozenset({PayableState.PAYABLE_STATE_MATCHED, PayableState.PAYABLE_STATE_VARIANCE})
_APPROVED = frozenset(
    {
        PayableState.PAYABLE_STATE_APPROVED,
        PayableState.PAYABLE_STATE_POSTING,
        PayableState.PAYABLE_STATE_POSTED,
        PayableState.PAYABLE_STATE_POST_FAILED,
    }
)
_POSTABLE = frozenset({PayableState.PAYABLE_STATE_APPROVED, PayableState.PAYABLE_STATE_POST_FAILED})
_REJECTABLE = _AUDITABLE | {PayableState.PAYABLE_STATE_DISPUTED, PayableState.PAYABLE_STATE_POST_FAILED}
_SET_BY_US = (
    "payable_id", "erp_instance", "cost_center", "audit", "approved_by", "erp_document", "state", "version",
    "create_time", "update_time",
)  # fmt: skip
_SETTLED_FIELDS = ("agreed_amount", "dispute_state", "dispute_reason", "offered_amount", "dispute_answer")
_HALF_CENT = 5_000_000


@dataclass(frozen=True, slots=True)
class State:
    """One payable. `payable` is what everybody may see; it is never changed in place."""

    payable: Payable | None = None
    """None before birth."""
    content: Payable | None = None
    """What the carrier sent, without what we set."""
    posting_key: str = ""
    attempt: int = 0


def content_of(payable: Payable) -> Payable:
    """Return what a carrier sends, without what the orchestrator sets."""
    content = Payable()
    content.CopyFrom(payable)
    cleared: Message = content
    for name in _SET_BY_US:
        cleared.ClearField(name)
    for charge in content.charges:
        bare: Message = charge
        for name in _SETTLED_FIELDS:
            bare.ClearField(name)
    return content


def _decide(state: State, command: PayableCommand) -> Message | None:
    wish = command.WhichOneof("body")
    if wish is None:
        raise violated("body", "the command asks for nothing; set its body")
    if wish == "receive":
        return _receive(state, command)
    if state.payable is None:
        raise refused(
            ErrorReason.ERROR_REASON_PAYABLE_NOT_FOUND,
            "there is no such carrier invoice; record it first",
            payable_id=command.payable_id,
        )
    return _WISHES[wish](state, state.payable, command)


def _receive(state: State, command: PayableCommand) -> Message | None:
    told = content_of(command.receive.payable)
    if state.content is not None:
        if told == state.content:
            return None
        raise refused(
            ErrorReason.ERROR_REASON_MESSAGE_CONFLICT,
            f"invoice {told.invoice_number} of {told.carrier_scac} came before with other content; "
            "send a correction under a number of its own",
            invoice_number=told.invoice_number,
            carrier_scac=told.carrier_scac,
        )
    _check_amounts(told)
    received = PayableReceived(payable=told)
    received.payable.payable_id = command.payable_id
    return received


def _audit(_state: State, payable: Payable, command: PayableCommand) -> Message | None:
    wish = command.audit
    if payable.state not in _AUDITABLE:
        return None
    same = payable.audit == wish.audit and payable.load_id in {"", wish.load_id} and payable.HasField("audit")
    if same:
        return None
    if wish.audit.result == AuditResult.AUDIT_RESULT_UNSPECIFIED:
        raise violated("audit.result", "an audit ends in a result; say WAITING where nothing can be compared yet")
    waits = wish.audit.result == AuditResult.AUDIT_RESULT_WAITING
    if waits and payable.state != PayableState.PAYABLE_STATE_RECEIVED:
        return None
    return PayableAudited(
        audit=wish.audit, load_id=wish.load_id, erp_instance=wish.erp_instance, cost_center=wish.cost_center
    )


def _dispute(_state: State, payable: Payable, command: PayableCommand) -> Message | None:
    wish = command.dispute
    charge = _charge_of(payable, wish.charge_no)
    if charge.dispute_state == DisputeState.DISPUTE_STATE_OPEN and charge.dispute_reason == wish.reason:
        return None
    if payable.state not in _DISPUTABLE:
        raise _no_way(payable, "disputing a charge", "audit it first; what is approved or posted is no longer disputed")
    if charge.dispute_state != DisputeState.DISPUTE_STATE_UNSPECIFIED:
        raise _no_way(payable, f"disputing charge {wish.charge_no} again", "answer or settle the dispute that there is")
    if wish.HasField("offered_amount"):
        _check_within(payable, charge, wish.offered_amount, "offered_amount")
    event = PayableDisputed(charge_no=wish.charge_no, reason=wish.reason, disputed_by=wish.disputed_by)
    if wish.HasField("offered_amount"):
        event.offered_amount.CopyFrom(wish.offered_amount)
    return event


def _answer(_state: State, payable: Payable, command: PayableCommand) -> Message | None:
    wish = command.answer
    charge = _open_dispute(payable, wish.charge_no, "answering")
    if charge.dispute_answer == wish.answer and charge.offered_amount == wish.offered_amount:
        return None
    event = PayableDisputeAnswered(charge_no=wish.charge_no, answer=wish.answer, answered_by=wish.answered_by)
    if wish.HasField("offered_amount"):
        _check_within(payable, charge, wish.offered_amount, "offered_amount")
        event.offered_amount.CopyFrom(wish.offered_amount)
    return event


def _settle(_state: State, payable: Payable, command: PayableCommand) -> Message | None:
    wish = command.settle
    charge = _charge_of(payable, wish.charge_no)
    if charge.dispute_state == DisputeState.DISPUTE_STATE_RESOLVED and charge.agreed_amount == wish.agreed_amount:
        return None
    _open_dispute(payable, wish.charge_no, "settling")
    _check_within(payable, charge, wish.agreed_amount, "agreed_amount")
    return PayableDisputeSettled(
        charge_no=wish.charge_no, agreed_amount=wish.agreed_amount, note=wish.note, settled_by=wish.settled_by
    )


def _approve(_state: State, payable: Payable, command: PayableCommand) -> Message | None:
    wish = command.approve
    if payable.state in _APPROVED:
        return None
    if payable.state not in _APPROVABLE:
        raise _no_way(payable, "approving it", "it waits for its audit, or for a dispute to be settled")
    if not wish.approved_by:
        raise violated("approved_by", "say who approves; nobody nameless lets money out")
    return PayableApproved(reason=wish.reason, approved_by=wish.approved_by)


def _begin_posting(state: State, payable: Payable, command: PayableCommand) -> Message | None:
    key = command.begin_posting.posting_key
    if not key or state.posting_key not in {"", key}:
        raise violated("posting_key", f"the ERP knows this invoice under {state.posting_key or 'no key yet'}; keep it")
    if payable.state == PayableState.PAYABLE_STATE_POSTING:
        return None
    if payable.state not in _POSTABLE:
        raise _no_way(payable, "posting it", "approve it first; one that is posted stays as it is")
    return PayablePostingBegan(posting_key=key, attempt=state.attempt + 1)


def _record_posting(_state: State, payable: Payable, command: PayableCommand) -> Message | None:
    told = command.record_posting.erp_document
    if payable.HasField("erp_document"):
        if _name(told) == _name(payable.erp_document):
            return None
        raise refused(
            ErrorReason.ERROR_REASON_REFERENCE_CONFLICT,
            f"it is posted as {payable.erp_document.value}; {told.value} would be a second posting: reverse it",
            posted_as=payable.erp_document.value,
        )
    if payable.state != PayableState.PAYABLE_STATE_POSTING:
        raise _no_way(payable, "recording a posting", "begin the posting first")
    return PayablePosted(erp_document=told)


def _record_failure(_state: State, payable: Payable, command: PayableCommand) -> Message | None:
    wish = command.record_failure
    if payable.state == PayableState.PAYABLE_STATE_POST_FAILED:
        return None
    if payable.state != PayableState.PAYABLE_STATE_POSTING:
        raise _no_way(payable, "recording a refusal of the ERP", "nobody is asking the ERP")
    return PayablePostFailed(reason=wish.reason, message=wish.message)


def _reject(_state: State, payable: Payable, command: PayableCommand) -> Message | None:
    wish = command.reject
    if payable.state == PayableState.PAYABLE_STATE_REJECTED:
        return None
    if payable.state not in _REJECTABLE:
        raise _no_way(payable, "rejecting it", "it is approved or in the books; correct it there")
    return PayableRejected(reason=wish.reason, rejected_by=wish.rejected_by)


_WISHES: Mapping[str, Callable[[State, Payable, PayableCommand], Message | None]] = {
    "audit": _audit,
    "dispute": _dispute,
    "answer": _answer,
    "settle": _settle,
    "approve": _approve,
    "begin_posting": _begin_posting,
    "record_posting": _record_posting,
    "record_failure": _record_failure,
    "reject": _reject,
}


def _check_amounts(payable: Payable) -> None:
    numbers = [charge.charge_no for charge in payable.charges]
    if len(set(numbers)) != len(numbers):
        raise violated("payable.charges.charge_no", "charge numbers must differ; number the charges from 1")
    amounts = [charge.amount for charge in payable.charges] + [payable.total]
    amounts += [payable.tax] if payable.HasField("tax") else []
    strange = sorted({money.currency for money in amounts} - {payable.currency})
    if strange:
        raise violated("payable.currency", f"amounts are in {', '.join(strange)}, the invoice in {payable.currency}")
    billed = sum(nanos_of(charge.amount) for charge in payable.charges) + nanos_of(payable.tax)
    if abs(billed - nanos_of(payable.total)) >= _HALF_CENT:
        raise violated("payable.total", "charges and tax do not add up to the total; send an invoice that adds up")


def _check_within(payable: Payable, charge: PayableCharge, amount: Money, field: str) -> None:
    if amount.currency != payable.currency:
        raise violated(field, f"the invoice is in {payable.currency}, not in {amount.currency}")
    if not 0 <= nanos_of(amount) <= max(nanos_of(charge.amount), 0):
        raise violated(field, f"charge {charge.charge_no} was billed lower, or nothing is owed the other way round")


def _charge_of(payable: Payable, charge_no: int) -> PayableCharge:
    for charge in payable.charges:
        if charge.charge_no == charge_no:
            return charge
    raise violated("charge_no", f"the invoice has no charge {charge_no}; name one of its charges")


def _open_dispute(payable: Payable, charge_no: int, wish: str) -> PayableCharge:
    charge = _charge_of(payable, charge_no)
    if charge.dispute_state != DisputeState.DISPUTE_STATE_OPEN:
        raise _no_way(payable, f"{wish} a dispute of charge {charge_no}", "nobody disputes that charge")
    return charge


def _name(reference: ExternalReference) -> tuple[str, int, str]:
    return reference.system, reference.type, reference.value


def _no_way(payable: Payable, wish: str, remedy: str) -> Rejected:
    return no_way("carrier invoice", PayableState, payable.state, wish, remedy)


def _evolve(state: State, event: PayableEvent) -> State:
    payable = Payable()
    if state.payable is not None:
        payable.CopyFrom(state.payable)
    after = _applied(state, payable, event)
    payable.version = event.version
    payable.update_time.CopyFrom(event.record_time)
    return replace(after, payable=payable)


def _applied(state: State, payable: Payable, event: PayableEvent) -> State:
    name = event.WhichOneof("body") or ""
    match name:
        case "received":
            payable.CopyFrom(event.received.payable)
            payable.create_time.CopyFrom(event.record_time)
            state = replace(state, content=content_of(event.received.payable))
        case "audited":
            _take_audit(payable, event.audited)
        case "disputed":
            charge = _charge_of(payable, event.disputed.charge_no)
            charge.dispute_state = DisputeState.DISPUTE_STATE_OPEN
            charge.dispute_reason = event.disputed.reason
            charge.offered_amount.CopyFrom(event.disputed.offered_amount)
        case "dispute_answered":
            charge = _charge_of(payable, event.dispute_answered.charge_no)
            charge.dispute_answer = event.dispute_answered.answer
            charge.offered_amount.CopyFrom(event.dispute_answered.offered_amount)
        case "dispute_settled":
            charge = _charge_of(payable, event.dispute_settled.charge_no)
            charge.dispute_state = DisputeState.DISPUTE_STATE_RESOLVED
            charge.agreed_amount.CopyFrom(event.dispute_settled.agreed_amount)
            payable.approved_by = event.dispute_settled.settled_by
        case "approved":
            payable.approved_by = event.approved.approved_by
        case "posting_began":
            began = event.posting_began
            state = replace(state, posting_key=began.posting_key, attempt=began.attempt)
        case "posted":
            payable.erp_document.CopyFrom(event.posted.erp_document)
        case _:
            pass
    payable.state = _after(name, payable)
    return state


def _take_audit(payable: Payable, audited: PayableAudited) -> None:
    payable.audit.CopyFrom(audited.audit)
    payable.load_id = audited.load_id or payable.load_id
    payable.erp_instance = audited.erp_instance or payable.erp_instance
    payable.cost_center = audited.cost_center or payable.cost_center


_TARGETS: Mapping[str, PayableState.ValueType] = {
    "received": PayableState.PAYABLE_STATE_RECEIVED,
    "disputed": PayableState.PAYABLE_STATE_DISPUTED,
    "approved": PayableState.PAYABLE_STATE_APPROVED,
    "posting_began": PayableState.PAYABLE_STATE_POSTING,
    "posted": PayableState.PAYABLE_STATE_POSTED,
    "post_failed": PayableState.PAYABLE_STATE_POST_FAILED,
    "rejected": PayableState.PAYABLE_STATE_REJECTED,
}
_RESULTS: Mapping[int, PayableState.ValueType] = {
    AuditResult.AUDIT_RESULT_MATCH: PayableState.PAYABLE_STATE_MATCHED,
    AuditResult.AUDIT_RESULT_WITHIN_TOLERANCE: PayableState.PAYABLE_STATE_MATCHED,
    AuditResult.AUDIT_RESULT_VARIANCE: PayableState.PAYABLE_STATE_VARIANCE,
}


def _after(name: str, payable: Payable) -> PayableState.ValueType:
    if name == "audited":
        return _RESULTS.get(payable.audit.result, payable.state)
    if name == "dispute_settled":
        still_open = any(c.dispute_state == DisputeState.DISPUTE_STATE_OPEN for c in payable.charges)
        return PayableState.PAYABLE_STATE_DISPUTED if still_open else PayableState.PAYABLE_STATE_APPROVED
    return _TARGETS.get(name, payable.state)


def _machines(state: State) -> Mapping[str, MachineState]:
    return {"": MachineState(PayableState, state.payable.state if state.payable is not None else None)}


DECIDER: Decider[State, PayableCommand, PayableEvent] = Decider(
    envelope=PayableEvent, initial=State(), decide=_decide, evolve=_evolve, machines=_machines
)
"""The decider of a carrier's invoice."""
