"""A carrier's invoice compared with the tender, the stops and the weight (pure; domain reference 2.9).

What cannot be compared yet is waited for: an invoice that comes before the events that prove it is no error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from logistics.invoice.v1 import (
    AuditFinding,
    AuditFindingKind,
    AuditResult,
    FreightAudit,
    Payable,
    PayableCharge,
    PayableState,
)
from logistics.load.v1 import Load, LoadState, Stop, StopKind
from logistics.process.v1 import CarrierTerms, DetentionPolicy, FreightAuditPolicy, ProcessPolicy
from logistics.type.v1 import Money
from services.orchestrator.deciders.invoice.amounts import NANOS, nanos_of
from services.orchestrator.deciders.load.offers import accepted_offer
from services.orchestrator.detention import rounded, waiting
from services.orchestrator.quantities import ZERO, decimal_of, total

_FREIGHT = frozenset({"400", "405", "FUE", "ENS", "DSC"})
"""X12 150 codes that are part of the agreed rate: freight, fuel, energy, discount."""
_DETENTION = frozenset({"DET", "DTL", "DTU", "DEP", "TDT"})
_OVER = frozenset({LoadState.LOAD_STATE_COMPLETED, LoadState.LOAD_STATE_CANCELLED})
_KIND = AuditFindingKind
_MATCH = AuditResult.AUDIT_RESULT_MATCH
_WITHIN = AuditResult.AUDIT_RESULT_WITHIN_TOLERANCE
_VARIANCE = AuditResult.AUDIT_RESULT_VARIANCE


@dataclass(frozen=True, slots=True)
class Agreed:
    """What a carrier agreed to for a load."""

    carrier_scac: str
    rate: Money | None
    """None where no rate is on file."""
    vehicle_not_used: Money | None = None
    """What it may charge for a vehicle that was ordered and not used."""


def agreed_of(load: Load, policy: ProcessPolicy) -> Agreed:
    """Return what was agreed with the carrier that has the load.

    That is what its accepted tender says; of a load that came to it without one, the policy's terms.
    """
    taken = accepted_offer(load)
    carrier_scac = taken.carrier_scac if taken is not None else load.carrier_scac
    terms = next((each for each in policy.tender.carriers if each.carrier_scac == carrier_scac), CarrierTerms())
    rate = terms.rate if terms.HasField("rate") else None
    unused = terms.vehicle_not_used_charge if terms.HasField("vehicle_not_used_charge") else None
    if taken is not None:
        rate = taken.agreed_rate if taken.HasField("agreed_rate") else rate
        unused = taken.vehicle_not_used_charge if taken.HasField("vehicle_not_used_charge") else unused
    return Agreed(carrier_scac, rate, unused)


def audit(
    payable: Payable, load: Load | None, agreed: Agreed | None, others: Iterable[Payable], policy: ProcessPolicy
) -> FreightAudit:
    """Return what comparing a carrier's invoice finds. `others` are the payables of the same load."""
    label = f"{policy.name}@{policy.version}"
    if load is None or agreed is None:
        return _waiting("the load that the invoice is for", label)
    if load.state not in _OVER:
        return _waiting(f"the end of load {load.load_id}, which is under way", label)
    findings = [
        *_carrier(payable, agreed),
        *_duplicate(payable, others),
        *_rate(payable, load, agreed, policy.freight_audit),
        *_accessorials(payable, load, agreed, policy.detention),
        *_weight(payable, load, policy.freight_audit),
        *_delivery_date(payable, load),
        *_consignee(payable, load),
    ]
    worst = max((finding.result for finding in findings), default=_MATCH)
    return FreightAudit(result=worst, findings=findings, policy_version=label)


def _waiting(what: str, label: str) -> FreightAudit:
    return FreightAudit(result=AuditResult.AUDIT_RESULT_WAITING, waits_for=what, policy_version=label)


def _carrier(payable: Payable, agreed: Agreed) -> list[AuditFinding]:
    if payable.carrier_scac == agreed.carrier_scac:
        return []
    expected = agreed.carrier_scac or "the own fleet"
    message = f"{payable.carrier_scac} bills a load that {expected} carried"
    return [_finding(_KIND.AUDIT_FINDING_KIND_CARRIER, _VARIANCE, expected, payable.carrier_scac, message)]


def _duplicate(payable: Payable, others: Iterable[Payable]) -> list[AuditFinding]:
    standing = [
        other
        for other in others
        if other.payable_id != payable.payable_id
        and other.state != PayableState.PAYABLE_STATE_REJECTED
        and (other.create_time.ToNanoseconds(), other.payable_id)
        < (payable.create_time.ToNanoseconds(), payable.payable_id)
        and _freight_of(other)
    ]
    if not standing or not _freight_of(payable):
        return []
    first = standing[0].invoice_number
    message = f"the freight of this load was billed with invoice {first} before"
    kind = _KIND.AUDIT_FINDING_KIND_DUPLICATE
    return [_finding(kind, _VARIANCE, "one invoice for the freight", payable.invoice_number, message)]


def _rate(payable: Payable, load: Load, agreed: Agreed, policy: FreightAuditPolicy) -> list[AuditFinding]:
    billed = _freight_of(payable)
    if not billed:
        return []
    kind = _KIND.AUDIT_FINDING_KIND_RATE
    found = _shown(payable.currency, sum(nanos_of(charge.amount) for charge in billed))
    if load.state == LoadState.LOAD_STATE_CANCELLED:
        return [_finding(kind, _VARIANCE, "nothing", found, "freight is billed for a load that never drove")]
    if agreed.rate is None:
        return [_finding(kind, _VARIANCE, "", found, f"no rate was agreed with {payable.carrier_scac} for this load")]
    expected = _shown(agreed.rate.currency, nanos_of(agreed.rate))
    if agreed.rate.currency != payable.currency:
        return [_finding(kind, _VARIANCE, expected, found, "the rate was agreed in another currency")]
    over = sum(nanos_of(charge.amount) for charge in billed) - nanos_of(agreed.rate)
    limit = nanos_of(agreed.rate) * policy.amount_tolerance_permille // 1000
    if policy.HasField("amount_tolerance") and policy.amount_tolerance.currency == payable.currency:
        limit = max(limit, nanos_of(policy.amount_tolerance))
    result = _MATCH if over == 0 else _WITHIN if over <= limit else _VARIANCE
    message = f"{found} billed, {expected} agreed: {'+' if over > 0 else ''}{_shown(payable.currency, over)}"
    return [_finding(kind, result, expected, found, message)]


def _accessorials(payable: Payable, load: Load, agreed: Agreed, policy: DetentionPolicy) -> list[AuditFinding]:
    findings = []
    for charge in payable.charges:
        if charge.charge_code in _FREIGHT:
            continue
        owed, evidence, why = _owed(charge, load, agreed, policy)
        billed = nanos_of(charge.amount)
        result = _MATCH if billed == owed else _WITHIN if billed < owed else _VARIANCE
        expected, found = _shown(payable.currency, owed), _shown(payable.currency, billed)
        message = f"charge {charge.charge_no} ({charge.charge_code}): {found} billed, {expected} owed; {why}"
        finding = _finding(_KIND.AUDIT_FINDING_KIND_ACCESSORIAL, result, expected, found, message, evidence)
        finding.charge_no = charge.charge_no
        findings.append(finding)
    return findings


def _owed(charge: PayableCharge, load: Load, agreed: Agreed, policy: DetentionPolicy) -> tuple[int, Sequence[str], str]:
    """Return what is owed for an accessorial in billionths, what proves it, and why in words."""
    if charge.charge_code == "VOR":
        if load.state != LoadState.LOAD_STATE_CANCELLED or not load.assignments:
            return 0, (), "the vehicle was used, or none was ever assigned"
        if agreed.vehicle_not_used is None:
            return 0, (), "nothing was agreed for a vehicle that is not used"
        return nanos_of(agreed.vehicle_not_used), (), "the load was cancelled after a vehicle was assigned"
    if charge.charge_code not in _DETENTION:
        return 0, (), "nothing was agreed for it, and no event proves it"
    if not policy.HasField("hourly_rate"):
        return 0, (), "no detention is agreed"
    stops = [stop for stop in load.stops if charge.stop_id in {"", stop.stop_id}]
    spans = [found for found in (waiting(stop, policy) for stop in stops) if found is not None and found.evidence_ids]
    if not spans:
        return 0, (), "the stop times show no waiting beyond the free time"
    seconds = sum(int(span.billed.total_seconds()) for span in spans)
    owed = rounded(policy.hourly_rate.currency, Decimal(nanos_of(policy.hourly_rate)) * seconds / 3600)
    evidence = list(dict.fromkeys(each for span in spans for each in span.evidence_ids))[:20]
    return nanos_of(owed), evidence, f"{Decimal(seconds) / 60:.0f} minutes beyond the free time"


def _weight(payable: Payable, load: Load, policy: FreightAuditPolicy) -> list[AuditFinding]:
    if not payable.HasField("weight"):
        return []
    tasks = [t for stop in load.stops if stop.kind == StopKind.STOP_KIND_PICKUP for t in stop.tasks]
    carried = total(decimal_of(task.weight) for task in tasks)
    if carried == ZERO or any(not task.HasField("weight") for task in tasks):
        return []
    billed = decimal_of(payable.weight)
    off = abs(billed - carried) * 1000
    result = _MATCH if off == ZERO else _WITHIN if off <= carried * policy.weight_tolerance_permille else _VARIANCE
    message = f"{billed:f} kg billed, {carried:f} kg carried"
    return [_finding(_KIND.AUDIT_FINDING_KIND_WEIGHT, result, f"{carried:f} KGM", f"{billed:f} KGM", message)]


def _delivery_date(payable: Payable, load: Load) -> list[AuditFinding]:
    last = _last_delivery(load)
    if not payable.HasField("delivery_time") or last is None:
        return []
    zone = _zone(last)
    happened = _day(last.completion.time.ToDatetime(tzinfo=UTC), zone)
    told = _day(payable.delivery_time.ToDatetime(tzinfo=UTC), zone)
    result = _MATCH if happened == told else _VARIANCE
    evidence = [last.completion.evidence_id] if last.completion.evidence_id else []
    message = f"delivered on {happened} by the events, on {told} by the invoice"
    kind = _KIND.AUDIT_FINDING_KIND_DELIVERY_DATE
    return [_finding(kind, result, happened.isoformat(), told.isoformat(), message, evidence)]


def _consignee(payable: Payable, load: Load) -> list[AuditFinding]:
    told = _plain(payable.consignee_name)
    names = [stop.location.name for stop in load.stops if stop.kind == StopKind.STOP_KIND_DELIVERY]
    known = [_plain(name) for name in names if name]
    if not told or not known:
        return []
    same = any(told in name or name in told for name in known)
    message = f"the invoice names {payable.consignee_name}, the load delivered to {', '.join(names)}"
    kind = _KIND.AUDIT_FINDING_KIND_CONSIGNEE
    return [_finding(kind, _MATCH if same else _VARIANCE, ", ".join(names)[:500], payable.consignee_name, message)]


def _finding(
    kind: AuditFindingKind.ValueType,
    result: AuditResult.ValueType,
    expected: str,
    found: str,
    message: str,
    evidence: Sequence[str] = (),
) -> AuditFinding:
    return AuditFinding(
        kind=kind, result=result, expected=expected, found=found, message=message[:2000], evidence_ids=evidence
    )


def _freight_of(payable: Payable) -> list[PayableCharge]:
    return [charge for charge in payable.charges if charge.charge_code in _FREIGHT]


def _last_delivery(load: Load) -> Stop | None:
    done = [s for s in load.stops if s.kind == StopKind.STOP_KIND_DELIVERY and s.HasField("completion")]
    return max(done, key=lambda stop: stop.completion.time.ToNanoseconds(), default=None)


def _zone(stop: Stop) -> str:
    return stop.location.time_zone or stop.window.time_zone or "UTC"


def _day(time: datetime, zone: str) -> date:
    try:
        return time.astimezone(ZoneInfo(zone)).date()
    except (ZoneInfoNotFoundError, ValueError):
        return time.date()


def _plain(name: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in name.casefold()).split())


def _shown(currency: str, nanos: int) -> str:
    return f"{Decimal(nanos) / NANOS:.2f} {currency}"
