"""The orchestrator's gRPC service: each file one part of it, composed here."""

from __future__ import annotations

from services.orchestrator.servicer.billing import BillingMethods
from services.orchestrator.servicer.endings import EndingMethods
from services.orchestrator.servicer.exceptions import ExceptionMethods
from services.orchestrator.servicer.excursions import ExcursionMethods
from services.orchestrator.servicer.history import HistoryMethods
from services.orchestrator.servicer.holds import HoldMethods
from services.orchestrator.servicer.loads import LoadMethods
from services.orchestrator.servicer.orders import OrderMethods
from services.orchestrator.servicer.payables import PayableMethods
from services.orchestrator.servicer.policies import PolicyMethods
from services.orchestrator.servicer.road import RoadMethods
from services.orchestrator.servicer.tenders import TenderMethods

OWN_IDEMPOTENCY = frozenset({"SubmitOrder", "RecordProofOfDelivery"})
"""Methods of the busy way whose object has a name of its own, the sale or the proof: it tells a repetition from other
content, so that they need no record of their answers. All others would take another wish under a used request id for a
repetition of the first, and answer as if it had been done."""


class OrchestratorServicer(
    OrderMethods, EndingMethods, LoadMethods, ExceptionMethods, HoldMethods, BillingMethods, HistoryMethods,
    ExcursionMethods, PayableMethods, PolicyMethods, RoadMethods, TenderMethods,
):  # fmt: skip
    """Every method of `logistics.orchestrator.v1.OrchestratorService`."""
