"""`EdgeIngestService`: what comes over gRPC goes the way of what comes over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from gladhand.errors import AlreadyExists, GladhandError, InvalidArgument
from logistics.edge.v1 import (
    EdgeIngestServiceServicer,
    IngestPositionsRequest,
    IngestPositionsResponse,
    IngestReadingsRequest,
    IngestReadingsResponse,
    IngestResult,
    StreamPositionsRequest,
    StreamPositionsResponse,
    SubmitProofOfDeliveryRequest,
    SubmitProofOfDeliveryResponse,
)
from logistics.error.v1 import ErrorReason
from logistics.fleet.v1 import TelemetryBatch
from services.edge_gateway.inbox import InHand, Protocol
from services.edge_gateway.intake import BATCH_MEDIA_TYPE, Intake, Verdict
from services.edge_gateway.manifest import PROTO_MEDIA_TYPE
from services.edge_gateway.pod_desk import GivenFile, PodDesk

__all__ = ["EdgeIngest"]

_RETRY_S = 5


class EdgeIngest(EdgeIngestServiceServicer):
    """Telemetry in batches and streams, and proofs of delivery. Idempotent by inbox key, not by a kept answer."""

    def __init__(self, intake: Intake, pods: PodDesk, in_hand: InHand) -> None:
        self._intake = intake
        self._pods = pods
        self._in_hand = in_hand

    async def IngestPositions(self, request: IngestPositionsRequest, _context: object) -> IngestPositionsResponse:
        """Take positions in; see the contract."""
        return IngestPositionsResponse(results=await self._batches(request.batches))

    async def IngestReadings(self, request: IngestReadingsRequest, _context: object) -> IngestReadingsResponse:
        """Take readings, state changes and faults in; see the contract."""
        return IngestReadingsResponse(results=await self._batches(request.batches))

    async def StreamPositions(
        self, requests: AsyncIterator[StreamPositionsRequest], _context: object
    ) -> AsyncIterator[StreamPositionsResponse]:
        """Take positions in without end; see the contract."""
        async for request in requests:
            results = await self._batches([request.batch])
            yield StreamPositionsResponse(batch_number=request.batch_number, results=results)

    async def SubmitProofOfDelivery(
        self, request: SubmitProofOfDeliveryRequest, _context: object
    ) -> SubmitProofOfDeliveryResponse:
        """Take one proof in; see the contract."""
        if not request.HasField("pod"):
            raise InvalidArgument("pod is missing", field="pod", remedy="send the proof", rule="required")
        receipt = await self._pods.take(
            self._in_hand,
            request.provider,
            PROTO_MEDIA_TYPE,
            request.pod.SerializeToString(deterministic=True),
            [GivenFile(file.name, file.media_type, file.content) for file in request.files],
            request_id=request.request_id.lower(),
        )
        answer = SubmitProofOfDeliveryResponse(
            pod_id=receipt.pod_id, recorded=receipt.recorded, inbox_reference=receipt.message.reference
        )
        if not receipt.recorded:
            answer.retry_after.seconds = _RETRY_S
        return answer

    async def _batches(self, batches: Iterable[TelemetryBatch]) -> list[IngestResult]:
        results: list[IngestResult] = []
        for index, batch in enumerate(batches):
            for sample in batch.samples:
                sample.ClearField("receive_time")  # ours to give
            body = batch.SerializeToString(deterministic=True)
            verdict = await self._intake.take(
                self._in_hand, Protocol.BATCH, batch.device.provider, BATCH_MEDIA_TYPE, body
            )
            results.extend(_results(index, verdict))
        return results


def _results(batch_index: int, verdict: Verdict) -> Iterable[IngestResult]:
    for sample_index, outcome in enumerate(verdict.outcomes):
        result = IngestResult(
            batch_index=batch_index,
            sample_index=sample_index,
            outcome=outcome.kind,
            sample_id=outcome.sample_id,
            vehicle_id=outcome.vehicle_id,
            inbox_reference=verdict.message.reference,
        )
        if outcome.error is not None:
            result.reason = _number(outcome.error)
            result.message = outcome.error.message
        yield result


def _number(error: GladhandError) -> ErrorReason.ValueType:
    name = f"ERROR_REASON_{error.reason}"
    known = ErrorReason.DESCRIPTOR.values_by_name.get(name)
    if known is None:
        name = "ERROR_REASON_ALREADY_EXISTS" if isinstance(error, AlreadyExists) else "ERROR_REASON_CONTRACT_VIOLATION"
    return ErrorReason.Value(name)
