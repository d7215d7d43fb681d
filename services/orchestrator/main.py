"""The orchestrator as a process: `python -m services.orchestrator.main`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from gladhand.bus.streams import StreamLimits, ensure_streams, standard_streams
from gladhand.client import channel
from gladhand.idempotency import BucketIdempotency
from gladhand.log.jetstream import JetStreamEventStore
from gladhand.mesh import consuming, joined
from gladhand.security.credentials import TlsCredentials
from gladhand.server import ServiceProcess
from gladhand.service_config import MOST_IN_FLIGHT
from logistics.dispatch.v1 import dispatch_service_pb2
from logistics.erp.v1 import erp_gateway_service_pb2
from logistics.orchestrator.v1.orchestrator_service_pb2_grpc import add_OrchestratorServiceServicer_to_server
from logistics.process.v1 import ProcessPolicy
from services.orchestrator.composition import Orchestrator, Ports, compose
from services.orchestrator.erps import ErpGateways
from services.orchestrator.gateways import GrpcErpGateway, GrpcFleetGateway
from services.orchestrator.policies.book import built_in, default_policy
from services.orchestrator.policies.store import BUCKET, KeptPolicies
from services.orchestrator.read_model import Projector, ReadModel
from services.orchestrator.registration import REGISTRATION
from services.orchestrator.servicer import OWN_IDEMPOTENCY, OrchestratorServicer
from services.orchestrator.settings import OrchestratorSettings


async def build(process: ServiceProcess[OrchestratorSettings]) -> None:
    """Put the service together and let its processes run."""
    ports, orchestrator = await assemble(process)
    process.add_task("projector", Projector(ports.store, ports.read_model).run)
    process.add_task("watchdog", orchestrator.watchdog.run)
    await process.enter(consuming(ports.bus, orchestrator.subscriptions))


async def assemble(process: ServiceProcess[OrchestratorSettings]) -> tuple[Ports, Orchestrator]:
    """Open log, bus, gateways and read model and serve commands; no process runs yet."""
    settings = process.settings
    mesh = await process.enter(joined(process.name, settings, part=REGISTRATION))
    if settings.nats_credentials is None:
        # Else only the identity `mesh_setup` may: who makes a stream can have it copy another one.
        await ensure_streams(mesh.connection, standard_streams(StreamLimits(replicas=settings.replicas)))
    store = JetStreamEventStore(mesh.connection, source=process.name)
    own = process.credentials
    to_fleet = channel(settings.fleet_target, dispatch_service_pb2.DESCRIPTOR, credentials=own)
    erps = await process.enter(_erps(settings, own))
    fleet = GrpcFleetGateway(await process.enter(to_fleet))
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    read_model = await process.enter(ReadModel.opened(settings.read_model_url))

    ports = Ports(store=store, bus=mesh.bus, clock=mesh.clock, erps=erps, fleet=fleet, read_model=read_model)
    policies = KeptPolicies(await mesh.bus.key_value(BUCKET), built_in(_policy(settings)), mesh.clock)
    await policies.load()
    process.add_task("policies", policies.run)
    orchestrator = compose(
        ports,
        policies,
        workers=settings.workers,
        watchdog_every=timedelta(seconds=settings.watchdog_s),
    )
    process.use_idempotency(BucketIdempotency(await mesh.bus.key_value("IDEMPOTENCY")))
    process.add_servicer(
        add_OrchestratorServiceServicer_to_server,
        OrchestratorServicer(orchestrator.desk),
        own_idempotency=OWN_IDEMPOTENCY,
    )
    return ports, orchestrator


@asynccontextmanager
async def _erps(settings: OrchestratorSettings, own: TlsCredentials | None) -> AsyncIterator[ErpGateways]:
    """Open a channel to the gateway of each ERP, each with a breaker and a share of the workers of its own.

    Were the workers not shared out, orders of an ERP that hangs would keep all of them waiting for it.
    """
    service = erp_gateway_service_pb2.DESCRIPTOR
    async with AsyncExitStack() as stack:
        if not settings.erp_targets:
            to_only = await stack.enter_async_context(channel(settings.erp_target, service, credentials=own))
            yield ErpGateways.only(GrpcErpGateway(to_only))
            return
        share = MOST_IN_FLIGHT
        if len(settings.erp_targets) > 1:
            share = max(1, settings.workers // len(settings.erp_targets))
        gateways = {}
        for name, target in settings.erp_targets.items():
            to_erp = channel(target, service, credentials=own, most_in_flight=share)
            gateways[name] = GrpcErpGateway(await stack.enter_async_context(to_erp))
        yield ErpGateways(gateways)


def _policy(settings: OrchestratorSettings) -> ProcessPolicy:
    """Return the built-in policy: the same for every region, but for the delay of waves."""
    policy = default_policy()
    policy.wave_delay.FromTimedelta(settings.wave_delay)
    return policy


if __name__ == "__main__":
    raise SystemExit(ServiceProcess.main("orchestrator", OrchestratorSettings, build))
