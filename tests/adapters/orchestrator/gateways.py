"""Both gateways of the simulation, served over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from gladhand.clock import SystemClock
from gladhand.security.credentials import TlsCredentials
from gladhand.security.folder import TlsFolder
from logistics.dispatch.v1.dispatch_service_pb2_grpc import (
    DispatchServiceServicer,
    add_DispatchServiceServicer_to_server,
)
from logistics.erp.v1.erp_gateway_service_pb2_grpc import (
    ErpGatewayServiceServicer,
    add_ErpGatewayServiceServicer_to_server,
)
from tests.simulation.outside import Faults, LedgerErp, YardFleet


class _Erp(ErpGatewayServiceServicer):
    def __init__(self, erp: LedgerErp) -> None:
        self._erp = erp

    async def ValidateOrder(self, request: Any, context: Any) -> Any:
        return await self._erp.validate_order(request)

    async def ConfirmDispatch(self, request: Any, context: Any) -> Any:
        return await self._erp.confirm_dispatch(request)

    async def PostDelivery(self, request: Any, context: Any) -> Any:
        return await self._erp.post_delivery(request)

    async def PostInvoice(self, request: Any, context: Any) -> Any:
        return await self._erp.post_invoice(request)

    async def CancelSale(self, request: Any, context: Any) -> Any:
        return await self._erp.cancel_sale(request)

    async def ReceiveReturn(self, request: Any, context: Any) -> Any:
        return await self._erp.receive_return(request)

    async def PostCreditMemo(self, request: Any, context: Any) -> Any:
        return await self._erp.post_credit_memo(request)

    async def PostPayable(self, request: Any, context: Any) -> Any:
        return await self._erp.post_payable(request)


class _Fleet(DispatchServiceServicer):
    def __init__(self, fleet: YardFleet) -> None:
        self._fleet = fleet

    async def PlanLoads(self, request: Any, context: Any) -> Any:
        return await self._fleet.plan_loads(request)

    async def TenderLoad(self, request: Any, context: Any) -> Any:
        return await self._fleet.tender_load(request)

    async def AssignLoad(self, request: Any, context: Any) -> Any:
        return await self._fleet.assign_load(request)

    async def DispatchLoad(self, request: Any, context: Any) -> Any:
        return await self._fleet.dispatch_load(request)

    async def CompleteLoad(self, request: Any, context: Any) -> Any:
        return await self._fleet.complete_load(request)

    async def CancelLoad(self, request: Any, context: Any) -> Any:
        return await self._fleet.cancel_load(request)

    async def GetVehicle(self, request: Any, context: Any) -> Any:
        return await self._fleet.get_vehicle(request)

    async def GetDriver(self, request: Any, context: Any) -> Any:
        return await self._fleet.get_driver(request)

    async def GetLoad(self, request: Any, context: Any) -> Any:
        return await self._fleet.get_load(request)

    async def ReassignLoad(self, request: Any, context: Any) -> Any:
        return await self._fleet.reassign_load(request)

    async def ReplanLoad(self, request: Any, context: Any) -> Any:
        return await self._fleet.replan_load(request)


@asynccontextmanager
async def serving_erp(erp: LedgerErp) -> AsyncIterator[str]:
    """Serve one ERP gateway alone; yield its target."""
    server = grpc.aio.server()
    add_ErpGatewayServiceServicer_to_server(_Erp(erp), server)  # type: ignore[abstract]  # answers what is asked here
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@dataclass(frozen=True, slots=True)
class Gateways:
    """What the orchestrator stands between, and where it is served."""

    erp: LedgerErp
    fleet: YardFleet
    target: str
    fleet_target: str

    @classmethod
    @asynccontextmanager
    async def serving(cls, secure: Path | None = None) -> AsyncIterator[Gateways]:
        """Serve both: on one port, or with a secure folder on one for each identity."""
        faults = Faults()
        erp, fleet = LedgerErp(faults), YardFleet(SystemClock(), faults)
        server = grpc.aio.server()
        add_ErpGatewayServiceServicer_to_server(_Erp(erp), server)  # type: ignore[abstract]  # answers what is asked here
        add_DispatchServiceServicer_to_server(_Fleet(fleet), server)  # type: ignore[abstract]  # likewise
        if secure is None:
            ports = [server.add_insecure_port("127.0.0.1:0")] * 2
        else:
            both = (TlsCredentials(TlsFolder(secure / name)).for_mesh() for name in ("erp_gateway", "fleet_gateway"))
            ports = [server.add_secure_port("127.0.0.1:0", each) for each in both]
        await server.start()
        try:
            yield cls(erp, fleet, *(f"127.0.0.1:{port}" for port in ports))
        finally:
            await server.stop(1.0)
