"""A local mesh is secure by default: its folder, its plan, and what `--insecure` says."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gladhand.cli.home import Home
from gladhand.cli.main import app
from gladhand.cli.mesh import certificates
from gladhand.cli.mesh.identity import Identity
from gladhand.cli.mesh.plan import mesh_plan
from gladhand.cli.mesh.ports import USUAL
from gladhand.cli.mesh.state import MeshState, read, stamp, write
from gladhand.clock import SystemClock
from gladhand.errors import StartRefused
from gladhand.security.authority import Authority
from gladhand.security.credentials import TlsCredentials
from gladhand.security.folder import TlsFolder
from gladhand.testing import eventually

SERVICES = ("orchestrator", "erp_gateway", "fleet_gateway", "edge_gateway")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home", tmp_path / "cache")
    made.prepare()
    return made


def a_mesh(home: Home, *, secure: bool) -> MeshState:
    return MeshState(Identity(1, ""), "us", dict(USUAL), stamp(), secure_folder=str(home.secure) if secure else "")


def test_everybody_gets_a_certificate_and_keeps_it(home: Home) -> None:
    assert set(certificates.provide(home)) == set(certificates.IDENTITIES)
    assert certificates.provide(home) == []
    assert stat.S_IMODE(home.secure.stat().st_mode) == 0o700


def test_each_service_of_the_plan_serves_by_tls_with_its_own_certificate(home: Home) -> None:
    certificates.provide(home)
    plan = mesh_plan(home, home.root, "python", "us", USUAL, secure=home.secure)
    for step in plan.steps:
        if step.name in SERVICES:
            assert TlsCredentials(TlsFolder(Path(step.environment["GLADHAND_TLS_DIR"]))).first.identity == step.name
            assert step.environment["GLADHAND_TOKEN_PORT"] == str(USUAL[f"{step.name}_token"])
            assert "GLADHAND_INSECURE" not in step.environment
    by_name = {step.name: step for step in plan.steps}
    assert str(home.secure / "tryton") in by_name["tryton"].command
    assert by_name["tryton"].http == "https://127.0.0.1:8000/"
    assert by_name["edge_gateway"].address == "https://127.0.0.1:5055"


def test_a_mesh_without_tls_says_so_to_each_of_its_services(home: Home) -> None:
    plan = mesh_plan(home, home.root, "python", "us", USUAL, secure=None)
    for step in plan.steps:
        if step.name in SERVICES:
            assert step.environment["GLADHAND_INSECURE"] == "true"
            assert "GLADHAND_TLS_DIR" not in step.environment
    assert "https" not in str(plan)


def test_the_state_of_a_mesh_says_whether_it_is_secure(home: Home) -> None:
    for secure in (True, False):
        write(home.state, a_mesh(home, secure=secure))
        found = read(home.state)
        assert found is not None
        assert found.secure == (home.secure if secure else None)
        assert found.url("edge_http") == f"{'https' if secure else 'http'}://127.0.0.1:5055"


def test_the_command_line_is_the_operator(home: Home) -> None:
    certificates.provide(home)
    own = certificates.operator(a_mesh(home, secure=True))
    assert own is not None
    assert own.first.identity == "operator"
    assert certificates.operator(a_mesh(home, secure=False)) is None


def test_certificates_that_are_due_are_replaced_while_the_mesh_runs(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    old = SystemClock().now() - timedelta(days=5)
    Authority.opened(home.secure, old).provide(certificates.IDENTITIES, old)
    mesh = a_mesh(home, secure=True)
    before = certificates.ends(mesh)
    told: list[str] = []

    async def run() -> None:
        keeping = asyncio.create_task(certificates.keep_fresh(home, told.extend, every_s=0.01))
        await eventually(lambda: all(end > before[name] for name, end in certificates.ends(mesh).items()))
        await eventually(lambda: bool(told))
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping

    asyncio.run(run())
    assert set(told) == set(certificates.IDENTITIES)
    assert "replaced the certificates of operator, orchestrator" in capsys.readouterr().err


def test_a_lost_folder_is_named(home: Home) -> None:
    with pytest.raises(StartRefused, match=r"operator.*No such file"):
        certificates.operator(a_mesh(home, secure=True))


@pytest.mark.parametrize("arguments", [["up"], ["up", "--detach"]])
def test_a_folder_open_to_others_refuses_the_start_with_the_remedy(home: Home, arguments: list[str]) -> None:
    home.secure.mkdir()
    home.secure.chmod(0o755)
    done = CliRunner().invoke(app, arguments, env={"GLADHAND_HOME": str(home.root), "COLUMNS": "160"})
    assert done.exit_code == 1
    assert "chmod 700" in done.stderr


def test_insecure_says_so_at_the_start(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def detach(_home: Home, _told: object, *, insecure: bool) -> None:
        asked.append(insecure)

    monkeypatch.setattr("gladhand.cli.mesh.start.detach", detach)
    for flags, wanted in ((["--insecure"], True), ([], False)):
        done = CliRunner().invoke(app, ["up", "--detach", *flags], env={"GLADHAND_HOME": str(home.root)})
        assert ("WARNING: --insecure" in done.stderr) is wanted
        assert asked.pop() is wanted
