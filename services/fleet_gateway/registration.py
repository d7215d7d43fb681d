"""What the fleet gateway has to do with the contract, as the registry shows it."""

from __future__ import annotations

from gladhand.registry import Service

REGISTRATION = Service("fleet_gateway", services=("logistics.dispatch.v1.DispatchService",))
