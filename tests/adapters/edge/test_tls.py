"""The HTTP edge by TLS: what trackers and phones see, and that a new certificate needs no restart."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from cryptography import x509

from gladhand.errors import StartRefused
from gladhand.security import credentials
from gladhand.testing import eventually
from tests.adapters.certified import renew, secured
from tests.adapters.edge.conftest import Start
from tests.adapters.edge.harness import Streams, osmand_query
from tests.adapters.serving.door import Issuer


@pytest.fixture
def secure(tmp_path: Path) -> Path:
    return secured(tmp_path / "secure", "edge_gateway")


async def test_a_tracker_reports_by_https_and_not_in_clear_text(
    start: Start, secure: Path, streams: Streams, tmp_path: Path
) -> None:
    issuer = Issuer(tmp_path)
    edge = await start(tls_dir=secure / "edge_gateway", insecure=False, jwks=str(issuer.jwks))
    token = issuer.token(aud="gladhand.partner", scope="telemetry.write")
    answer = await edge.http.get("/osmand", params=osmand_query(), headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 202  # kept: the neighbours of this fixture speak no TLS
    assert len(await streams.inbox()) == 1
    plain = str(edge.http.base_url).replace("https", "http")
    async with httpx.AsyncClient(base_url=plain) as client:
        with pytest.raises(httpx.TransportError):
            await client.get("/osmand", params=osmand_query())
    async with httpx.AsyncClient(base_url=edge.http.base_url) as stranger:
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await stranger.get("/readyz")
    assert len(await streams.inbox()) == 1


async def test_a_new_certificate_is_shown_without_a_restart(
    start: Start, secure: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "RELOAD_S", 0.05)
    edge = await start(tls_dir=secure / "edge_gateway", insecure=False)
    fresh = renew(secure, "edge_gateway")

    async def shown() -> bool:
        answer = await edge.http.get("/readyz", headers={"connection": "close"})
        secured = answer.extensions["network_stream"].get_extra_info("ssl_object")
        found = x509.load_der_x509_certificate(secured.getpeercert(binary_form=True))
        return found.serial_number == fresh.serial_number

    await eventually(shown)


async def test_without_tls_the_edge_listens_on_loopback_alone(start: Start) -> None:
    with pytest.raises(StartRefused, match="GLADHAND_HTTP_HOST"):
        await start(insecure=True, http_host="0.0.0.0")
