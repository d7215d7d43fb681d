"""The gateway as it is put together: real Tryton, real JetStream, an orchestrator that only takes notes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from nats.aio.client import Client

from gladhand.client import call, channel
from gladhand.errors import FailedPrecondition, NotFound, SettingsError
from gladhand.nats_server import NatsServer
from gladhand.server import ServiceProcess
from gladhand.testing import eventually
from logistics.erp.v1 import erp_gateway_service_pb2 as erp
from logistics.erp.v1 import erp_gateway_service_pb2_grpc as erp_grpc
from logistics.orchestrator.v1 import orchestrator_service_pb2 as orchestrator
from logistics.order.v1 import order_pb2
from services.erp_gateway.main import build
from services.erp_gateway.settings import ErpSettings
from tests.adapters.erp.harness import INSTANCE, Line, delivery_request, invoice_request, read
from tests.adapters.erp.tryton_harness import TrytonHarness, TrytonUnderTest

pytestmark = pytest.mark.tryton


class Notes:
    """Takes every order."""

    def __init__(self) -> None:
        self.orders: dict[str, order_pb2.Order] = {}

    async def submit(self, request: orchestrator.SubmitOrderRequest, _context: Any) -> orchestrator.SubmitOrderResponse:
        self.orders[request.order.references[0].value] = request.order
        return orchestrator.SubmitOrderResponse(order=request.order, created=True, version=1)

    def handler(self) -> grpc.GenericRpcHandler:
        submit = grpc.unary_unary_rpc_method_handler(
            self.submit,
            request_deserializer=orchestrator.SubmitOrderRequest.FromString,
            response_serializer=orchestrator.SubmitOrderResponse.SerializeToString,
        )
        service = orchestrator.DESCRIPTOR.services_by_name["OrchestratorService"].full_name
        return grpc.method_handlers_generic_handler(service, {"SubmitOrder": submit})


@asynccontextmanager
async def taking_notes() -> AsyncIterator[tuple[Notes, str]]:
    notes, server = Notes(), grpc.aio.server()
    server.add_generic_rpc_handlers((notes.handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield notes, f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


def settings(tryton: TrytonUnderTest, nats: NatsServer, nats_url: str, target: str) -> ErpSettings:
    return ErpSettings(
        nats_url=nats_url,
        monitoring_url=nats.monitoring_url,
        region="us",
        erp_instance=INSTANCE,
        tryton_url=tryton.server.url,
        tryton_credentials=tryton.home.credentials,
        orchestrator_target=target,
        poll_interval_s=0.2,
        settle_s=0.5,
    )


async def test_from_a_sale_to_its_invoice_over_grpc(
    tryton: TrytonUnderTest,
    tryton_harness: TrytonHarness,
    mesh_streams: Client,
    nats_server: NatsServer,
    nats_url: str,
) -> None:
    async with taking_notes() as (notes, target):
        process = ServiceProcess("erp_gateway", settings(tryton, nats_server, nats_url, target))
        async with (
            process.serving(build) as running,
            channel(running.target, erp.DESCRIPTOR) as to_gateway,
        ):
            gateway = erp_grpc.ErpGatewayServiceStub(to_gateway)
            sale = await tryton_harness.place([Line("WATER24", 6)])
            reading = await read(tryton_harness, sale)
            order = await eventually(lambda: notes.orders.get(reading.number), within=60.0)
            assert order == reading.order
            answer = await call(gateway.ValidateOrder(erp.ValidateOrderRequest(order=order)))
            assert {check.result for check in answer.checks} == {order_pb2.CHECK_RESULT_PASS}
            with pytest.raises(FailedPrecondition) as refused:
                await call(gateway.PostDelivery(delivery_request(reading, {"WATER24": 7})))
            assert refused.value.reason == "QUANTITY_EXCEEDED"
            await call(gateway.PostDelivery(delivery_request(reading)))
            request = invoice_request(reading)
            first, again = [await call(gateway.PostInvoice(request)) for _ in range(2)]
            assert first == again  # the first answer, given again by its request id
            document = await call(gateway.GetDocument(erp.GetDocumentRequest(reference=first.erp_invoice)))
            assert document.document.state == "posted"
            with pytest.raises(NotFound) as missing:
                await call(gateway.GetCustomer(erp.GetCustomerRequest(customer_code="NOBODY")))
            assert missing.value.reason == "CUSTOMER_UNKNOWN"


@pytest.mark.parametrize("content", ["", "{}", "[]", json.dumps({"gateway": 5})])
def test_a_credentials_file_without_the_password_is_refused_with_a_remedy(tmp_path: Path, content: str) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(content)
    wrong = ErpSettings(tryton_url="http://127.0.0.1:1", tryton_credentials=path)
    with pytest.raises(SettingsError, match="GLADHAND_TRYTON_CREDENTIALS"):
        wrong.tryton_password()


def test_settings_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLADHAND_TRYTON_URL", "http://127.0.0.1:8000")
    monkeypatch.setenv("GLADHAND_TRYTON_CREDENTIALS", str(tmp_path / "credentials.json"))
    monkeypatch.setenv("GLADHAND_TRYTON_WARNINGS", "future_move., invoice_date.")
    assert ErpSettings.load().tryton_warnings == ("future_move.", "invoice_date.")
    monkeypatch.setenv("GLADHAND_TRYTON_URL", "nonsense")
    with pytest.raises(SettingsError, match="GLADHAND_TRYTON_URL"):
        ErpSettings.load()
