"""Telemetry on its way in: kept raw, read, filtered, matched to a vehicle, known again, published."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC

from google.protobuf.message import DecodeError

from gladhand.bus.port import Bus, Retry
from gladhand.errors import AlreadyExists, GladhandError, InvalidArgument, NotFound, Unavailable
from logistics.edge.v1 import (
    INGEST_OUTCOME_ACCEPTED,
    INGEST_OUTCOME_DUPLICATE,
    INGEST_OUTCOME_REFUSED,
    INGEST_OUTCOME_STORED,
    IngestOutcome,
)
from logistics.fleet.v1 import TelemetryBatch, VehiclePosition, VehicleSample
from logistics.type.v1 import Provenance
from services.edge_gateway.filters import FilterRules, JumpGuard, check_sample
from services.edge_gateway.inbox import Inbox, InboxMessage, InHand, Protocol
from services.edge_gateway.ledger import Ledger
from services.edge_gateway.pairings import Pairings
from services.edge_gateway.protocols import osmand, traccar
from services.edge_gateway.report import GATEWAY, InboxKey, Report, key_of

__all__ = ["BATCH_MEDIA_TYPE", "Intake", "Outcome", "Verdict"]

_log = logging.getLogger(__name__)

BATCH_MEDIA_TYPE = "application/protobuf"
_MAPPING_VERSION = "telemetry-1"
_AT_ONCE = 64

_REFUSALS = (InvalidArgument, NotFound, AlreadyExists)
"""What no repetition of the same message cures."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one sample."""

    kind: IngestOutcome.ValueType
    sample_id: str
    vehicle_id: str = ""
    error: GladhandError | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one message."""

    message: InboxMessage
    outcomes: Sequence[Outcome]

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        return all(outcome.kind != INGEST_OUTCOME_STORED for outcome in self.outcomes)

    @property
    def refusals(self) -> list[GladhandError]:
        """The reasons of the samples that were refused."""
        return [outcome.error for outcome in self.outcomes if outcome.error is not None]


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A sample that is good, matched and new."""

    key: InboxKey
    vehicle_id: str


class Intake:
    """Takes telemetry in, from callers that wait and from the durable consumer alike."""

    def __init__(
        self, bus: Bus, inbox: Inbox, ledger: Ledger, pairings: Pairings, rules: FilterRules, region: str
    ) -> None:
        self._bus = bus
        self._inbox = inbox
        self._ledger = ledger
        self._pairings = pairings
        self._rules = rules
        self._jumps = JumpGuard(rules)
        self._region = region
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def take(self, in_hand: InHand, protocol: Protocol, provider: str, media_type: str, body: bytes) -> Verdict:
        """Keep a message and work on it. Raises InvalidArgument where it cannot be read (it is quarantined then),
        Unavailable or ResourceFull where it could not be kept.
        """
        with in_hand.work(self._inbox.message_id(protocol, provider, media_type, body)):
            message = await self._inbox.keep(protocol, provider, media_type, body)
            try:
                verdict = await self.process(message)
            except InvalidArgument:
                in_hand.finish(message.message_id)
                raise
            if verdict.settled:
                in_hand.finish(message.message_id)
            return verdict

    async def finish(self, message: InboxMessage) -> None:
        """Work on a message that nobody waits for. Raises Retry where the fleet gateway does not answer yet."""
        try:
            verdict = await self.process(message)
        except InvalidArgument:
            return  # it is quarantined
        if not verdict.settled:
            raise Retry("FLEET_UNAVAILABLE: the fleet gateway does not tell the device's vehicle")

    async def process(self, message: InboxMessage) -> Verdict:
        """Read a kept message and publish what is good of it; quarantine it where anything of it is refused."""
        try:
            reports = _READERS[message.protocol](message)
        except InvalidArgument as error:
            await self._inbox.quarantine(message, error)
            raise
        outcomes = await self._all(message, reports)
        verdict = Verdict(message, outcomes)
        refusals = verdict.refusals
        if refusals:
            note = f"{len(refusals)} of {len(outcomes)} samples" if len(outcomes) > 1 else ""
            await self._inbox.quarantine(message, refusals[0], note)
        return verdict

    async def _all(self, message: InboxMessage, reports: Sequence[Report]) -> list[Outcome]:
        """Judge all samples at once, then publish those that are new in order of occurrence.

        Whoever reads the positions then has little to put right: a batch is as good as a live stream.
        """
        judged = await asyncio.gather(*(self._judge(message, report) for report in reports))
        outcomes = [found for found in judged if isinstance(found, Outcome)]
        if len(outcomes) == len(judged):
            return outcomes
        fresh = [(index, found) for index, found in enumerate(judged) if isinstance(found, _Fresh)]
        fresh.sort(key=lambda pair: reports[pair[0]].sample.occur_time.ToNanoseconds())
        # Requests leave in the order in which these begin.
        published = await asyncio.gather(*(self._publish(message, reports[index], found) for index, found in fresh))
        told = {index: outcome for (index, _), outcome in zip(fresh, published, strict=True)}
        return [found if isinstance(found, Outcome) else told[index] for index, found in enumerate(judged)]

    async def _judge(self, message: InboxMessage, report: Report) -> Outcome | _Fresh:
        key = key_of(report)
        sample, device = report.sample, report.device
        async with self._room:
            try:
                check_sample(sample, message.received, self._rules)
                if sample.HasField("position"):
                    self._jumps.check(f"{device.provider}/{device.device_id}", sample)
                vehicle_id = await self._pairings.vehicle_of(device, sample.occur_time.ToDatetime(UTC))
                claim = await self._ledger.claim(key, message)
            except Unavailable as error:
                if error.reason != "FLEET_UNAVAILABLE":
                    raise
                return Outcome(INGEST_OUTCOME_STORED, key.id)
            except _REFUSALS as error:
                return Outcome(INGEST_OUTCOME_REFUSED, key.id, error=error)
        return _Fresh(key, vehicle_id) if claim.mine else Outcome(INGEST_OUTCOME_DUPLICATE, key.id, vehicle_id)

    async def _publish(self, message: InboxMessage, report: Report, fresh: _Fresh) -> Outcome:
        record = self._record(message, report, fresh.key, fresh.vehicle_id)
        async with self._room:
            published = await self._bus.publish(
                self._subject(fresh.vehicle_id, report), record.SerializeToString(), message_id=fresh.key.id
            )
        repeated = published.duplicate or message.repeated
        kind = INGEST_OUTCOME_DUPLICATE if repeated else INGEST_OUTCOME_ACCEPTED
        return Outcome(kind, fresh.key.id, fresh.vehicle_id)

    def _record(
        self, message: InboxMessage, report: Report, key: InboxKey, vehicle_id: str
    ) -> VehiclePosition | VehicleSample:
        provenance = Provenance(
            provider=report.device.provider,
            gateway=GATEWAY,
            raw_reference=message.reference,
            raw_sha256=message.sha256,
            mapping_version=_MAPPING_VERSION,
        )
        sample = report.sample
        if not sample.HasField("position"):
            other = VehicleSample(
                sample_id=key.id,
                vehicle_id=vehicle_id,
                device=report.device,
                sample=sample,
                provenance=provenance,
                region=self._region,
            )
            other.sample.receive_time.FromDatetime(message.received)
            return other
        position = VehiclePosition(
            position_id=key.id,
            vehicle_id=vehicle_id,
            device=report.device,
            position=sample.position,
            occur_time=sample.occur_time,
            record_time=sample.record_time if sample.HasField("record_time") else None,
            quality=sample.quality if sample.HasField("quality") else None,
            driver_reference=sample.driver_reference,
            provenance=provenance,
            region=self._region,
        )
        position.receive_time.FromDatetime(message.received)
        return position

    def _subject(self, vehicle_id: str, report: Report) -> str:
        # A vehicle's id may hold dots, a subject token may not; who needs the id itself reads the record.
        token = vehicle_id.replace(".", "_")
        return f"logistics.telemetry.{self._region}.{token}.{report.sample.WhichOneof('value')}"


def _batch(message: InboxMessage) -> list[Report]:
    try:
        batch = TelemetryBatch.FromString(message.body)
    except DecodeError as error:
        raise InvalidArgument("the body is no TelemetryBatch", reason="MALFORMED_MESSAGE") from error
    return [Report(batch.device, sample) for sample in batch.samples]


_READERS: dict[Protocol, Callable[[InboxMessage], list[Report]]] = {
    Protocol.OSMAND: lambda message: osmand.parse(message.body, message.media_type),
    Protocol.TRACCAR: lambda message: traccar.parse(message.body, message.media_type),
    Protocol.BATCH: _batch,
}
