"""Every method of the project's own contract, behind the door that `gladhand up` puts in front of it.

The servicers answer nothing: whoever comes as far as them, or as far as the rules of the request, was let in. Who may
call what is written out here once more, so that a right which grows is seen.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import Default
from grpc_health.v1 import health_pb2

from gladhand.readiness import read_ready
from gladhand.server import ServiceProcess
from gladhand.settings import Settings
from gladhand.testing import eventually
from logistics.contract.v1.method_pb2 import policy
from logistics.dispatch.v1 import DispatchServiceServicer, add_DispatchServiceServicer_to_server
from logistics.edge.v1 import EdgeIngestServiceServicer, add_EdgeIngestServiceServicer_to_server
from logistics.erp.v1 import ErpGatewayServiceServicer, add_ErpGatewayServiceServicer_to_server
from logistics.orchestrator.v1 import OrchestratorServiceServicer, add_OrchestratorServiceServicer_to_server
from tests.adapters.certified import secured
from tests.adapters.serving.door import Issuer, bearer

DISPATCH, EDGE, ERP, ORCHESTRATOR, SERVER = (
    "logistics.dispatch.v1.DispatchService",
    "logistics.edge.v1.EdgeIngestService",
    "logistics.erp.v1.ErpGatewayService",
    "logistics.orchestrator.v1.OrchestratorService",
    "logistics.server.v1.ServerService",
)
CALLS = 64
"""What the process serves at once."""

STANDARD = (
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    f"{ORCHESTRATOR}/Vanish",
    "nobody.v1.NobodyService/Get",
)


def named(service: str, *methods: str) -> set[str]:
    return {f"{service}/{method}" for method in methods}


EVERY = {
    f"{service}/{method.name}": method
    for service in (DISPATCH, EDGE, ERP, ORCHESTRATOR, SERVER)
    for method in Default().FindServiceByName(service).methods
}
SCOPES = sorted({scope for method in EVERY.values() for scope in method.GetOptions().Extensions[policy].scopes})

BY_CERTIFICATE = {
    "operator": set(EVERY),
    "orchestrator": named(
        DISPATCH,
        "AssignLoad",
        "CancelLoad",
        "CompleteLoad",
        "DispatchLoad",
        "GetDriver",
        "GetVehicle",
        "PlanLoads",
        "GetLoad",
        "ReassignLoad",
        "ReplanLoad",
        "TenderLoad",
    )
    | named(
        ERP,
        "CancelSale",
        "ConfirmDispatch",
        "PostCreditMemo",
        "PostDelivery",
        "PostInvoice",
        "PostPayable",
        "ReceiveReturn",
        "ValidateOrder",
    ),
    "erp_gateway": named(ORCHESTRATOR, "CancelOrder", "ListOrders", "SubmitOrder"),
    "edge_gateway": named(ORCHESTRATOR, "RecordProofOfDelivery") | named(DISPATCH, "ResolveDevice"),
    "fleet_gateway": set[str](),
}
BY_TOKEN = {
    "gladhand.internal": set(EVERY),
    "gladhand.customer": named(ORCHESTRATOR, "GetOrder", "ListOrders", "WatchOrders"),
    "gladhand.partner": named(
        ORCHESTRATOR,
        "GetLoad",
        "ListLoads",
        "RecordProofOfDelivery",
        "RecordCarrierInvoice",
        "GetPayable",
        "ListPayables",
        "AnswerDispute",
        "RespondToTender",
    )
    | named(EDGE, "IngestPositions", "IngestReadings", "StreamPositions", "SubmitProofOfDelivery"),
}


@dataclass
class Mesh:
    """A process that serves every service of the contract, and ways to it."""

    secure: Path
    issuer: Issuer
    port: int
    token_port: int

    def connect(self, port: int, identity: str = "") -> grpc.aio.Channel:
        own = self.secure / identity
        shown = [(own / name).read_bytes() for name in ("key.pem", "cert.pem")] if identity else []
        trusted = (self.secure / "ca.pem").read_bytes()
        return grpc.aio.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(trusted, *shown))

    async def answers(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...] = ()) -> dict[str, str]:
        """What every method answers to an empty request, by status."""
        return {name: await status(channel, name, metadata) for name in EVERY}


async def status(channel: grpc.aio.Channel, name: str, metadata: tuple[tuple[str, str], ...] = ()) -> str:
    ask: Any = channel.stream_stream(f"/{name}")
    try:
        await ask(iter([b""]), metadata=metadata, timeout=10).read()
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


def let_in(answers: dict[str, str]) -> set[str]:
    assert set(answers.values()) <= {"PERMISSION_DENIED", "INVALID_ARGUMENT", "OK"}, answers
    return {name for name, code in answers.items() if code != "PERMISSION_DENIED"}


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Mesh]:
    secure, issuer, ready = secured(tmp_path / "secure", *BY_CERTIFICATE), Issuer(tmp_path), tmp_path / "ready.json"
    settings = Settings(
        insecure=False,
        tls_dir=secure / "orchestrator",
        token_port=0,
        jwks=str(issuer.jwks),
        ready_file=ready,
        max_concurrent_calls=CALLS,
        grace_s=1.0,
    )

    async def build(process: ServiceProcess[Settings]) -> None:
        registered: Any = (
            (add_DispatchServiceServicer_to_server, DispatchServiceServicer),
            (add_EdgeIngestServiceServicer_to_server, EdgeIngestServiceServicer),
            (add_ErpGatewayServiceServicer_to_server, ErpGatewayServiceServicer),
            (add_OrchestratorServiceServicer_to_server, OrchestratorServiceServicer),
        )
        for register, servicer in registered:
            process.add_servicer(register, silent(servicer)(), own_idempotency=True)

    async with ServiceProcess("every", settings).serving(build) as running:
        served = read_ready(ready)
        assert served is not None
        yield Mesh(secure, issuer, running.port, served.ports["grpc_token"])


def silent(servicer: type[Any]) -> type[Any]:
    """A servicer that answers nothing: streams end at once, other answers are empty."""

    async def end(_self: Any, asked: Any, _context: Any) -> AsyncIterator[Any]:
        if isinstance(asked, AsyncIterator):
            async for _request in asked:  # a server that ends first may find the client still writing
                yield b""

    async def empty(_self: Any, _request: Any, _context: Any) -> bytes:
        return b""

    answers = {method.name: end if method.server_streaming else empty for method in EVERY.values()}
    return type("Silent", (servicer,), answers)


async def test_nothing_but_health_answers_whoever_proves_nothing(mesh: Mesh) -> None:
    async with mesh.connect(mesh.token_port) as channel:
        assert set((await mesh.answers(channel)).values()) == {"UNAUTHENTICATED"}
        assert {await status(channel, name) for name in STANDARD} == {"UNAUTHENTICATED"}
        check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        assert health_pb2.HealthCheckResponse.FromString(await check(b"", timeout=10)).status
    async with mesh.connect(mesh.port) as channel:
        assert await status(channel, "grpc.health.v1.Health/Check") == "UNAVAILABLE"


async def test_strangers_who_watch_health_take_nothing_from_the_mesh(mesh: Mesh) -> None:
    async with mesh.connect(mesh.token_port) as outside, mesh.connect(mesh.port, "operator") as inside:
        watch: Any = outside.unary_stream("/grpc.health.v1.Health/Watch")
        watching = [watch(b"") for _ in range(CALLS // 4)]
        for each in watching:
            await each.read()
        assert await status(outside, "grpc.health.v1.Health/Watch") == "UNIMPLEMENTED"
        assert await status(inside, "grpc.health.v1.Health/Watch") == "OK"
        assert await status(inside, f"{SERVER}/GetServerStatus") == "OK"
        watching.pop().cancel()

        async def room() -> bool:
            return await status(outside, "grpc.health.v1.Health/Watch") == "OK"

        await eventually(room)


async def test_calls_that_strangers_begin_and_never_finish_take_nothing_from_the_mesh(mesh: Mesh) -> None:
    async with mesh.connect(mesh.token_port) as outside, mesh.connect(mesh.port, "operator") as inside:
        begun: list[Any] = [outside.stream_stream(f"/{SERVER}/GetServerStatus")() for _ in range(CALLS + 8)]

        async def full() -> bool:
            return await status(outside, "grpc.health.v1.Health/Check") == "RESOURCE_EXHAUSTED"

        await eventually(full)
        assert await status(inside, f"{SERVER}/GetServerStatus") == "OK"
        for each in begun:
            each.cancel()


@pytest.mark.parametrize("identity", BY_CERTIFICATE)
async def test_a_certificate_opens_what_the_contract_lets_its_identity_call(mesh: Mesh, identity: str) -> None:
    async with mesh.connect(mesh.port, identity) as channel:
        assert let_in(await mesh.answers(channel)) == BY_CERTIFICATE[identity]
        assert {await status(channel, name) for name in STANDARD[2:]} == {"UNIMPLEMENTED"}


@pytest.mark.parametrize("audience", BY_TOKEN)
async def test_a_token_with_every_scope_opens_what_is_for_its_audience(mesh: Mesh, audience: str) -> None:
    party = None if audience == "gladhand.internal" else "SCAC:MGCT"
    token = mesh.issuer.token(aud=audience, scope=" ".join(SCOPES), party=party)
    async with mesh.connect(mesh.token_port) as channel:
        assert let_in(await mesh.answers(channel, bearer(token))) == BY_TOKEN[audience]


async def test_a_token_without_scopes_opens_nothing(mesh: Mesh) -> None:
    async with mesh.connect(mesh.token_port) as channel:
        assert not let_in(await mesh.answers(channel, bearer(mesh.issuer.token(scope=""))))


async def test_a_customers_token_with_a_service_behind_it_opens_no_more(mesh: Mesh) -> None:
    token = mesh.issuer.token(aud="gladhand.customer", scope=" ".join(SCOPES), party="books:C1")
    async with mesh.connect(mesh.port, "operator") as channel:
        assert let_in(await mesh.answers(channel, bearer(token))) == BY_TOKEN["gladhand.customer"]
