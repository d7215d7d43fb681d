"""What an invoice answers: the gate, the draft, one posting."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.message import Message

from gladhand.testing.given import Given, given
from logistics.invoice.v1 import (
    ApproveInvoice,
    BeginPosting,
    BlockInvoice,
    DraftInvoice,
    GateCheck,
    GateCheckKind,
    GateResult,
    Invoice,
    InvoiceCommand,
    InvoiceEvent,
    InvoiceLine,
    InvoiceState,
    OpenInvoice,
    RecordPosting,
    RecordPostingFailure,
    ReleaseInvoice,
    VoidInvoice,
)
from logistics.type.v1 import ExternalReference, Money, ReferenceType
from services.orchestrator.deciders import invoice
from services.orchestrator.deciders.invoice import State
from tests.unit.orchestrator.deciders.freight import HOLD, INVOICE, ORDER, ask, at, pieces

Past = Given[State, InvoiceCommand, InvoiceEvent]
KIND = GateCheckKind


def bill(**fields: Any) -> Invoice:
    told = Invoice(invoice_id=INVOICE, order_id=ORDER, currency="USD", erp_instance="tryton-us", region="us", **fields)
    told.lines.append(InvoiceLine(line_no=1, order_line_id="a", quantity=pieces(10)))
    return told


def dollars(units: int, nanos: int = 0) -> Money:
    return Money(currency="USD", units=units, nanos=nanos)


def priced(amount: Money, **fields: Any) -> Invoice:
    told = bill(**fields)
    told.lines[0].amount.CopyFrom(amount)
    return told


def wish(body: Message) -> InvoiceCommand:
    command: InvoiceCommand = ask(InvoiceCommand(invoice_id=INVOICE, decide_time=at(0)), body)
    return command


def after(*bodies: Message, past: Past | None = None) -> Past:
    story = past or given(invoice.DECIDER)
    for body in bodies:
        decided = invoice.DECIDER.decide(story.state, wish(body))
        assert decided is not None, f"{body.DESCRIPTOR.name} changed nothing"
        story = story.and_given(decided)
    return story


def check(kind: GateCheckKind.ValueType, result: GateResult.ValueType, by: str = "") -> GateCheck:
    return GateCheck(kind=kind, result=result, waived_by=by)


def number(value: str) -> ExternalReference:
    return ExternalReference(system="tryton-us", type=ReferenceType.REFERENCE_TYPE_INVOICE, value=value)


PROOF = check(KIND.GATE_CHECK_KIND_POD_VERIFIED, GateResult.GATE_RESULT_PASS)
FREE = check(KIND.GATE_CHECK_KIND_NO_BILLING_HOLD, GateResult.GATE_RESULT_PASS)
OPEN = OpenInvoice(invoice=bill())
RELEASE = ReleaseInvoice(checks=[PROOF, FREE], policy_version="default@1")
BLOCK = BlockInvoice(checks=[check(KIND.GATE_CHECK_KIND_POD_VERIFIED, GateResult.GATE_RESULT_FAIL)], hold_ids=[HOLD])
DRAFT = DraftInvoice(invoice=bill())
APPROVE = ApproveInvoice(reason="every check passed")
BEGIN = BeginPosting(posting_key="GH-1")
POSTED = RecordPosting(erp_invoice=number("INV-1"))
FAILURE = RecordPostingFailure(reason="ERP_REFUSED", message="period closed")

OPENED = after(OPEN)
READY = after(RELEASE, past=OPENED)
DRAFTED = after(DRAFT, past=READY)
APPROVED = after(APPROVE, past=DRAFTED)
POSTING = after(BEGIN, past=APPROVED)
BOOKED = after(POSTED, past=POSTING)
FAILED = after(FAILURE, past=POSTING)


def state_of(past: Past) -> str:
    assert past.state.invoice is not None
    return InvoiceState.Name(past.state.invoice.state).removeprefix("INVOICE_STATE_")


def test_an_invoice_is_released_drafted_and_posted_once() -> None:
    told = [OPENED, after(BLOCK, past=OPENED), READY, DRAFTED, APPROVED, POSTING, BOOKED, FAILED]
    assert [state_of(past) for past in told] == [
        "NOT_READY", "BLOCKED", "READY", "DRAFT", "APPROVED", "POSTING", "POSTED", "POST_FAILED",
    ]  # fmt: skip
    assert BOOKED.state.invoice is not None
    assert [reference.value for reference in BOOKED.state.invoice.references] == ["INV-1"]
    assert len(BOOKED.state.invoice.checks) == 2


@pytest.mark.parametrize(
    ("past", "body"),
    [
        (OPENED, OPEN),
        (BOOKED, OPEN),
        (after(BLOCK, past=OPENED), BLOCK),
        (READY, RELEASE),
        (DRAFTED, DRAFT),
        (APPROVED, DRAFT),
        (APPROVED, APPROVE),
        (POSTING, BEGIN),
        (BOOKED, POSTED),
        (FAILED, FAILURE),
        (after(VoidInvoice(reason="x"), past=READY), VoidInvoice(reason="x")),
    ],
)
def test_what_is_already_so_is_nothing_new(past: Past, body: Message) -> None:
    past.when(wish(body)).then_nothing()


@pytest.mark.parametrize(
    ("past", "body", "reason"),
    [
        (given(invoice.DECIDER), RELEASE, "INVOICE_NOT_FOUND"),
        (OPENED, OpenInvoice(invoice=bill(settlement_state=1)), "REFERENCE_CONFLICT"),
        (OPENED, BlockInvoice(), "CONTRACT_VIOLATION"),
        (DRAFTED, BLOCK, "TRANSITION_NOT_ALLOWED"),
        (OPENED, ReleaseInvoice(), "POD_MISSING"),
        (OPENED, ReleaseInvoice(checks=[PROOF]), "HOLD_BLOCKS"),
        (OPENED, ReleaseInvoice(checks=[FREE, *BLOCK.checks]), "POD_MISSING"),
        (
            OPENED,
            ReleaseInvoice(
                checks=[PROOF, check(KIND.GATE_CHECK_KIND_NO_BILLING_HOLD, GateResult.GATE_RESULT_WAIVED, "anna")]
            ),
            "HOLD_BLOCKS",
        ),
        (OPENED, DRAFT, "TRANSITION_NOT_ALLOWED"),
        (READY, APPROVE, "TRANSITION_NOT_ALLOWED"),
        (DRAFTED, BEGIN, "TRANSITION_NOT_ALLOWED"),
        (POSTING, BeginPosting(posting_key="GH-2"), "REFERENCE_CONFLICT"),
        (FAILED, BeginPosting(posting_key="GH-2"), "REFERENCE_CONFLICT"),
        (BOOKED, BEGIN, "TRANSITION_NOT_ALLOWED"),
        (APPROVED, BeginPosting(), "CONTRACT_VIOLATION"),
        (APPROVED, POSTED, "TRANSITION_NOT_ALLOWED"),
        (BOOKED, RecordPosting(erp_invoice=number("INV-2")), "REFERENCE_CONFLICT"),
        (POSTING, RecordPosting(), "CONTRACT_VIOLATION"),
        (BOOKED, FAILURE, "TRANSITION_NOT_ALLOWED"),
        (BOOKED, VoidInvoice(), "TRANSITION_NOT_ALLOWED"),
        (POSTING, VoidInvoice(), "TRANSITION_NOT_ALLOWED"),
        (BOOKED, DraftInvoice(invoice=bill(tax=dollars(1))), "TRANSITION_NOT_ALLOWED"),
    ],
)
def test_what_must_not_be_is_refused(past: Past, body: Message, reason: str) -> None:
    past.when(wish(body)).then_rejected(reason)


def test_a_named_waiver_of_the_proof_opens_the_gate() -> None:
    waiver = check(KIND.GATE_CHECK_KIND_POD_VERIFIED, GateResult.GATE_RESULT_WAIVED, "anna")
    assert state_of(after(ReleaseInvoice(checks=[waiver, FREE]), past=OPENED)) == "READY"
    nameless = check(KIND.GATE_CHECK_KIND_POD_VERIFIED, GateResult.GATE_RESULT_WAIVED)
    OPENED.when(wish(ReleaseInvoice(checks=[nameless, FREE]))).then_rejected("POD_MISSING")


def test_a_refused_posting_is_tried_again_under_the_same_key() -> None:
    again = after(BEGIN, past=FAILED)
    assert (again.state.attempt, again.state.posting_key) == (2, "GH-1")
    assert state_of(after(POSTED, past=again)) == "POSTED"
    assert state_of(after(DRAFT, APPROVE, BEGIN, POSTED, past=FAILED)) == "POSTED"


@pytest.mark.parametrize(
    "told",
    [
        priced(dollars(100), net=dollars(100), tax=dollars(8), total=dollars(108)),
        priced(dollars(99, 995_000_001), tax=dollars(8), total=dollars(108)),
        bill(total=dollars(108)),
    ],
)
def test_amounts_that_add_up_to_the_cent_are_taken(told: Invoice) -> None:
    assert state_of(after(DraftInvoice(invoice=told), past=READY)) == "DRAFT"


@pytest.mark.parametrize(
    "told",
    [
        priced(dollars(100), tax=dollars(8), total=dollars(108, 10_000_000)),
        priced(dollars(100), net=dollars(101)),
        priced(Money(currency="EUR", units=1)),
    ],
)
def test_amounts_that_do_not_are_refused(told: Invoice) -> None:
    READY.when(wish(DraftInvoice(invoice=told))).then_rejected("CONTRACT_VIOLATION")


def test_an_invoice_without_lines_or_with_another_order_is_refused() -> None:
    empty = bill()
    del empty.lines[:]
    nothing = bill()
    nothing.lines[0].quantity.CopyFrom(pieces(0))
    other = bill()
    other.order_id = INVOICE
    for told in (empty, nothing, other):
        READY.when(wish(DraftInvoice(invoice=told))).then_rejected("CONTRACT_VIOLATION")


def test_the_erps_amounts_stand_as_posted() -> None:
    lines = [InvoiceLine(line_no=1, order_line_id="a", quantity=pieces(10), amount=dollars(100))]
    past = after(
        RecordPosting(erp_invoice=number("INV-1"), lines=lines, total=dollars(108, 250_000_000), post_time=at(9)),
        past=POSTING,
    )
    found = past.state.invoice
    assert found is not None
    assert (found.net, found.tax, found.total) == (dollars(100), dollars(8, 250_000_000), dollars(108, 250_000_000))
    assert found.post_time == at(9)
