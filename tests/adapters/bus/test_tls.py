"""NATS over TLS: nothing goes in the clear, and a server is known by the mesh's own authority alone."""

from __future__ import annotations

import json
import socket
import urllib.request
from pathlib import Path

import pytest

from gladhand.bus.connection import ConnectionSettings, connect, connected
from gladhand.errors import SettingsError, StartRefused
from gladhand.log.durability import require_durable
from gladhand.log.port import NotDurable
from gladhand.nats_server import NatsServer
from tests.adapters.certified import secured


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return secured(tmp_path / "secure", "nats") / "nats"


async def test_a_server_with_certificates_serves_whoever_knows_its_authority(folder: Path, tmp_path: Path) -> None:
    with NatsServer(tmp_path / "nats", tls_dir=folder) as server:
        assert (server.url[:6], server.monitoring_url[:8]) == ("tls://", "https://")
        settings = ConnectionSettings(servers=(server.url,), ca=folder / "ca.pem", first_connect=5)
        async with connected(settings) as connection:
            await require_durable(connection, server.monitoring_url, ca=folder / "ca.pem")
            with pytest.raises(NotDurable, match="does not answer"):
                await require_durable(connection, server.monitoring_url)


@pytest.mark.parametrize("case", ["another authority", "none"])
async def test_a_server_of_another_authority_is_not_trusted(folder: Path, tmp_path: Path, case: str) -> None:
    other = secured(tmp_path / "other")
    with NatsServer(tmp_path / "nats", tls_dir=folder) as server:
        ca = other / "ca.pem" if case == "another authority" else None
        with pytest.raises(StartRefused, match=r"no NATS server at tls://127\.0\.0\.1:\d+ lets us in") as refused:
            await connect(ConnectionSettings(servers=(server.url,), ca=ca, first_connect=3))
        assert "\n" not in str(refused.value)


def test_nobody_is_spoken_to_in_the_clear_by_a_server_with_certificates(folder: Path, tmp_path: Path) -> None:
    with NatsServer(tmp_path / "nats", tls_dir=folder) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain:
            words = plain.makefile("rwb")
            assert json.loads(words.readline().removeprefix(b"INFO "))["tls_required"] is True
            words.write(b'CONNECT {"verbose":true}\r\nPING\r\n')
            words.flush()
            assert b"PONG" not in words.read()
        with pytest.raises(OSError, match="400"):
            urllib.request.urlopen(f"http://127.0.0.1:{server.monitoring_port}/varz", timeout=5)


async def test_a_certificate_file_that_is_none_is_named(tmp_path: Path) -> None:
    for file in (tmp_path / "missing.pem", tmp_path / "garbage.pem"):
        if "garbage" in file.name:
            file.write_text("no certificate")
        with pytest.raises(SettingsError, match=rf"{file.name} cannot be read"):
            await connect(ConnectionSettings(servers=("tls://127.0.0.1:1",), ca=file))
