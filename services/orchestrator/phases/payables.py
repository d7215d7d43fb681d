"""What a carrier's invoice needs next, from its own state alone (pure; domain reference 3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from gladhand.enums import short_name
from logistics.invoice.v1 import Payable, PayableState
from logistics.process.v1 import ProcessPolicy

_PATIENCE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Audit:
    """Compare it with what was agreed and what happened."""


@dataclass(frozen=True, slots=True)
class Approve:
    """Let it be posted: the audit found nothing that a person must see."""


@dataclass(frozen=True, slots=True)
class AskPerson:
    """Tell people that it waits for their word."""

    overdue: bool = False
    """Whether what proves it has not come in time."""


@dataclass(frozen=True, slots=True)
class Post:
    """Post it in the ERP, under the key that it has had from the first try."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do until something happens, or until a time."""

    reason: str
    until: datetime | None = None


Step: TypeAlias = Audit | Approve | AskPerson | Post | Rest


def phase(payable: Payable, now: datetime, policy: ProcessPolicy, *, audited: bool, told: bool, let_go: bool) -> Step:
    """Return what a carrier's invoice needs next.

    `audited`: it was compared with the facts as they are now. `told`: an exception about its present state is there.
    `let_go`: a person resolved the exception about the ERP's last refusal.
    """
    state = payable.state
    if state in {PayableState.PAYABLE_STATE_RECEIVED, PayableState.PAYABLE_STATE_VARIANCE} and not audited:
        return Audit()
    if state == PayableState.PAYABLE_STATE_RECEIVED:
        due = waits_until(payable, policy)
        if now < due:
            return Rest(f"waits for {payable.audit.waits_for}", due)
        return Rest("waits for a person") if told else AskPerson(overdue=True)
    if state == PayableState.PAYABLE_STATE_MATCHED:
        return Approve() if audited else Audit()
    if state in {PayableState.PAYABLE_STATE_VARIANCE, PayableState.PAYABLE_STATE_DISPUTED}:
        return Rest("waits for a person") if told else AskPerson()
    if state in {PayableState.PAYABLE_STATE_APPROVED, PayableState.PAYABLE_STATE_POSTING}:
        return Post()
    if state == PayableState.PAYABLE_STATE_POST_FAILED and let_go:
        return Post()
    return Rest(short_name(PayableState, state).lower())


def waits_until(payable: Payable, policy: ProcessPolicy) -> datetime:
    """Return until when a carrier's invoice may wait for the events that prove it."""
    told = policy.freight_audit
    patience = told.events_within.ToTimedelta() if told.HasField("events_within") else _PATIENCE
    return payable.create_time.ToDatetime(tzinfo=UTC) + patience
