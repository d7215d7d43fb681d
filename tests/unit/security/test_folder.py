"""The folder of a process: read whole, and again when it has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gladhand.security.certificates import KeyPair, issue
from gladhand.security.folder import TlsFolder
from gladhand.security.private_files import write_private
from tests.adapters.certified import NOW, authority_of, secured


@pytest.fixture
def secure(tmp_path: Path) -> Path:
    return secured(tmp_path / "secure", "orchestrator")


def fresh(secure: Path) -> KeyPair:
    return issue(authority_of(secure), "orchestrator", NOW)


def test_what_is_read_says_who_it_is_and_until_when(secure: Path) -> None:
    found = TlsFolder(secure / "orchestrator").read()
    assert found.identity == "orchestrator"
    assert found.ends > NOW
    assert TlsFolder(secure / "orchestrator", "gladhand.eu").read().identity is None


def test_each_reader_is_told_of_a_change_once(secure: Path) -> None:
    first = TlsFolder(secure / "orchestrator")
    second = first.again()
    for reader in (first, second):
        reader.read()
        assert reader.changed() is None
    pair = fresh(secure)
    write_private(secure / "orchestrator", {"key.pem": pair.key_pem, "cert.pem": pair.certificate_pem})
    for reader in (first, second):
        found = reader.changed()
        assert found is not None
        assert (found.certificate, found.key) == (pair.certificate_pem, pair.key_pem)
        assert reader.changed() is None


def test_half_a_replacement_is_not_taken_and_the_whole_one_is(secure: Path, caplog: pytest.LogCaptureFixture) -> None:
    reader, pair = TlsFolder(secure / "orchestrator"), fresh(secure)
    reader.read()
    write_private(secure / "orchestrator", {"key.pem": pair.key_pem})
    assert reader.changed() is None
    assert "the key is not the certificate's" in caplog.text
    write_private(secure / "orchestrator", {"cert.pem": pair.certificate_pem})
    found = reader.changed()
    assert found is not None
    assert found.certificate == pair.certificate_pem


def test_a_folder_that_is_gone_changes_nothing(secure: Path) -> None:
    reader = TlsFolder(secure / "orchestrator")
    reader.read()
    (secure / "orchestrator" / "key.pem").unlink()
    assert reader.changed() is None
