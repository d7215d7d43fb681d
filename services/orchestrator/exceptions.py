"""Opening exceptions: one cause opens one exception, however often it is seen."""

from __future__ import annotations

from gladhand import ids
from gladhand.decider import Rejected
from logistics.exception.v1 import (
    Detection,
    ExceptionKind,
    ExceptionState,
    OpenException,
    SettleException,
)
from logistics.exception.v1 import Exception as LogisticsException
from services.orchestrator.deciders import exception
from services.orchestrator.exception_rules import reopening, ruled
from services.orchestrator.journal import Cause, Journal

_SETTLED = frozenset({ExceptionState.EXCEPTION_STATE_RESOLVED, ExceptionState.EXCEPTION_STATE_CLOSED})


def exception_id_of(kind: ExceptionKind.ValueType, subject_id: str, detail: str = "") -> str:
    """Return the id of the one exception of a kind about a subject.

    `subject_id` is the UUID of an order, load, stop or message; `detail` tells apart several of a kind about it.
    """
    return ids.derive(subject_id, "exception", ExceptionKind.Name(kind), detail)


async def open_exception(  # noqa: PLR0913 - each keyword is one field of the exception
    journal: Journal,
    kind: ExceptionKind.ValueType,
    message: str,
    cause: Cause,
    *,
    subject_id: str,
    detail: str = "",
    order_id: str = "",
    load_id: str = "",
    stop_id: str = "",
    invoice_id: str = "",
    vehicle_id: str = "",
    evidence: tuple[str, ...] = (),
) -> str:
    """Open an exception and return its id; one that is open already is left as it is.

    Severity and due time are those of the policy of its order, or of the region, and of the contract otherwise.

    One that was closed meanwhile stays closed: the same cause is not told twice.
    """
    exception_id = exception_id_of(kind, subject_id, detail)
    opened = LogisticsException(
        exception_id=exception_id,
        kind=kind,
        detected_by=Detection.DETECTION_RULE,
        message=message[:4000],
        order_id=order_id,
        load_id=load_id,
        stop_id=stop_id,
        invoice_id=invoice_id,
        vehicle_id=vehicle_id,
        evidence_ids=evidence,
        region=cause.region,
    )
    policy = await journal.policy_of(order_id, cause.region)
    opened = ruled(opened, policy, journal.now())
    try:
        await journal.exception(exception_id, OpenException(exception=opened), cause.step("exception", exception_id))
    except Rejected as refusal:
        if refusal.reason not in {"ALREADY_EXISTS", "REFERENCE_CONFLICT", "TRANSITION_NOT_ALLOWED"}:
            raise
    return exception_id


async def settle_exception(journal: Journal, exception_id: str, code: str, note: str, cause: Cause) -> None:
    """Record that the rule which opened an exception no longer finds it; nothing happens where none is open."""
    found = (await journal.find(exception.DECIDER, exception_id)).state.exception
    if found is not None and found.state in exception.UNSOLVED:
        await journal.exception(exception_id, SettleException(code=code, note=note), cause.step("settle", exception_id))


async def reopen_exception(journal: Journal, exception_id: str, reason: str, cause: Cause) -> None:
    """Record that an exception which was put right came back; nothing happens where it is open or unknown."""
    found = (await journal.find(exception.DECIDER, exception_id)).state.exception
    if found is not None and found.state in _SETTLED:
        wish = reopening(found, reason, await journal.policy_of(found.order_id, found.region), journal.now())
        await journal.exception(exception_id, wish, cause.step("reopen", exception_id))
