"""Lives of proofs, invoices, exceptions and holds."""

from __future__ import annotations

from logistics.exception.v1 import (
    AcknowledgeException,
    BeginExceptionWork,
    CloseException,
    ExceptionKind,
    ExpireHold,
    Gate,
    Hold,
    HoldKind,
    LiftHold,
    OpenException,
    ReopenException,
    SetHold,
    SettleException,
    Severity,
    VoidException,
)
from logistics.exception.v1 import Exception as MeshException
from logistics.invoice.v1 import (
    ApproveInvoice,
    BeginPosting,
    BlockInvoice,
    DraftInvoice,
    GateCheck,
    GateCheckKind,
    GateResult,
    Invoice,
    InvoiceLine,
    OpenInvoice,
    RecordPosting,
    RecordPostingFailure,
    ReleaseInvoice,
    VoidInvoice,
)
from logistics.order.v1 import CheckResult
from logistics.pod.v1 import (
    CapturePod,
    ConcludePod,
    PodCheck,
    PodCheckKind,
    PodLine,
    PodMethod,
    ProofOfDelivery,
    SupersedePod,
)
from logistics.type.v1 import GeoPoint, Party, Provenance, ReferenceType
from tools.corpus.stories.freight import (
    EXCEPTION,
    FIRST,
    HOLD,
    INVOICE,
    LOAD,
    ORDER,
    OTHER_POD,
    POD,
    at,
    dollars,
    name,
    pieces,
)
from tools.corpus.telling import Story


def _proof(accepted: int = 10) -> CapturePod:
    return CapturePod(
        pod=ProofOfDelivery(
            pod_id=POD,
            load_id=LOAD,
            stop_id=FIRST,
            capture_time=at(70),
            methods=[PodMethod.POD_METHOD_SIGNATURE, PodMethod.POD_METHOD_PHOTO],
            signer_name="R. Jones",
            point=GeoPoint(latitude=39.7392, longitude=-104.9903),
            lines=[
                PodLine(
                    order_id=ORDER,
                    line_id="a",
                    delivered=pieces(10),
                    accepted=pieces(accepted),
                    rejected=pieces(10 - accepted),
                    reason="DAMAGED" if accepted < 10 else "",
                )
            ],
            provenance=Provenance(provider="pod-app", gateway="edge_gateway", raw_reference="inbox:8"),
        )
    )


def _judged(*results: CheckResult.ValueType) -> ConcludePod:
    return ConcludePod(checks=[PodCheck(kind=PodCheckKind.POD_CHECK_KIND_PLACE, result=result) for result in results])


_GOOD = _judged(CheckResult.CHECK_RESULT_PASS, CheckResult.CHECK_RESULT_WAIVED)
_BAD = _judged(CheckResult.CHECK_RESULT_PASS, CheckResult.CHECK_RESULT_FAIL)

PROOFS = (
    Story("pod", "validated", "A proof of partly refused goods is handed in and holds.", POD, (_proof(9), _GOOD)),
    Story("pod", "rejected", "A proof from another place is turned down.", POD, (_proof(), _BAD)),
    Story(
        "pod",
        "superseded",
        "A newer proof takes the place of a validated one.",
        POD,
        (_proof(), _GOOD, SupersedePod(by_pod_id=OTHER_POD)),
    ),
    Story("pod", "newer_writer", "A newer writer adds an event.", POD, (_proof(),), ends_with_the_unknown=True),
)
"""Every life of a proof in the corpus."""


def _bill(*, priced: bool = False) -> Invoice:
    line = InvoiceLine(line_no=1, order_line_id="a", description="Pallet of apples", quantity=pieces(10))
    bill = Invoice(
        invoice_id=INVOICE,
        order_id=ORDER,
        load_ids=[LOAD],
        pod_ids=[POD],
        bill_to=Party(name="Broadway Grocers"),
        currency="USD",
        erp_instance="tryton-us",
        region="us",
        lines=[line],
    )
    if priced:
        bill.lines[0].unit_price.CopyFrom(dollars(10))
        bill.lines[0].amount.CopyFrom(dollars(100))
        bill.net.CopyFrom(dollars(100))
        bill.tax.CopyFrom(dollars(8, 250_000_000))
        bill.total.CopyFrom(dollars(108, 250_000_000))
    return bill


def _gate(result: GateResult.ValueType) -> list[GateCheck]:
    return [
        GateCheck(kind=GateCheckKind.GATE_CHECK_KIND_POD_VERIFIED, result=result),
        GateCheck(kind=GateCheckKind.GATE_CHECK_KIND_NO_BILLING_HOLD, result=GateResult.GATE_RESULT_PASS),
    ]


_OPEN = OpenInvoice(invoice=_bill())
_RELEASE = ReleaseInvoice(checks=_gate(GateResult.GATE_RESULT_PASS), policy_version="default@1")
_BEGIN = BeginPosting(posting_key="GH-1")
_POSTING = (_OPEN, _RELEASE, DraftInvoice(invoice=_bill()), ApproveInvoice(reason="every check passed"), _BEGIN)
_POSTED = RecordPosting(
    erp_invoice=name(ReferenceType.REFERENCE_TYPE_INVOICE, "INV-1"),
    lines=_bill(priced=True).lines,
    total=dollars(108, 250_000_000),
    post_time=at(9),
)

INVOICES = (
    Story("invoice", "posted", "Released, drafted, approved and posted.", INVOICE, (*_POSTING, _POSTED)),
    Story(
        "invoice",
        "posted_at_the_second_attempt",
        "The ERP refuses; after new lines it is posted under the same key.",
        INVOICE,
        (
            *_POSTING,
            RecordPostingFailure(reason="ERP_REFUSED", message="period closed"),
            DraftInvoice(invoice=_bill(priced=True)),
            ApproveInvoice(reason="the period is open again"),
            _BEGIN,
            _POSTED,
        ),
    ),
    Story(
        "invoice",
        "blocked_then_voided",
        "The gate is shut, opens, and the invoice is given up before it is posted.",
        INVOICE,
        (
            _OPEN,
            BlockInvoice(checks=_gate(GateResult.GATE_RESULT_FAIL), hold_ids=[HOLD]),
            _RELEASE,
            VoidInvoice(reason="billed elsewhere"),
        ),
    ),
    Story("invoice", "newer_writer", "A newer writer adds an event.", INVOICE, (_OPEN,), ends_with_the_unknown=True),
)
"""Every life of an invoice in the corpus."""

_TROUBLE = OpenException(
    exception=MeshException(
        exception_id=EXCEPTION,
        kind=ExceptionKind.EXCEPTION_KIND_SHORTAGE,
        severity=Severity.SEVERITY_WARNING,
        order_id=ORDER,
        message="3 of 4 were accepted; decide whether to bill three",
        evidence_ids=[POD],
        due_time=at(240),
        region="us",
    )
)
_SETTLE = SettleException(code="ACCEPTED_SHORT", note="billed three")

EXCEPTIONS = (
    Story(
        "exception",
        "resolved_and_closed",
        "Seen, worked on, put right and closed.",
        EXCEPTION,
        (_TROUBLE, AcknowledgeException(owner="anna"), BeginExceptionWork(owner="ben"), _SETTLE, CloseException()),
    ),
    Story(
        "exception",
        "reopened",
        "It comes back after it was closed.",
        EXCEPTION,
        (_TROUBLE, _SETTLE, CloseException(), ReopenException(reason="the customer objects")),
    ),
    Story("exception", "voided", "It was never true.", EXCEPTION, (_TROUBLE, VoidException(reason="miscounted"))),
    Story(
        "exception", "newer_writer", "A newer writer adds an event.", EXCEPTION, (_TROUBLE,), ends_with_the_unknown=True
    ),
)
"""Every life of an exception in the corpus."""


def _block(*, minutes: float = 240, four_eyes: bool = False) -> SetHold:
    return SetHold(
        hold=Hold(
            hold_id=HOLD,
            kind=HoldKind.HOLD_KIND_FINANCE,
            order_id=ORDER,
            gates=[Gate.GATE_BILLING],
            reason="goods were warm",
            placed_by="ben",
            four_eyes=four_eyes,
            expire_time=at(minutes),
            region="us",
        )
    )


_LIFT = LiftHold(released_by="anna", evidence="the curve was checked")

HOLDS = (
    Story("hold", "released", "Two pairs of eyes lift a hold.", HOLD, (_block(four_eyes=True), _LIFT)),
    Story("hold", "expired", "A hold ends by itself.", HOLD, (_block(minutes=5), ExpireHold())),
    Story("hold", "newer_writer", "A newer writer adds an event.", HOLD, (_block(),), ends_with_the_unknown=True),
)
"""Every life of a hold in the corpus."""
