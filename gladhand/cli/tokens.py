"""`gladhand token`: makes tokens for people and partners, looks at them, and changes the key that signs them."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gladhand.cli.failure import Exit, Failure, told_plainly
from gladhand.cli.home import Home
from gladhand.cli.options import AsJson, Where

if TYPE_CHECKING:
    from gladhand.security.principal import Party
    from gladhand.security.signing import SigningKey

app = typer.Typer(no_args_is_help=True, help="Tokens: who may call what, for how long, and whose objects it may see.")

_TTL = re.compile(r"(\d{1,6})([smhd])").fullmatch
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST: Final = timedelta(days=366)


class For(StrEnum):
    """Who is to carry a token."""

    INTERNAL = "internal"
    PARTNER = "partner"
    CUSTOMER = "customer"


@app.command(
    epilog="Examples: gladhand token create --scope orders.read --audience internal --ttl 8h; "
    "gladhand token create --scope orders.read --audience customer --party tryton-us:K0042 --subject portal; "
    'grpcurl -H "authorization: Bearer $(gladhand token create --scope orders.read --audience internal)" …'
)
@told_plainly
def create(
    scope: Annotated[list[str], typer.Option(help="What it may do, for example orders.read; give several times.")],
    audience: Annotated[list[For], typer.Option(help="Whom it is for; give several times.")],
    ttl: Annotated[str, typer.Option(help="How long it is good: a number and s, m, h or d; at most 366d.")] = "1h",
    subject: Annotated[
        str, typer.Option(help="Who carries it: in logs, on events, and what rates go by.")
    ] = "operator",
    party: Annotated[
        str, typer.Option(help="Whose objects alone it may see: tryton-us:K0042 (customer), SCAC:MGCT (carrier).")
    ] = "",
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Print a signed token. Whoever has it may do what it says until it expires: hand it on like a password."""
    from gladhand.cli.output import print_json
    from gladhand.clock import SystemClock
    from gladhand.security.names import ISSUER
    from gladhand.security.signing import Grant

    grant = Grant(
        subject=_subject(subject),
        scopes=_scopes(scope),
        audiences=[f"gladhand.{each}" for each in dict.fromkeys(audience)],
        lifetime=_lifetime(ttl),
        party=_party(party, audience),
    )
    now = SystemClock().now()
    token = _signing_key(Home.chosen(home)).issue(grant, ISSUER, now)
    if grant.party is None and For.INTERNAL not in audience:
        print("gladhand: without --party it may send, and see nothing", file=sys.stderr)
    if as_json:
        until = (now + grant.lifetime).isoformat(timespec="seconds")
        print_json({"token": token, "subject": subject, "expires": until, "party": party or None})
    else:
        print(token)


@app.command(epilog="Examples: gladhand token inspect eyJ…; pbpaste | gladhand token inspect -")
@told_plainly
def inspect(
    token: Annotated[
        str, typer.Argument(help="The token; - reads it from stdin, where no shell history keeps it.")
    ] = "-",  # noqa: S107 - a dash
    home: Where = None,
    as_json: AsJson = False,
) -> None:
    """Show what a token says and whether this mesh takes it. Ends with 1 where it does not."""
    import jwt

    from gladhand.cli.output import print_json, screen, table

    given = (sys.stdin.read() if token == "-" else token).strip().removeprefix("Bearer ").strip()  # noqa: S105 - a dash
    try:
        header: dict[str, Any] = jwt.get_unverified_header(given)
        claims: dict[str, Any] = jwt.decode(given, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError):
        header, claims = {}, {}
    wrong = _verdict(given, Home.chosen(home))
    if as_json:
        print_json({"good": not wrong, "wrong": wrong, "header": header, "claims": claims})
    else:
        rows = [*_shown({name: header[name] for name in ("alg", "kid") if name in header}), *_shown(claims)]
        if rows:
            screen().print(table(("claim", "value"), rows))
        print("good: this mesh takes it" if not wrong else f"refused: {wrong}")
    if wrong:
        raise typer.Exit(Exit.FAILED)


@app.command(
    "rotate-key", epilog="Running services take the new key within seconds. Examples: gladhand token rotate-key"
)
@told_plainly
def rotate_key(home: Where = None, as_json: AsJson = False) -> None:
    """Sign with a new key from now on. Tokens of the two keys before it stay good until they expire."""
    from gladhand.cli.output import print_json
    from gladhand.security.signing import rotate_signing_key

    _signing_key(Home.chosen(home))
    kid = rotate_signing_key(Home.chosen(home).tokens).kid
    if as_json:
        print_json({"kid": kid})
    else:
        print(f"tokens are signed with the key {kid} from now on")


def _signing_key(home: Home) -> SigningKey:
    from gladhand.errors import StartRefused
    from gladhand.security.signing import SigningKey

    try:
        return SigningKey.load(home.tokens)
    except StartRefused as error:
        raise Failure(error.message, "start the mesh that makes it: gladhand up --detach", Exit.NO_MESH) from error


def _verdict(token: str, home: Home) -> str:
    """Return what is wrong with a token in one line, empty where nothing is. Raises Failure where no keys are there."""
    from gladhand.errors import Unauthenticated
    from gladhand.security.jwks import KeySetError, read_keys
    from gladhand.security.names import ISSUER
    from gladhand.security.tokens import judge, principal_of, unverified_header

    try:
        keys = read_keys(home.key_set.read_bytes())
    except (OSError, KeySetError) as error:
        raise Failure(f"no key set can be read at {home.key_set}", "make one: gladhand up") from error
    try:
        kid = unverified_header(token)["kid"]
        principal_of(judge(token, keys.get(kid), ISSUER, 0.0))
    except Unauthenticated as error:
        return error.message
    return ""


def _shown(claims: dict[str, Any]) -> list[tuple[str, object]]:
    from rich.markup import escape

    def told(name: str, value: object) -> object:
        if name in {"exp", "iat", "nbf"} and isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC).isoformat(timespec="seconds")
        return escape(" ".join(map(str, value)) if isinstance(value, list) else str(value))

    return [(escape(name), told(name, value)) for name, value in claims.items()]


def _scopes(wanted: list[str]) -> list[str]:
    """Return the scopes, each once. Raises BadParameter for one that no method of the contract asks for."""
    from gladhand.cli.scopes import every_scope

    known = every_scope()
    scopes = list(dict.fromkeys(part for each in wanted for part in each.replace(",", " ").split()))
    unknown = [each for each in scopes if each not in known]
    if unknown or not scopes:
        what = f"no method asks for {', '.join(unknown)}" if unknown else "no scope is given"
        raise typer.BadParameter(f"{what}; scopes: {', '.join(sorted(known))}", param_hint="--scope")
    return scopes


def _lifetime(text: str) -> timedelta:
    found = _TTL(text.strip())
    lifetime = timedelta(seconds=int(found[1]) * _UNITS[found[2]]) if found is not None else timedelta()
    if not timedelta() < lifetime <= _LONGEST:
        raise typer.BadParameter("give a number and s, m, h or d, for example 8h; at most 366d", param_hint="--ttl")
    return lifetime


def _subject(text: str) -> str:
    if not text.isprintable() or not 0 < len(text.strip()) <= 200:
        raise typer.BadParameter("give a name of 1 to 200 characters", param_hint="--subject")
    return text


def _party(text: str, audience: list[For]) -> Party | None:
    from gladhand.security.principal import Party

    if not text:
        return None
    if For.INTERNAL in audience:
        raise typer.BadParameter(
            "who is internal sees every party's objects; leave out --party or --audience internal", param_hint="--party"
        )
    try:
        return Party.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--party") from error
