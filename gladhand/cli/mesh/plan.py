"""Which processes make up the mesh of one machine, with what environment, in which order (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gladhand.bus.identities import SETUP
from gladhand.cli.home import Home
from gladhand.cli.mesh.access import ERP_INSTANCE, Access


@dataclass(frozen=True, slots=True)
class Step:
    """One process. `once` steps end by themselves and must succeed; the others run until they are stopped.

    `after` names steps that must be ready first. A server is ready when its `ready_file` names its own pid and its gRPC
    health says SERVING on `grpc_port`, and `http` answers below 500; what is unset is not asked.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    once: bool = False
    ready_file: Path | None = None
    grpc_port: int | None = None
    http: str | None = None
    ready_within_s: float = 60.0
    stop_within_s: float = 12.0
    address: str = ""
    secure: Path | None = None
    """The mesh's folder of certificates, where the process serves by TLS."""


@dataclass(frozen=True, slots=True)
class MeshPlan:
    """The steps in the order in which they are listed; they are stopped in the reverse one."""

    region: str
    root: Path
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class _Site:
    """Where the mesh is, and how its processes reach each other."""

    home: Home
    python: str
    region: str
    ports: Mapping[str, int]
    secure: Path | None

    def at(self, name: str) -> str:
        """Host and port of what listens under that name."""
        return f"127.0.0.1:{self.ports[name]}"

    def url(self, name: str) -> str:
        """The base URL of what speaks HTTP."""
        return f"{'http' if self.secure is None else 'https'}://{self.at(name)}"

    @property
    def nats_url(self) -> str:
        """Of the nats-server, by TLS where the mesh has certificates."""
        return f"{'nats' if self.secure is None else 'tls'}://{self.at('nats')}"


def mesh_plan(
    home: Home, root: Path, python: str, region: str, ports: Mapping[str, int], *, secure: Path | None
) -> MeshPlan:
    """The plan of the whole mesh: JetStream, the ERP, and the four services in `root`.

    `secure` is the folder with a folder of certificates for each identity; None makes a mesh without TLS.
    """
    site = _Site(home, python, region, ports, secure)
    return MeshPlan(region, root, (*_engine(site), *_erp(site), *_services(site)))


def _engine(site: _Site) -> tuple[Step, ...]:
    access = Access(site.home)
    tls = () if site.secure is None else (str(site.secure / "nats"),)
    authority = "" if site.secure is None else str(site.secure / "ca.pem")
    nats = Step(
        "nats",
        (
            site.python, "-m", "gladhand.cli.mesh.engine", "serve", str(site.home.data("nats")),
            str(site.ports["nats"]), str(site.ports["nats_monitoring"]), str(access.authorization), *tls,
        ),
        http=f"{site.url('nats_monitoring')}/healthz",
        stop_within_s=20.0,
        address=site.nats_url,
        secure=site.secure,
    )  # fmt: skip
    streams = Step(
        "streams",
        (
            site.python, "-m", "gladhand.cli.mesh.engine", "streams", site.nats_url,
            str(access.credentials(SETUP)), authority, *access.objects(),
        ),
        after=("nats",),
        once=True,
    )  # fmt: skip
    return nats, streams


def _erp(site: _Site) -> tuple[Step, ...]:
    program = (site.python, "-m", "deploy.tryton")
    where = ("--home", str(site.home.data("tryton")), "--cache", str(site.home.cache / "tryton"))
    tls = () if site.secure is None else ("--tls-dir", str(site.secure / "tryton"))
    build = Step("tryton_build", (*program, "build", *where), once=True, ready_within_s=900.0)
    tryton = Step(
        "tryton",
        (*program, "serve", *where, "--port", str(site.ports["tryton"]), *tls),
        after=("tryton_build",),
        http=f"{site.url('tryton')}/",
        ready_within_s=120.0,
        stop_within_s=25.0,
        address=site.url("tryton"),
        secure=site.secure,
    )
    return build, tryton


def _services(site: _Site) -> tuple[Step, ...]:
    return (
        _service(
            site,
            "fleet_gateway",
            {
                "GLADHAND_FLEET_FILE": "deploy/fleet/denver.toml",
                # Short trips: in a day one van would serve the whole demo, in this time the orders take three.
                "GLADHAND_DAY_H": "1.25",
            },
        ),
        _service(
            site,
            "erp_gateway",
            {
                "GLADHAND_ERP_INSTANCE": ERP_INSTANCE,
                "GLADHAND_TRYTON_URL": site.url("tryton"),
                "GLADHAND_TRYTON_CREDENTIALS": str(site.home.data("tryton") / "credentials.json"),
                "GLADHAND_ORCHESTRATOR_TARGET": site.at("orchestrator"),
            },
            after=("streams", "tryton"),
        ),
        _service(
            site,
            "orchestrator",
            {
                "GLADHAND_ERP_TARGET": site.at("erp_gateway"),
                "GLADHAND_FLEET_TARGET": site.at("fleet_gateway"),
                # A clerk takes a second for a sale: let a few gather, so that they share a truck.
                "GLADHAND_WAVE_DELAY_S": "4",
            },
        ),
        _service(
            site,
            "edge_gateway",
            {
                "GLADHAND_ORCHESTRATOR_TARGET": site.at("orchestrator"),
                "GLADHAND_FLEET_TARGET": site.at("fleet_gateway"),
                "GLADHAND_HTTP_PORT": str(site.ports["edge_http"]),
            },
            address=site.url("edge_http"),
        ),
    )


def _service(
    site: _Site, name: str, own: Mapping[str, str], *, after: tuple[str, ...] = ("streams",), address: str = ""
) -> Step:
    return Step(
        name,
        (site.python, "-m", f"services.{name}.main"),
        {
            "GLADHAND_NATS_URL": site.nats_url,
            "GLADHAND_NATS_CREDENTIALS": str(Access(site.home).credentials(name)),
            "GLADHAND_MONITORING_URL": site.url("nats_monitoring"),
            "GLADHAND_REGION": site.region,
            "GLADHAND_PORT": str(site.ports[name]),
            "GLADHAND_READY_FILE": str(site.home.ready_file(name)),
            "GLADHAND_DATA_DIR": str(site.home.data(name)),
            "GLADHAND_CLOCK": "warp",
            **_proofs(site, name),
            **own,
        },
        after=after,
        ready_file=site.home.ready_file(name),
        grpc_port=site.ports[name],
        address=address or site.at(name),
        secure=site.secure,
    )


def _proofs(site: _Site, name: str) -> Mapping[str, str]:
    """What a service proves itself with, and whose tokens it takes."""
    if site.secure is None:
        return {"GLADHAND_INSECURE": "true"}
    return {
        "GLADHAND_TLS_DIR": str(site.secure / name),
        "GLADHAND_TOKEN_PORT": str(site.ports[f"{name}_token"]),
        "GLADHAND_JWKS": str(site.home.key_set),
    }
