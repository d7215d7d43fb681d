"""Replicas behind one name, each with a certificate for that name."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gladhand import errors
from gladhand.client import call, channel
from gladhand.server import ServiceProcess
from gladhand.settings import Settings
from gladhand.testing.waiting import eventually
from tests.adapters.serving.trial import Trial, compiled

pb2, stubs = compiled()


def certificate(name: str) -> tuple[bytes, bytes]:
    """A self-signed certificate for a DNS name, and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return (
        signed.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, *form),
    )


class Secured:
    """Two replicas that share a certificate for a name."""

    def __init__(self, name: str) -> None:
        self.certificate, key = certificate(name)
        self.credentials = grpc.ssl_server_credentials([(key, self.certificate)])
        self.trials = [Trial(), Trial()]
        self.addresses: list[str] = []

    async def start(self, stack: AsyncExitStack) -> None:
        for trial in self.trials:

            async def build(process: ServiceProcess[Settings], trial: Trial = trial) -> None:
                process.add_servicer(stubs.add_TrialServiceServicer_to_server, trial, own_idempotency=True)

            process = ServiceProcess("trial", Settings(grace_s=1.0), credentials=self.credentials)
            running = await stack.enter_async_context(process.serving(build))
            self.addresses.append(running.target)


@pytest.fixture
async def local() -> AsyncIterator[Secured]:
    async with AsyncExitStack() as stack:
        secured = Secured("localhost")
        await secured.start(stack)
        yield secured


@pytest.fixture
async def named() -> AsyncIterator[Secured]:
    async with AsyncExitStack() as stack:
        secured = Secured("orders.internal")
        await secured.start(stack)
        yield secured


async def reaches_both(target: str, secured: Secured) -> bool:
    credentials = grpc.ssl_channel_credentials(secured.certificate)
    async with channel(target, pb2.DESCRIPTOR, credentials=credentials) as opened:
        stub = stubs.TrialServiceStub(opened)

        async def both() -> bool:
            await call(stub.Append(pb2.WriteRequest(request_id="0" * 8 + "-0000-0000-0000-" + "0" * 12, name="a")))
            return all(trial.calls for trial in secured.trials)

        return await eventually(both)


async def test_loopback_replicas_are_known_as_localhost(local: Secured) -> None:
    assert await reaches_both(",".join(local.addresses), local)


async def test_replicas_are_known_by_the_name_that_the_target_gives(named: Secured) -> None:
    assert await reaches_both(f"static://orders.internal/{','.join(named.addresses)}", named)


async def test_replicas_with_a_certificate_for_another_name_are_not_called(named: Secured) -> None:
    with pytest.raises(errors.Unavailable):
        await reaches_both(",".join(named.addresses), named)
    assert [trial.calls for trial in named.trials] == [[], []]
