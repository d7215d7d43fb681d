"""Proofs of delivery on their way in: files and form kept, read, checked, handed to the orchestrator."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from gladhand import validation
from gladhand.bus.port import ObjectStore, Retry
from gladhand.errors import AlreadyExists, FailedPrecondition, GladhandError, InvalidArgument, NotFound, Unsupported
from gladhand.ids import derive
from logistics.orchestrator.v1 import RecordProofOfDeliveryRequest, RecordProofOfDeliveryResponse
from logistics.pod.v1 import POD_STATE_REJECTED, PodState, ProofOfDelivery
from logistics.type.v1 import Provenance
from services.edge_gateway.filters import FilterRules, check_time
from services.edge_gateway.inbox import Inbox, InboxMessage, InHand, Protocol
from services.edge_gateway.ledger import Ledger
from services.edge_gateway.manifest import KeptFile, Manifest
from services.edge_gateway.protocols.pod_form import FileLimits, check_file, object_name
from services.edge_gateway.report import GATEWAY

__all__ = ["GivenFile", "PodDesk", "PodReceipt", "Recorder"]

_MAPPING_VERSION = "pod-1"

Recorder = Callable[[RecordProofOfDeliveryRequest], Awaitable[RecordProofOfDeliveryResponse]]
"""`OrchestratorService.RecordProofOfDelivery`, raising GladhandError."""

_REFUSALS = (InvalidArgument, NotFound, FailedPrecondition, AlreadyExists, Unsupported)
"""What no repetition of the same proof cures."""


@dataclass(frozen=True, slots=True)
class GivenFile:
    """A file as the sender gave it."""

    field: str
    declared_media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class PodReceipt:
    """What became of a proof that was not refused."""

    pod_id: str
    recorded: bool
    """False where the orchestrator does not answer: the proof is kept and will be handed over."""
    repeated: bool
    """Whether the same proof had come before."""
    message: InboxMessage
    state: PodState.ValueType = PodState.POD_STATE_UNSPECIFIED


class PodDesk:
    """Takes proofs in, from callers that wait and from the durable consumer alike."""

    def __init__(
        self,
        inbox: Inbox,
        documents: ObjectStore,
        ledger: Ledger,
        record: Recorder,
        *,
        limits: FileLimits,
        rules: FilterRules,
    ) -> None:
        self._inbox = inbox
        self._documents = documents
        self._ledger = ledger
        self._record = record
        self._rules = rules
        self.limits = limits

    async def take(
        self,
        in_hand: InHand,
        provider: str,
        form_media_type: str,
        form: bytes,
        files: Sequence[GivenFile],
        *,
        request_id: str = "",
        broken: InvalidArgument | None = None,
    ) -> PodReceipt:
        """Keep a proof, work on it, and return its receipt.

        `broken` is what is known to be wrong with its files: the rest is kept and quarantined with it. Raises what
        refuses the proof, quarantined then; Unavailable or ResourceFull where it could not be kept.
        """
        refusal = None if broken is None else _told(broken)
        kept: list[KeptFile] = []
        try:
            checked = [
                (file, check_file(file.field, file.declared_media_type, file.content, self.limits)) for file in files
            ]
            if refusal is None:
                kept = [await self._keep(file, media_type) for file, media_type in checked]
        except InvalidArgument as error:
            refusal = refusal or _told(error)
        body = Manifest(form_media_type, form, kept, request_id, refusal).encode()
        with in_hand.work(self._inbox.message_id(Protocol.POD, provider, form_media_type, body)):
            message = await self._inbox.keep(Protocol.POD, provider, form_media_type, body)
            try:
                receipt = await self.process(message)
            except _REFUSALS:
                in_hand.finish(message.message_id)
                raise
            if receipt.recorded:
                in_hand.finish(message.message_id)
            return receipt

    async def finish(self, message: InboxMessage) -> None:
        """Work on a proof that nobody waits for. Raises Retry where the orchestrator does not answer yet."""
        try:
            receipt = await self.process(message)
        except _REFUSALS:
            return  # it is quarantined
        if not receipt.recorded:
            raise Retry("UNAVAILABLE: the orchestrator does not record the proof")

    async def process(self, message: InboxMessage) -> PodReceipt:
        """Read a kept proof and hand it to the orchestrator; quarantine it where it is refused."""
        try:
            return await self._hand_over(message)
        except _REFUSALS as error:
            await self._inbox.quarantine(message, error)
            raise

    async def _hand_over(self, message: InboxMessage) -> PodReceipt:
        # A form of a thousand lines takes milliseconds to read: not on the loop that serves everybody.
        reading = await asyncio.to_thread(Manifest.decode(message.body).read, message.provider)
        pod, key = reading.pod, reading.key
        pod.provenance.CopyFrom(
            Provenance(provider=message.provider, gateway=GATEWAY, mapping_version=_MAPPING_VERSION)
        )
        validation.check(pod)
        check_time(pod.capture_time.ToDatetime(UTC), message.received, self._rules)
        claim = await self._ledger.claim(key, message)
        # A repetition must be the same request in every byte, so it names the message that came first.
        pod.provenance.raw_reference, pod.provenance.raw_sha256 = f"inbox:{claim.sequence}", claim.sha256
        repeated = message.repeated or not claim.mine
        request = RecordProofOfDeliveryRequest(request_id=derive(key.id, "record"), pod=pod)
        try:
            answer = await self._record(request)
        except _REFUSALS:
            raise
        except GladhandError:
            return PodReceipt(key.id, recorded=False, repeated=repeated, message=message)
        if answer.pod.state == POD_STATE_REJECTED:
            raise _rejected(answer.pod)
        return PodReceipt(key.id, recorded=True, repeated=repeated, message=message, state=answer.pod.state)

    async def _keep(self, file: GivenFile, media_type: str) -> KeptFile:
        sha256 = hashlib.sha256(file.content).hexdigest()
        name = object_name(sha256, media_type)
        await self._documents.put(name, file.content, {"Content-Type": media_type})
        return KeptFile(file.field, media_type, sha256, len(file.content), name)


def _told(error: InvalidArgument) -> dict[str, Any]:
    """A refusal as the manifest keeps it: the arguments that make the same error again."""
    first = error.violations[0] if error.violations else None
    return {
        "message": error.message,
        "field": first.field if first else "",
        "rule": first.rule if first else "",
        "reason": error.reason,
        "metadata": dict(error.metadata),
    }


def _rejected(pod: ProofOfDelivery) -> FailedPrecondition:
    failed = [check.message for check in pod.checks if check.message]
    return FailedPrecondition(
        "; ".join(failed) or "the proof failed a check of the orchestrator",
        reason="POD_INVALID",
        metadata={"pod_id": pod.pod_id},
    )
