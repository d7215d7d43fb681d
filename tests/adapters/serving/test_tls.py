"""Mutual TLS on a real server: who gets in by which port, as whom, and what happens when certificates change."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from cryptography import x509
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2

from gladhand.calls import current_call
from gladhand.client import call, channel, serving_identity
from gladhand.errors import StartRefused, Unavailable
from gladhand.readiness import read_ready
from gladhand.security import renewing
from gladhand.security.certificates import issue, make_authority
from gladhand.security.credentials import TlsCredentials
from gladhand.security.folder import TlsFolder
from gladhand.security.principal import Proof
from gladhand.server import Running, ServiceProcess
from gladhand.settings import Settings
from gladhand.testing import eventually
from tests.adapters.certified import NOW, authority_of, renew, secured
from tests.adapters.serving.door import Issuer, bearer
from tests.adapters.serving.trial import Trial, compiled, know_callers

pb2, stubs = compiled()
Serve = Callable[..., Awaitable[Running]]


class Door(Trial):
    """Notes who calls, as the certificate proves."""

    def __init__(self) -> None:
        super().__init__()
        self.callers: list[str | None] = []
        self.serials: list[int] = []

    async def Read(self, request: Any, context: Any) -> Any:
        caller = current_call().caller
        self.callers.append(caller.name if caller and caller.proof is Proof.CERTIFICATE else None)
        for shown in context.auth_context().get("x509_pem_cert", ()):
            self.serials.append(x509.load_pem_x509_certificate(shown).serial_number)
        return await super().Read(request, context)


@pytest.fixture
def secure(tmp_path: Path) -> Path:
    """The secure folder of a mesh."""
    return secured(tmp_path / "secure", "trial", "orchestrator", "fleet_gateway")


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


@pytest.fixture
async def running(secure: Path, door: Door, tmp_path: Path, issuer: Issuer) -> AsyncIterator[Running]:
    """The trial service, by mutual TLS and with a port for tokens."""

    async def build(process: ServiceProcess[Settings]) -> None:
        process.add_servicer(stubs.add_TrialServiceServicer_to_server, door, own_idempotency=True)
        know_callers(process)

    settings = Settings(
        tls_dir=secure / "trial",
        token_port=0,
        insecure=False,
        jwks=str(issuer.jwks),
        ready_file=tmp_path / "ready.json",
        grace_s=2,
    )
    async with ServiceProcess("trial", settings).serving(build) as served:
        yield served


def token_target(tmp_path: Path) -> str:
    ready = read_ready(tmp_path / "ready.json")
    assert ready is not None
    return f"{ready.host}:{ready.ports['grpc_token']}"


def as_identity(secure: Path, identity: str) -> TlsCredentials:
    return TlsCredentials(TlsFolder(secure / identity))


def shown_by(running: Running, secure: Path) -> x509.Certificate:
    """The certificate that the server shows in a new connection."""
    context = ssl.create_default_context(cafile=secure / "ca.pem")
    context.set_alpn_protocols(["h2"])
    address = (running.host, running.port)
    with (
        socket.create_connection(address, timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as own,
    ):
        return x509.load_der_x509_certificate(own.getpeercert(binary_form=True) or b"")


async def read(target: str, credentials: grpc.ChannelCredentials, metadata: tuple[tuple[str, str], ...] = ()) -> str:
    """Call as somebody with tools of his own would."""
    async with grpc.aio.secure_channel(target, credentials) as plain:
        stub = stubs.TrialServiceStub(plain)
        return str((await stub.Read(pb2.ReadRequest(name="x"), timeout=5, metadata=metadata)).text)


async def refused(target: str, credentials: grpc.ChannelCredentials) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read(target, credentials)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    return str(caught.value.details())


async def test_a_certificate_is_who_calls(running: Running, secure: Path, door: Door) -> None:
    for identity in ("orchestrator", "fleet_gateway"):
        async with channel(running.target, pb2.DESCRIPTOR, credentials=as_identity(secure, identity)) as ours:
            await call(stubs.TrialServiceStub(ours).Read(pb2.ReadRequest(name="x")))
    assert door.callers == ["orchestrator", "fleet_gateway"]


async def test_the_mesh_port_lets_nobody_in_without_a_good_certificate(
    running: Running, secure: Path, door: Door
) -> None:
    trust = (secure / "ca.pem").read_bytes()
    own = authority_of(secure)
    other = make_authority(NOW)
    await refused(running.target, grpc.ssl_channel_credentials(trust))
    for pair in (issue(other, "orchestrator", NOW), issue(own, "orchestrator", NOW - timedelta(days=8))):
        await refused(running.target, grpc.ssl_channel_credentials(trust, pair.key_pem, pair.certificate_pem))
    async with grpc.aio.insecure_channel(running.target) as plain:
        with pytest.raises(grpc.aio.AioRpcError):
            await stubs.TrialServiceStub(plain).Read(pb2.ReadRequest(name="x"), timeout=5)
    assert door.callers == []


async def test_a_certificate_of_another_trust_domain_is_nobody(running: Running, secure: Path, door: Door) -> None:
    trust = (secure / "ca.pem").read_bytes()
    own = authority_of(secure)
    stranger = issue(own, "orchestrator", NOW, "elsewhere.example")
    # The very same authority signed it, and is not trusted to: its own certificate says for which domain it speaks.
    await refused(running.target, grpc.ssl_channel_credentials(trust, stranger.key_pem, stranger.certificate_pem))
    assert door.callers == []


async def test_the_token_port_asks_for_no_certificate_and_believes_none(
    running: Running, secure: Path, door: Door, tmp_path: Path, issuer: Issuer
) -> None:
    target, mine = token_target(tmp_path), as_identity(secure, "orchestrator").first
    token = bearer(issuer.token(scope="trial.read"))
    without = grpc.ssl_channel_credentials(mine.trust)
    shown = grpc.ssl_channel_credentials(mine.trust, mine.key, mine.certificate)
    for credentials in (without, shown):
        assert await read(target, credentials, token) == "read x"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await read(target, credentials)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert door.callers == [None, None]


async def test_a_client_calls_no_server_of_another_identity(running: Running, secure: Path, door: Door) -> None:
    renew(secure, "trial")
    (secure / "trial" / "cert.pem").write_bytes((secure / "fleet_gateway" / "cert.pem").read_bytes())
    (secure / "trial" / "key.pem").write_bytes((secure / "fleet_gateway" / "key.pem").read_bytes())
    async with channel(running.target, pb2.DESCRIPTOR, credentials=as_identity(secure, "orchestrator")) as ours:
        with pytest.raises(Unavailable):
            await call(stubs.TrialServiceStub(ours).Read(pb2.ReadRequest(name="x"), timeout=3))
    assert door.callers == []


async def test_new_connections_see_a_new_certificate(running: Running, secure: Path) -> None:
    assert (await asyncio.to_thread(shown_by, running, secure)).serial_number == serial(secure / "trial")
    fresh = renew(secure, "trial")
    found = await asyncio.to_thread(shown_by, running, secure)
    assert found.serial_number == fresh.serial_number


def serial(folder: Path) -> int:
    return x509.load_pem_x509_certificate((folder / "cert.pem").read_bytes()).serial_number


async def test_no_call_fails_while_both_sides_get_new_certificates(
    running: Running, secure: Path, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewing, "_SETTLE_S", 0.01)
    monkeypatch.setattr(renewing, "RELOAD_S", 0.05)
    stop, done = asyncio.Event(), 0
    material = as_identity(secure, "orchestrator")
    opened: list[grpc.aio.Channel] = []

    def opening(own: grpc.ChannelCredentials) -> grpc.aio.Channel:
        opened.append(grpc.aio.secure_channel(running.target, own))
        return opened[-1]

    async with renewing.renewing_channel(material, opening) as newest:

        async def keep_calling() -> None:
            nonlocal done
            while not stop.is_set():
                await stubs.TrialServiceStub(newest()).Read(pb2.ReadRequest(name="x"), timeout=5)
                done += 1

        watching = stubs.TrialServiceStub(newest()).Talk()
        await watching.write(pb2.ReadRequest(name="before"))
        assert (await watching.read()).text == "before"
        callers = [asyncio.create_task(keep_calling()) for _ in range(8)]
        for rotation in range(1, 4):
            before = done
            renew(secure, "trial")
            renew(secure, "orchestrator")
            await eventually(lambda n=rotation: len(opened) > n)  # type: ignore[misc]  # bound at once
            await eventually(lambda n=before: done > n + 50)  # type: ignore[misc]  # likewise
        stop.set()
        await asyncio.gather(*callers)
        # A stream that was open before all of that goes on.
        await watching.write(pb2.ReadRequest(name="after"))
        assert (await watching.read()).text == "after"
        await watching.done_writing()
    assert len(opened) == 4
    assert set(door.callers) == {"orchestrator"}


async def test_a_channel_of_ours_shows_the_new_certificate_once_it_is_there(
    running: Running, secure: Path, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewing, "RELOAD_S", 0.05)
    async with channel(running.target, pb2.DESCRIPTOR, credentials=as_identity(secure, "orchestrator")) as ours:
        stub = stubs.TrialServiceStub(ours)
        await call(stub.Read(pb2.ReadRequest(name="x")))
        assert door.serials[-1] == serial(secure / "orchestrator")
        fresh = renew(secure, "orchestrator")

        async def shows_it() -> bool:
            await call(stub.Read(pb2.ReadRequest(name="x")))
            return door.serials[-1] == fresh.serial_number

        await eventually(shows_it)
    assert set(door.callers) == {"orchestrator"}


def test_the_identity_of_a_server_is_what_its_services_declare() -> None:
    own, health = pb2.DESCRIPTOR, cast(FileDescriptor, health_pb2.DESCRIPTOR)
    assert serving_identity([own, health]) == "trial"
    assert serving_identity([health]) == ""


def test_a_certificate_without_an_identity_refuses_the_start(secure: Path) -> None:
    settings = Settings(tls_dir=secure / "trial", trust_domain="gladhand.eu", insecure=False)
    with pytest.raises(StartRefused, match=r"spiffe://gladhand\.eu/<identity>"):
        ServiceProcess("trial", settings)


@pytest.mark.parametrize("missing", ["cert.pem", "key.pem", "ca.pem"])
def test_a_folder_that_lacks_a_file_refuses_the_start(secure: Path, missing: str) -> None:
    (secure / "trial" / missing).unlink()
    with pytest.raises(StartRefused, match=rf"GLADHAND_TLS_DIR .*{missing}"):
        ServiceProcess("trial", Settings(tls_dir=secure / "trial", insecure=False))


def test_a_key_of_another_certificate_refuses_the_start(secure: Path) -> None:
    (secure / "trial" / "key.pem").write_bytes((secure / "orchestrator" / "key.pem").read_bytes())
    with pytest.raises(StartRefused, match="the key is not the certificate's"):
        ServiceProcess("trial", Settings(tls_dir=secure / "trial", insecure=False))


def test_a_service_without_tls_and_without_the_wish_for_it_refuses_to_start_naming_both_remedies() -> None:
    with pytest.raises(StartRefused, match=r"GLADHAND_TLS_DIR.*GLADHAND_INSECURE=true"):
        ServiceProcess("trial", Settings(insecure=False))


def test_a_service_without_tls_says_so_at_every_start(caplog: pytest.LogCaptureFixture) -> None:
    ServiceProcess("trial", Settings(insecure=True))
    assert [record.levelname for record in caplog.records if "INSECURE" in record.message] == ["WARNING"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_without_tls_nothing_listens_beyond_loopback(host: str) -> None:
    with pytest.raises(StartRefused, match="GLADHAND_HOST"):
        ServiceProcess("trial", Settings(insecure=True, host=host))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost", "127.9.9.9"])
def test_loopback_goes_without_tls_where_wanted(host: str) -> None:
    assert ServiceProcess("trial", Settings(insecure=True, host=host)).credentials is None


def test_tls_and_no_tls_at_once_is_refused(secure: Path) -> None:
    with pytest.raises(StartRefused, match="contradict"):
        ServiceProcess("trial", Settings(insecure=True, tls_dir=secure / "trial"))
