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


def mesh_plan(
    home: Home, root: Path, python: str, region: str, ports: Mapping[str, int], *, secure: Path | None
) -> MeshPlan:
    """The plan of the whole mesh: JetStream, the ERP, and the four services in `root`.

    `secure` is the folder with a folder of certificates for each identity; None makes a mesh without TLS.
    """
    steps = (
        *_engine(home, python, ports, secure),
        *_erp(home, python, ports, secure),
        *_services(home, python, region, ports, secure),
    )
    return MeshPlan(region, root, steps)


def _engine(home: Home, python: str, ports: Mapping[str, int], secure: Path | None) -> tuple[Step, ...]:
    access = Access(home)
    tls = () if secure is None else (str(secure / "nats"),)
    authority = "" if secure is None else str(secure / "ca.pem")
    nats = Step(
        "nats",
        (
            python, "-m", "gladhand.cli.mesh.engine", "serve", str(home.data("nats")),
            str(ports["nats"]), str(ports["nats_monitoring"]), str(access.authorization), *tls,
        ),
        http=f"{_monitoring_url(ports, secure)}/healthz",
        stop_within_s=20.0,
        address=_nats_url(ports, secure),
        secure=secure,
    )  # fmt: skip
    streams = Step(
        "streams",
        (
            python, "-m", "gladhand.cli.mesh.engine", "streams", _nats_url(ports, secure),
            str(access.credentials(SETUP)), authority, *access.objects(),
        ),
        after=("nats",),
        once=True,
    )  # fmt: skip
    return nats, streams


def _erp(home: Home, python: str, ports: Mapping[str, int], secure: Path | None) -> tuple[Step, ...]:
    where = ("--home", str(home.data("tryton")), "--cache", str(home.cache / "tryton"))
    tls = () if secure is None else ("--tls-dir", str(secure / "tryton"))
    url = _tryton_url(ports, secure)
    build = Step("tryton_build", (python, "-m", "deploy.tryton", "build", *where), once=True, ready_within_s=900.0)
    tryton = Step(
        "tryton",
        (python, "-m", "deploy.tryton", "serve", *where, "--port", str(ports["tryton"]), *tls),
        after=("tryton_build",),
        http=f"{url}/",
        ready_within_s=120.0,
        stop_within_s=25.0,
        address=url,
        secure=secure,
    )
    return build, tryton


def _services(home: Home, python: str, region: str, ports: Mapping[str, int], secure: Path | None) -> tuple[Step, ...]:
    def tls(name: str) -> Mapping[str, str]:
        if secure is None:
            return {"GLADHAND_INSECURE": "true"}
        return {
            "GLADHAND_TLS_DIR": str(secure / name),
            "GLADHAND_TOKEN_PORT": str(ports[f"{name}_token"]),
            "GLADHAND_JWKS": str(home.key_set),
        }

    def service(name: str, after: tuple[str, ...], own: Mapping[str, str], address: str = "") -> Step:
        return Step(
            name,
            (python, "-m", f"services.{name}.main"),
            {
                "GLADHAND_NATS_URL": _nats_url(ports, secure),
                "GLADHAND_NATS_CREDENTIALS": str(Access(home).credentials(name)),
                "GLADHAND_MONITORING_URL": _monitoring_url(ports, secure),
                "GLADHAND_REGION": region,
                "GLADHAND_PORT": str(ports[name]),
                "GLADHAND_READY_FILE": str(home.ready_file(name)),
                "GLADHAND_DATA_DIR": str(home.data(name)),
                "GLADHAND_CLOCK": "warp",
                **tls(name),
                **own,
            },
            after=after,
            ready_file=home.ready_file(name),
            grpc_port=ports[name],
            address=address or f"127.0.0.1:{ports[name]}",
            secure=secure,
        )

    target = {name: f"127.0.0.1:{ports[name]}" for name in ("orchestrator", "erp_gateway", "fleet_gateway")}
    return (
        service(
            "fleet_gateway",
            ("streams",),
            {
                "GLADHAND_FLEET_FILE": "deploy/fleet/denver.toml",
                # Short trips: in a day one van would serve the whole demo, in this time the orders take three.
                "GLADHAND_DAY_H": "1.25",
            },
        ),
        service(
            "erp_gateway",
            ("streams", "tryton"),
            {
                "GLADHAND_ERP_INSTANCE": ERP_INSTANCE,
                "GLADHAND_TRYTON_URL": _tryton_url(ports, secure),
                "GLADHAND_TRYTON_CREDENTIALS": str(home.data("tryton") / "credentials.json"),
                "GLADHAND_ORCHESTRATOR_TARGET": target["orchestrator"],
            },
        ),
        service(
            "orchestrator",
            ("streams",),
            {
                "GLADHAND_ERP_TARGET": target["erp_gateway"],
                "GLADHAND_FLEET_TARGET": target["fleet_gateway"],
                # A clerk takes a second for a sale: let a few gather, so that they share a truck.
                "GLADHAND_WAVE_DELAY_S": "4",
            },
        ),
        service(
            "edge_gateway",
            ("streams",),
            {
                "GLADHAND_ORCHESTRATOR_TARGET": target["orchestrator"],
                "GLADHAND_FLEET_TARGET": target["fleet_gateway"],
                "GLADHAND_HTTP_PORT": str(ports["edge_http"]),
            },
            address=f"{_scheme(secure)}://127.0.0.1:{ports['edge_http']}",
        ),
    )


def _tryton_url(ports: Mapping[str, int], secure: Path | None) -> str:
    return f"{_scheme(secure)}://127.0.0.1:{ports['tryton']}"


def _scheme(secure: Path | None) -> str:
    return "http" if secure is None else "https"


def _nats_url(ports: Mapping[str, int], secure: Path | None) -> str:
    return f"{'nats' if secure is None else 'tls'}://127.0.0.1:{ports['nats']}"


def _monitoring_url(ports: Mapping[str, int], secure: Path | None) -> str:
    return f"{'http' if secure is None else 'https'}://127.0.0.1:{ports['nats_monitoring']}"
