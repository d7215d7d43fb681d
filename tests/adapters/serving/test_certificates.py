"""Callers that prove themselves by the certificate of their connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from gladhand.security import certificates
from gladhand.security.certificates import KeyPair
from tests.adapters.certified import NOW, authority_of, secured
from tests.adapters.serving.door import Guarded, Issuer, bearer, guarding
from tests.adapters.serving.test_chain import details, refused
from tests.adapters.serving.trial import guarded

pb2, stubs = guarded()
Connect = Callable[[str], Any]


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


def with_uri(uri: str, authority: KeyPair) -> KeyPair:
    """A certificate that names whatever URI it is to name, be it no identity's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificates, "spiffe_uri", lambda *_: uri)
        return certificates.issue(authority, "caller", NOW)


@pytest.fixture
async def connect(issuer: Issuer, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Give a stub over a connection with the certificate of a URI, signed by the mesh's authority or another."""
    channels: list[grpc.aio.Channel] = []
    secure = secured(tmp_path / "secure", "guarded")
    authority = authority_of(secure)
    async with guarding(Guarded(), tls_dir=secure / "guarded", jwks=str(issuer.jwks)) as running:

        def open_one(uri: str, signed_by: KeyPair = authority) -> Any:
            shown = with_uri(uri, signed_by)
            credentials = grpc.ssl_channel_credentials(authority.certificate_pem, shown.key_pem, shown.certificate_pem)
            channel = grpc.aio.secure_channel(f"localhost:{running.port}", credentials)
            channels.append(channel)
            return stubs.GuardedServiceStub(channel)

        yield open_one
        for channel in channels:
            await channel.close()


async def test_a_service_may_call_every_method_of_the_services_that_its_contract_names(connect: Connect) -> None:
    stub = connect("spiffe://gladhand.local/neighbour")
    assert (await stub.Inspect(pb2.LookRequest())).caller == "neighbour"
    assert (await stub.Report(pb2.LookRequest())).caller == "neighbour"
    assert (await stub.Look(pb2.LookRequest())).party == ""


async def test_a_service_that_the_contract_lets_call_nobody_is_refused_by_name(connect: Connect) -> None:
    error = await refused(connect("spiffe://gladhand.local/stranger").Look(pb2.LookRequest()))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "does not let stranger call guarded.v1.GuardedService/Look" in str(error.details())


async def test_the_operator_has_every_scope_of_what_is_internal_and_nothing_else(connect: Connect) -> None:
    stub = connect("spiffe://gladhand.local/operator")
    assert (await stub.Inspect(pb2.LookRequest())).caller == "operator"
    error = await refused(stub.Report(pb2.LookRequest()))
    assert details(error)["ErrorInfo"].metadata["audience"] == "partner"


@pytest.mark.parametrize(
    "uri", ["spiffe://gladhand.local/nobody", "spiffe://other.mesh/neighbour", "https://neighbour"]
)
async def test_a_certificate_that_names_no_identity_of_this_mesh_is_refused(connect: Connect, uri: str) -> None:
    error = await refused(connect(uri).Look(pb2.LookRequest()))
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert uri not in str(error.details())


async def test_a_certificate_of_another_authority_does_not_even_connect(connect: Callable[..., Any]) -> None:
    stub = connect("spiffe://gladhand.local/neighbour", certificates.make_authority(NOW))
    error = await refused(stub.Look(pb2.LookRequest(), timeout=5))
    assert error.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_token_beats_the_certificate_for_good_and_for_bad(connect: Connect, issuer: Issuer) -> None:
    stub = connect("spiffe://gladhand.local/neighbour")
    assert (await stub.Look(pb2.LookRequest(), metadata=bearer(issuer.token()))).caller == "ann"
    error = await refused(stub.Inspect(pb2.LookRequest(), metadata=bearer(issuer.token())))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    error = await refused(stub.Look(pb2.LookRequest(), metadata=bearer("garbage")))
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
