"""The orchestrator's gRPC service: each file one part of it, composed here."""

from __future__ import annotations

from services.orchestrator.servicer.exceptions import ExceptionMethods
from services.orchestrator.servicer.history import HistoryMethods
from services.orchestrator.servicer.loads import LoadMethods
from services.orchestrator.servicer.orders import OrderMethods

OWN_IDEMPOTENCY = frozenset({"SubmitOrder", "AmendOrder", "CancelOrder", "RecordProofOfDelivery", "StartPlanningWave"})
"""Methods that the log itself keeps from happening twice, so that they need no record of their answers."""


class OrchestratorServicer(OrderMethods, LoadMethods, ExceptionMethods, HistoryMethods):
    """Every method of `logistics.orchestrator.v1.OrchestratorService`."""
