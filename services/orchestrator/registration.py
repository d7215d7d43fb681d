"""What the orchestrator has to do with the contract, as the registry shows it."""

from __future__ import annotations

from gladhand.registry import Service
from logistics.exception.v1 import ColdChainFinding
from logistics.load.v1 import DeliveryEvent
from services.orchestrator.journal import DECIDERS

_ERP, _FLEET = "logistics.erp.v1.ErpGatewayService", "logistics.dispatch.v1.DispatchService"

REGISTRATION = Service(
    "orchestrator",
    services=("logistics.orchestrator.v1.OrchestratorService",),
    # Its deciders fold whole events into whole objects, and a milestone becomes a command with all that it tells.
    reads={
        **{decider.envelope: ("*",) for decider in DECIDERS.values()},
        DeliveryEvent: ("*",),
        ColdChainFinding: ("*",),
    },
    calls=(
        *(f"{_ERP}/{method}" for method in ("CancelSale", "ConfirmDispatch", "PostCreditMemo", "PostDelivery")),
        *(f"{_ERP}/{method}" for method in ("PostInvoice", "PostPayable", "ReceiveReturn", "ValidateOrder")),
        *(f"{_FLEET}/{method}" for method in ("AssignLoad", "CancelLoad", "CompleteLoad", "DispatchLoad")),
        *(f"{_FLEET}/{method}" for method in ("GetDriver", "GetLoad", "GetVehicle", "PlanLoads")),
        *(f"{_FLEET}/{method}" for method in ("ReassignLoad", "ReplanLoad", "TenderLoad")),
    ),
)
