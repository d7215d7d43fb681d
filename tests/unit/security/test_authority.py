"""The secure folder of a local mesh: what is made, what is kept, what is replaced, and what is refused."""

from __future__ import annotations

import ipaddress
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from gladhand.errors import StartRefused
from gladhand.security.authority import Authority
from gladhand.security.certificates import AUTHORITY_LIFE, LEAF_LIFE, due, identity_of, issue, make_authority
from gladhand.security.private_files import write_private

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + LEAF_LIFE - timedelta(hours=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "home" / "secure"


def certificate(folder: Path, identity: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / identity / "cert.pem").read_bytes())


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_new_folder_is_for_this_user_alone(folder: Path) -> None:
    Authority.opened(folder, NOW).provide(("orchestrator", "operator"), NOW)
    modes = {str(each.relative_to(folder)): stat.S_IMODE(each.stat().st_mode) for each in (folder, *folder.rglob("*"))}
    leaves = [f"{name}/{file}" for name in ("orchestrator", "operator") for file in ("ca.pem", "cert.pem", "key.pem")]
    assert modes == dict.fromkeys((".", "orchestrator", "operator"), 0o700) | dict.fromkeys(
        ("ca.pem", "ca.key", *leaves), 0o600
    )


def test_a_certificate_says_who_it_is_and_serves_and_calls(folder: Path) -> None:
    Authority.opened(folder, NOW).provide(("erp_gateway",), NOW)
    found = certificate(folder, "erp_gateway")
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://gladhand.local/erp_gateway"]
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "erp-gateway.gladhand.local"}
    assert set(names.get_values_for_type(x509.IPAddress)) == {
        ipaddress.ip_address("127.0.0.1"),
        ipaddress.ip_address("::1"),
    }
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert identity_of(found) == "erp_gateway"
    assert identity_of(found, "gladhand.eu") is None


def test_a_strict_verifier_takes_the_chain(folder: Path) -> None:
    Authority.opened(folder, NOW).provide(("orchestrator",), NOW)
    trust = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    verifier = PolicyBuilder().store(Store([trust])).time(NOW)
    leaf = certificate(folder, "orchestrator")
    assert verifier.build_server_verifier(x509.DNSName("orchestrator.gladhand.local")).verify(leaf, [])
    assert verifier.build_client_verifier().verify(leaf, []).subjects


def test_a_second_opening_changes_nothing(folder: Path) -> None:
    assert Authority.opened(folder, NOW).provide(("orchestrator",), NOW) == ["orchestrator"]
    before = snapshot(folder)
    assert Authority.opened(folder, NOW + timedelta(days=1)).provide(("orchestrator",), NOW + timedelta(days=1)) == []
    assert snapshot(folder) == before


def test_a_certificate_is_replaced_with_its_key_before_it_ends_and_the_authority_is_kept(folder: Path) -> None:
    Authority.opened(folder, NOW).provide(("orchestrator",), NOW)
    before = snapshot(folder)
    assert Authority.opened(folder, LATER).provide(("orchestrator",), LATER) == ["orchestrator"]
    changed = {name for name, content in snapshot(folder).items() if before[name] != content}
    assert changed == {"orchestrator/cert.pem", "orchestrator/key.pem"}


def test_an_authority_half_over_is_replaced_with_all_that_it_vouched_for(folder: Path) -> None:
    Authority.opened(folder, NOW).provide(("orchestrator",), NOW)
    before, later = snapshot(folder), NOW + AUTHORITY_LIFE / 2 + timedelta(days=1)
    Authority.opened(folder, later).provide(("orchestrator",), later)
    assert all(before[name] != content for name, content in snapshot(folder).items())
    trust = x509.load_pem_x509_certificate((folder / "orchestrator" / "ca.pem").read_bytes())
    certificate(folder, "orchestrator").verify_directly_issued_by(trust)


def test_an_authority_in_use_is_not_replaced(folder: Path) -> None:
    Authority.opened(folder, NOW)
    before, later = snapshot(folder), NOW + AUTHORITY_LIFE / 2 + timedelta(days=1)
    Authority.opened(folder, later, renew=False)
    assert snapshot(folder) == before


def test_no_certificate_outlives_its_authority() -> None:
    authority = make_authority(NOW, life=timedelta(days=3))
    leaf = issue(authority, "orchestrator", NOW).certificate
    assert leaf.not_valid_after_utc == authority.certificate.not_valid_after_utc


@pytest.mark.parametrize(
    ("age", "expected"),
    [(timedelta(0), False), (timedelta(days=3), False), (timedelta(days=4), True), (timedelta(days=30), True)],
)
def test_a_certificate_is_due_once_half_of_its_life_is_over(age: timedelta, expected: bool) -> None:
    assert due(issue(make_authority(NOW), "orchestrator", NOW).certificate, NOW + age) is expected


def test_a_certificate_from_the_future_is_due() -> None:
    assert due(issue(make_authority(NOW), "orchestrator", NOW).certificate, NOW - timedelta(days=2))


def test_a_damaged_or_exchanged_certificate_is_replaced(folder: Path) -> None:
    everybody = ("orchestrator", "operator", "nats")
    Authority.opened(folder, NOW).provide(everybody, NOW)
    (folder / "orchestrator" / "cert.pem").write_text("nonsense")
    for name in ("cert.pem", "key.pem"):
        (folder / "operator" / name).write_bytes((folder / "nats" / name).read_bytes())
    assert Authority.opened(folder, NOW).provide(everybody, NOW) == ["orchestrator", "operator"]
    assert identity_of(certificate(folder, "operator")) == "operator"


def test_other_files_of_the_folder_are_let_alone(folder: Path) -> None:
    (folder / "tokens").mkdir(parents=True, mode=0o700)
    folder.chmod(0o700)
    (folder / "tokens" / "jwks.json").write_text("{}")
    Authority.opened(folder, NOW).provide(("orchestrator",), NOW)
    assert (folder / "tokens" / "jwks.json").read_text() == "{}"


def test_a_folder_open_to_others_is_refused_with_the_remedy(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o750)
    with pytest.raises(StartRefused, match=r"mode 0750.*chmod 700"):
        Authority.opened(folder, NOW)


@pytest.mark.parametrize("name", ["ca.pem", "ca.key"])
def test_a_damaged_authority_is_refused_and_not_overwritten(folder: Path, name: str) -> None:
    Authority.opened(folder, NOW)
    (folder / name).write_text("nonsense")
    with pytest.raises(StartRefused, match=r"damaged .*; move .*ca\.pem and .*ca\.key away"):
        Authority.opened(folder, NOW)
    assert (folder / name).read_text() == "nonsense"


def test_an_authority_without_its_key_is_damaged(folder: Path) -> None:
    Authority.opened(folder, NOW)
    (folder / "ca.key").unlink()
    with pytest.raises(StartRefused, match="damaged"):
        Authority.opened(folder, NOW)


def test_a_start_that_was_killed_between_key_and_certificate_is_made_good(folder: Path) -> None:
    Authority.opened(folder, NOW)
    (folder / "ca.pem").unlink()
    assert Authority.opened(folder, NOW).provide(("orchestrator",), NOW) == ["orchestrator"]


def test_an_authority_of_another_mesh_is_refused(folder: Path) -> None:
    Authority.opened(folder, NOW, "gladhand.eu")
    with pytest.raises(StartRefused, match=r"another authority \(CN=Gladhand local authority of gladhand.eu\)"):
        Authority.opened(folder, NOW)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secure").write_text("")
    with pytest.raises(StartRefused, match="cannot be made a folder for keys"):
        Authority.opened(tmp_path / "secure", NOW)


def test_a_private_file_is_replaced_whole_whatever_was_there(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("old")
    (tmp_path / "key.pem").chmod(0o644)
    write_private(tmp_path, {"key.pem": b"new"})
    assert (tmp_path / "key.pem").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["key.pem"]


def test_the_keys_are_of_a_kind_that_grpc_takes() -> None:
    key = issue(make_authority(NOW), "orchestrator", NOW).key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
