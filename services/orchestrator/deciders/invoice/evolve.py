"""What each event makes of an invoice. Nothing is refused here: the past already happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from logistics.invoice.v1 import (
    GateCheck,
    GateResult,
    Invoice,
    InvoiceEvent,
    InvoiceLine,
    InvoicePosted,
    InvoiceState,
)
from services.orchestrator.deciders.invoice.amounts import money_of, nanos_of
from services.orchestrator.deciders.invoice.state import State, name_of

_TARGETS: Mapping[str, InvoiceState.ValueType] = {
    "opened": InvoiceState.INVOICE_STATE_NOT_READY,
    "blocked": InvoiceState.INVOICE_STATE_BLOCKED,
    "released": InvoiceState.INVOICE_STATE_READY,
    "drafted": InvoiceState.INVOICE_STATE_DRAFT,
    "review_requested": InvoiceState.INVOICE_STATE_IN_REVIEW,
    "approved": InvoiceState.INVOICE_STATE_APPROVED,
    "posting_began": InvoiceState.INVOICE_STATE_POSTING,
    "posted": InvoiceState.INVOICE_STATE_POSTED,
    "post_failed": InvoiceState.INVOICE_STATE_POST_FAILED,
    "voided": InvoiceState.INVOICE_STATE_VOIDED,
}


def evolve(state: State, event: InvoiceEvent) -> State:
    """Return the state after an event; one that this version does not know changes the version alone."""
    invoice = Invoice()
    if state.invoice is not None:
        invoice.CopyFrom(state.invoice)
    name = event.WhichOneof("body") or ""
    after = _applied(state, invoice, event, name)
    target = _TARGETS.get(name)
    if target is not None:
        invoice.state = target
    invoice.version = event.version
    invoice.update_time.CopyFrom(event.record_time)
    return replace(after, invoice=invoice)


def _applied(state: State, invoice: Invoice, event: InvoiceEvent, name: str) -> State:
    match name:
        case "opened":
            invoice.CopyFrom(event.opened.invoice)
            invoice.create_time.CopyFrom(event.record_time)
            return replace(state, opened=event.opened.invoice)
        case "blocked":
            _set_checks(invoice, event.blocked.checks)
            return replace(state, hold_ids=tuple(event.blocked.hold_ids))
        case "released":
            _set_checks(invoice, event.released.checks)
            return replace(state, hold_ids=())
        case "drafted":
            _redraft(invoice, event.drafted.invoice)
            return replace(state, content=event.drafted.invoice)
        case "review_requested":
            if event.review_requested.HasField("check"):
                _set_check(invoice, event.review_requested.check)
            return state
        case "approved":
            _waive(invoice, event.approved.approved_by)
            return state
        case "posting_began":
            return replace(state, posting_key=event.posting_began.posting_key, attempt=event.posting_began.attempt)
        case "posted":
            _post(invoice, event.posted)
            return replace(state, erp_invoice=event.posted.erp_invoice)
        case "credited":
            invoice.credit_invoice_ids.append(event.credited.credit_invoice_id)
            invoice.credited_lines.extend(event.credited.lines)
            return state
        case _:
            return state


def _set_checks(invoice: Invoice, checks: Iterable[GateCheck]) -> None:
    del invoice.checks[:]
    invoice.checks.extend(checks)


def _set_check(invoice: Invoice, check: GateCheck) -> None:
    """Let a check stand in the place of the one of its kind."""
    others = [known for known in invoice.checks if known.kind != check.kind]
    _set_checks(invoice, [*others, check])


def _waive(invoice: Invoice, approved_by: str) -> None:
    """Let who approved an invoice stand on the checks that had brought it to review."""
    for check in invoice.checks if approved_by else ():
        if check.result == GateResult.GATE_RESULT_FAIL:
            check.result = GateResult.GATE_RESULT_WAIVED
            check.waived_by = approved_by


def _redraft(invoice: Invoice, drafted: Invoice) -> None:
    """Take over what was laid down, keeping what only this system knows."""
    known = Invoice()
    known.CopyFrom(invoice)
    invoice.CopyFrom(drafted)
    _set_checks(invoice, known.checks)
    invoice.create_time.CopyFrom(known.create_time)


def _post(invoice: Invoice, posted: InvoicePosted) -> None:
    """Take over the ERP's number, and its lines and amounts where it told them."""
    if all(name_of(posted.erp_invoice) != name_of(reference) for reference in invoice.references):
        invoice.references.append(posted.erp_invoice)
    if posted.HasField("post_time"):
        invoice.post_time.CopyFrom(posted.post_time)
    if posted.lines:
        del invoice.lines[:]
        invoice.lines.extend(posted.lines)
    if posted.HasField("total"):
        invoice.total.CopyFrom(posted.total)
        _split(invoice, list(invoice.lines))


def _split(invoice: Invoice, lines: list[InvoiceLine]) -> None:
    """Part the ERP's total into net and tax, where every line has an amount of the same currency."""
    if not lines or any(not line.HasField("amount") for line in lines):
        return
    currency = invoice.total.currency
    if any(line.amount.currency != currency for line in lines):
        return
    net = sum(nanos_of(line.amount) for line in lines)
    invoice.net.CopyFrom(money_of(currency, net))
    invoice.tax.CopyFrom(money_of(currency, nanos_of(invoice.total) - net))
