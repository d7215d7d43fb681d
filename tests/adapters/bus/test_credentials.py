"""Credentials: made once, kept to oneself, and refused in one line where they are wrong."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gladhand.bus.connection import connect, connected
from gladhand.bus.credentials import issue
from gladhand.bus.request import ask
from gladhand.cli.home import Home
from gladhand.cli.main import app
from gladhand.cli.mesh.access import Access
from gladhand.errors import InvalidArgument, SettingsError, StartRefused
from tests.adapters.bus.guarded import Guarded


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_credentials_are_for_their_owner_alone_and_made_once(tmp_path: Path) -> None:
    access = Access(Home(tmp_path, tmp_path))
    access.prepare()
    folder = access.authorization.parent
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert mode(folder) == 0o700
    assert {mode(file) for file in folder.iterdir()} == {0o600}
    assert {"orchestrator.nk", "edge_gateway.nk", "operator.nk", "mesh_setup.nk"} <= set(before)
    access.prepare()
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_the_server_is_told_no_seed(tmp_path: Path) -> None:
    access = Access(Home(tmp_path, tmp_path))
    access.prepare()
    told = access.authorization.read_text("ascii")
    for identity in ("orchestrator", "operator", "mesh_setup"):
        credentials = issue(access.authorization.parent, identity)
        assert credentials.public_key() in told
        assert credentials.seed not in told
        assert credentials.seed not in repr(credentials)


@pytest.mark.parametrize("case", ["unknown", "none"])
async def test_who_is_not_known_is_not_let_in(guarded: Guarded, tmp_path: Path, case: str) -> None:
    stranger = tmp_path / "orchestrator.nk"
    issue(tmp_path, "orchestrator")
    with pytest.raises(StartRefused, match=r"(?i)lets us in: .*authorization violation") as refused:
        await connect(guarded.with_seed(stranger if case == "unknown" else None))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"garbage", b"SUA" + b"1" * 55, b"\xff\xfe\x00", b"SAAA\nSUAA\n"])
async def test_a_file_without_a_seed_is_told_from_a_refusal(guarded: Guarded, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "orchestrator.nk"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=r"NATS credentials .*orchestrator\.nk") as refused:
        await connect(guarded.with_seed(file))
    assert "\n" not in str(refused.value)
    assert "for example" in str(refused.value)
    assert not content.strip() or content.decode("latin-1") not in str(refused.value)


@pytest.mark.parametrize("place", ["missing.nk", "."])
async def test_a_file_that_cannot_be_read_is_named(guarded: Guarded, tmp_path: Path, place: str) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read: (No such file|Is a directory)"):
        await connect(guarded.with_seed(tmp_path / place))


async def test_a_reader_let_in_while_the_server_runs_gets_in_after_reloads(guarded: Guarded) -> None:
    file = guarded.access.add_reader("late-team", ["wave"])
    for _ in range(2):
        guarded.server.reload()
        async with connected(guarded.settings("orchestrator")) as known:
            await ask(known, "$JS.API.STREAM.INFO.ORDERS", b"", None, 5.0)
    async with connected(guarded.with_seed(file)) as reader:
        found = await ask(reader, "$JS.API.STREAM.INFO.PROCESSES", b"", None, 5.0)
    assert found["config"]["name"] == "PROCESSES"
    guarded.access.remove_reader("late-team")
    assert not file.exists()


def test_a_reader_is_made_listed_and_removed_at_the_command_line(tmp_path: Path) -> None:
    runner, home = CliRunner(), ["--home", str(tmp_path)]
    made = runner.invoke(app, ["bus", "credentials", "create", "my-team", "--reads", "order,load", *home, "--json"])
    assert made.exit_code == 0, made.output
    file = Path(json.loads(made.stdout)["credentials"])
    assert mode(file) == 0o600
    seed = file.read_text("ascii")
    listed = json.loads(runner.invoke(app, ["bus", "credentials", "list", *home, "--json"]).stdout)
    assert listed == [{"name": "my-team", "reads": ["order", "load"], "credentials": str(file)}]
    runner.invoke(app, ["bus", "credentials", "create", "my-team", "--reads", "invoice", *home])
    assert file.read_text("ascii") == seed
    assert runner.invoke(app, ["bus", "credentials", "remove", "my-team", *home]).exit_code == 0
    assert not file.exists()


@pytest.mark.parametrize(
    ("name", "reads", "said"),
    [
        ("orchestrator", "order", "cannot be a reader's name"),
        ("mesh_setup", "order", "cannot be a reader's name"),
        ("A.b", "order", "cannot be a reader's name"),
        ("my-team", "money", "give one or more of exception"),
        ("my-team", "", "nobody can read nothing"),
    ],
)
def test_what_cannot_be_given_is_named_with_what_can(tmp_path: Path, name: str, reads: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        Access(Home(tmp_path, tmp_path)).add_reader(name, [each for each in reads.split(",") if each])
