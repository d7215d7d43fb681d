"""What a kind of exception is by default, and what a policy makes of it: severity, due time, who is called (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from google.protobuf.message import Message

from logistics.contract.v1 import finding_pb2
from logistics.exception.v1 import Exception as LogisticsException
from logistics.exception.v1 import ExceptionKind, ReopenException, Severity
from logistics.process.v1 import ExceptionRule, ProcessPolicy

CONTROL_TOWER = "control_tower"
"""Who is called where no policy names anybody."""

_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Call:
    """One step of an escalation."""

    owner: str
    level: int
    """Counts up from 1."""
    next_time: datetime | None
    """When the one after that is called, None where nobody is left."""


def finding_of(kind: ExceptionKind.ValueType) -> finding_pb2.Finding:
    """Return what the contract says of a kind; empty for a kind that this version does not know."""
    value = ExceptionKind.DESCRIPTOR.values_by_number.get(kind)
    return value.GetOptions().Extensions[finding_pb2.finding] if value is not None else finding_pb2.Finding()


def rule_of(policy: ProcessPolicy, kind: ExceptionKind.ValueType) -> ExceptionRule:
    """Return the policy's rule for a kind, else its rule for every kind, else an empty one."""
    unset = ExceptionKind.EXCEPTION_KIND_UNSPECIFIED
    for wanted in (kind, unset):
        for rule in policy.exceptions:
            if rule.kind == wanted:
                return rule
    return ExceptionRule()


def severity_of(policy: ProcessPolicy, kind: ExceptionKind.ValueType) -> Severity.ValueType:
    """Return how much a kind matters: the policy's word, else the contract's, else a warning."""
    declared = finding_of(kind).default_severity
    return rule_of(policy, kind).severity or Severity.ValueType(declared) or Severity.SEVERITY_WARNING


def due_time(policy: ProcessPolicy, kind: ExceptionKind.ValueType, opened: datetime) -> datetime | None:
    """Return when an exception that is opened now must be resolved, None where it never is overdue."""
    rule, finding = rule_of(policy, kind), finding_of(kind)
    if rule.HasField("due_within"):
        return opened + rule.due_within.ToTimedelta()
    return opened + finding.default_due.ToTimedelta() if finding.HasField("default_due") else None


def ruled(told: LogisticsException, policy: ProcessPolicy, now: datetime) -> LogisticsException:
    """Return an exception that is about to be opened with what it does not say itself: severity, due time, sight."""
    whole = LogisticsException()
    whole.CopyFrom(told)
    whole.severity = told.severity or severity_of(policy, told.kind)
    whole.customer_visible = told.customer_visible or rule_of(policy, told.kind).customer_visible
    due = due_time(policy, told.kind, now)
    if due is not None and not told.HasField("due_time"):
        whole.due_time.FromDatetime(due)
    return whole


def reopening(found: LogisticsException, reason: str, policy: ProcessPolicy, now: datetime) -> ReopenException:
    """Return the wish that reopens an exception, due anew from now."""
    wish = ReopenException(reason=reason[:2000])
    due = due_time(policy, found.kind, now)
    if due is not None:
        wish.due_time.FromDatetime(due)
    return wish


def next_call(found: LogisticsException, policy: ProcessPolicy, now: datetime) -> Call:
    """Return who is called next about an overdue exception; past the end of the chain the last one again."""
    rule = rule_of(policy, found.kind)
    chain = list(rule.escalation) or [CONTROL_TOWER]
    level = found.escalation_level + 1
    every = rule.escalate_every.ToTimedelta() if _told(rule, "escalate_every") else _EVERY
    return Call(chain[min(level, len(chain)) - 1], level, now + every if level < len(chain) else None)


def _told(rule: Message, name: str) -> bool:
    return rule.HasField(name) and bool(getattr(rule, name).ToNanoseconds())
