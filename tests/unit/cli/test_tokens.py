"""`gladhand token`: what it makes is taken, and what is wrong with a token is said in one line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gladhand.cli.home import Home
from gladhand.cli.main import app
from gladhand.cli.tokens import For
from gladhand.security.jwks import read_keys
from gladhand.security.principal import AUDIENCES, Party
from gladhand.security.signing import KEY_SET, Grant, SigningKey, ensure_signing_key
from gladhand.security.tokens import judge, principal_of


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home.chosen(tmp_path / "home")
    ensure_signing_key(found.tokens)
    return found


def token(home: Home, *arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, ["token", *arguments, "--home", str(home.root)], input=given)


def made(home: Home, *arguments: str) -> str:
    done = token(home, "create", *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def test_a_token_says_what_was_asked_for_and_is_taken(home: Home) -> None:
    text = made(
        home, "--scope", "orders.read", "--scope", "loads.read,orders.read", "--audience", "customer", "--party",
        "tryton-us:K0042", "--subject", "portal", "--ttl", "8h",
    )  # fmt: skip
    keys = read_keys((home.tokens / KEY_SET).read_bytes())
    claims = judge(text, keys[SigningKey.load(home.tokens).kid], "gladhand", 0)
    assert claims["exp"] - claims["iat"] == 8 * 3600
    caller = principal_of(claims)
    assert caller.name == "portal"
    assert caller.scopes == frozenset({"orders.read", "loads.read"})
    assert caller.party == Party("tryton-us", "K0042")
    assert not caller.sees_all


def test_every_audience_of_the_command_is_one_of_the_contract() -> None:
    assert {f"gladhand.{each}" for each in For} == set(AUDIENCES)


def test_inspect_shows_a_good_token_without_its_signature(home: Home) -> None:
    text = made(home, "--scope", "orders.read", "--audience", "internal")
    signature = text.rpartition(".")[2]
    for done in (token(home, "inspect", text), token(home, "inspect", "-", given=f"Bearer {text}\n")):
        assert done.exit_code == 0
        assert "good: this mesh takes it" in done.stdout
        assert signature not in done.output
    document = json.loads(token(home, "inspect", text, "--json").stdout)
    assert document["good"] is True
    assert document["claims"]["scope"] == "orders.read"
    assert signature not in json.dumps(document)


def test_inspect_says_in_one_line_what_is_wrong(home: Home, tmp_path: Path) -> None:
    other = tmp_path / "other"
    ensure_signing_key(other)
    now = datetime.now(UTC)
    grant = Grant("ann", ("orders.read",), ("gladhand.internal",), timedelta(minutes=5))
    own, foreign = SigningKey.load(home.tokens), SigningKey.load(other)
    for text, words in (
        (own.issue(grant, "gladhand", now - timedelta(hours=1)), "expired 33"),
        (own.issue(grant, "mallory", now), "issuer that is not trusted"),
        (own.issue(Grant("ann", (), ("shop",), timedelta(minutes=5)), "gladhand", now), "for somebody else"),
        (foreign.issue(grant, "gladhand", now), "key that is not known"),
        (own.issue(grant, "gladhand", now)[:-8] + "AAAAAAAA", "signature"),
        ("garbage", "cannot be read"),
    ):
        done = token(home, "inspect", text)
        assert done.exit_code == 1
        [line] = [line for line in done.stdout.splitlines() if line.startswith("refused: ")]
        assert words in line
        assert text.rpartition(".")[2] not in done.output or text == "garbage"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scope", "orders.raed", "--audience", "internal"], "orders.read"),
        (["--scope", " ", "--audience", "internal"], "no scope"),
        (["--scope", "orders.read", "--audience", "friends"], "internal"),
        (["--scope", "orders.read", "--audience", "internal", "--party", "SCAC:MGCT"], "leave out --party"),
        (["--scope", "orders.read", "--audience", "customer", "--party", "K0042"], "system:value"),
        (["--scope", "orders.read", "--audience", "internal", "--ttl", "tomorrow"], "for example 8h"),
        (["--scope", "orders.read", "--audience", "internal", "--ttl", "0s"], "at most 366d"),
        (["--scope", "orders.read", "--audience", "internal", "--ttl", "400d"], "at most 366d"),
        (["--scope", "orders.read", "--audience", "internal", "--subject", ""], "1 to 200"),
    ],
)
def test_a_wrong_wish_is_told_what_would_be_right(home: Home, arguments: list[str], words: str) -> None:
    done = token(home, "create", *arguments)
    assert done.exit_code == 2
    assert words in " ".join(done.output.replace("│", " ").split())
    assert done.stdout == ""


def test_a_partner_without_a_party_is_told_that_it_sees_nothing(home: Home) -> None:
    done = token(home, "create", "--scope", "telemetry.write", "--audience", "partner")
    assert done.exit_code == 0
    assert "see nothing" in done.stderr
    assert "see nothing" not in done.stdout


def test_where_no_mesh_was_started_the_remedy_is_told(tmp_path: Path) -> None:
    nowhere = Home.chosen(tmp_path / "nowhere")
    for command in (["create", "--scope", "orders.read", "--audience", "internal"], ["rotate-key"], ["inspect", "x"]):
        done = token(nowhere, *command)
        assert done.exit_code in {1, 3}
        assert "gladhand up" in done.stderr
    assert not nowhere.tokens.exists()


def test_a_token_outlives_two_rotations_and_no_third(home: Home) -> None:
    text = made(home, "--scope", "orders.read", "--audience", "internal")
    for expected in (0, 0, 1):
        assert token(home, "rotate-key").exit_code == 0
        assert token(home, "inspect", text).exit_code == expected
    assert len(read_keys((home.tokens / KEY_SET).read_bytes())) == 3


def test_key_and_key_set_are_the_owners_alone_and_stay_at_the_next_start(home: Home) -> None:
    before = {path.name: path.read_bytes() for path in home.tokens.iterdir()}
    assert home.tokens.stat().st_mode & 0o777 == home.tokens.parent.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in home.tokens.iterdir()} == {0o600}
    assert b"PRIVATE" not in before[KEY_SET]
    assert '"d"' not in before[KEY_SET].decode()
    ensure_signing_key(home.tokens)
    assert {path.name: path.read_bytes() for path in home.tokens.iterdir()} == before
