"""What the ERP gateway has to do with the contract, as the registry shows it."""

from __future__ import annotations

from gladhand.registry import Service
from logistics.erp.v1 import WatchSalesResponse

_ORCHESTRATOR = "logistics.orchestrator.v1.OrchestratorService"

REGISTRATION = Service(
    "erp_gateway",
    services=("logistics.erp.v1.ErpGatewayService",),
    # Sales on their way through INBOX: the order is handed on whole.
    reads={WatchSalesResponse: ("order.*",)},
    calls=tuple(f"{_ORCHESTRATOR}/{method}" for method in ("CancelOrder", "ListOrders", "SubmitOrder")),
)
