"""What a gateway could not read or believe stands in the dead letters; here a person is told of it.

The letter stays where it is: it is mended and replayed from there. Only what concerns the business opens an exception.
"""

from __future__ import annotations

import uuid

from gladhand.bus.deadletters import DeadLetter
from gladhand.bus.port import Delivery, Poison
from gladhand.enums import short_name
from logistics.exception.v1 import ExceptionKind
from services.orchestrator.exceptions import open_exception
from services.orchestrator.journal import Cause, Journal

FILTERS = ("logistics.deadletter.edge-inbox.INBOX",)

_KINDS = {
    "FUTURE_DATED": ExceptionKind.EXCEPTION_KIND_FUTURE_DATED_EVENT,
    "MALFORMED_MESSAGE": ExceptionKind.EXCEPTION_KIND_MAPPING_FAILED,
    "CONTRACT_VIOLATION": ExceptionKind.EXCEPTION_KIND_MAPPING_FAILED,
    "DEVICE_UNKNOWN": ExceptionKind.EXCEPTION_KIND_UNMATCHED_EVENT,
    "EVENT_UNMATCHED": ExceptionKind.EXCEPTION_KIND_UNMATCHED_EVENT,
    "STOP_NOT_FOUND": ExceptionKind.EXCEPTION_KIND_UNMATCHED_EVENT,
    "MESSAGE_CONFLICT": ExceptionKind.EXCEPTION_KIND_SEQUENCE_CONFLICT,
}
"""What a refusal means for the business, by its reason; others, such as an implausible position, are for the log."""

_LETTERS = uuid.UUID("0f0c8a52-3a1e-5c39-8b55-2f1f1d6a7c02")
"""Namespace of the requests that letters make."""


class Quarantine:
    """Opens an exception for each quarantined message."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def handle(self, delivery: Delivery) -> None:
        """Tell of one dead letter. Raises Poison where it is none, and what the log raises."""
        try:
            letter = DeadLetter.decode(delivery.payload, delivery.sequence)
        except (ValueError, KeyError, TypeError) as error:
            raise Poison(f"not a dead letter: {error}") from error
        reason, _, told = letter.reason.partition(":")
        kind = _KINDS.get(reason)
        if kind is None:
            return
        region = letter.subject.split(".")[2]
        name = str(uuid.uuid5(_LETTERS, letter.message_id or letter.dedupe_id))
        await open_exception(
            self._journal,
            kind,
            f"A message of {letter.subject.rpartition('.')[2]} was quarantined ({short_name(ExceptionKind, kind)}):"
            f"{told} Mend the cause and replay it: gladhand dead-letters.",
            Cause(request_id=name, region=region),
            subject_id=name,
            evidence=(f"inbox:{letter.sequence}",),
        )
