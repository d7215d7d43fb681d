"""Command line: ``python -m deploy.tryton build|serve --home DIR``."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import time
from pathlib import Path

from deploy.tryton.database import DatabaseInitError, ensure_template, prepare
from deploy.tryton.environment import EnvironmentBuildError
from deploy.tryton.layout import DATABASE, Home
from deploy.tryton.server import ServerStartError, become_server
from services.erp_gateway.adapters.tryton_errors import TrytonError


def main() -> int:
    """Run one command; 0 on success, 1 with a message on stderr. ``serve`` does not return."""
    return _run(_parse())


def _run(arguments: argparse.Namespace) -> int:
    root = arguments.home.resolve()
    home = Home(root=root, cache=(arguments.cache or arguments.home).resolve())
    started = time.monotonic()
    try:
        today = dt.datetime.now(dt.UTC).date()
        if arguments.command == "build":
            template = ensure_template(home, today, _progress)
            _result(arguments, {"template": str(template), "seconds": round(time.monotonic() - started, 1)})
            return 0
        prepare(home, today, _progress)
    except (EnvironmentBuildError, DatabaseInitError, ServerStartError, TrytonError, OSError) as error:
        print(f"tryton: {error}", file=sys.stderr)
        return 1
    url = f"{'http' if arguments.tls_dir is None else 'https'}://127.0.0.1:{arguments.port}"
    _result(arguments, {"url": url, "database": DATABASE, "credentials": str(home.credentials)})
    _progress(f"serving on {url}/{DATABASE}")
    sys.stdout.flush()
    return become_server(home, arguments.port, arguments.tls_dir)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.tryton", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, purpose in (("build", "make environment and seeded template"), ("serve", "prepare, then run the server")):
        command = commands.add_parser(name, help=purpose)
        command.add_argument("--home", type=Path, required=True, help="directory of the database and its credentials")
        command.add_argument("--cache", type=Path, help="directory of environment and templates (default: home)")
        command.add_argument("--json", action="store_true", help="print one JSON object on stdout")
        if name == "serve":
            command.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
            command.add_argument("--tls-dir", type=Path, help="directory with cert.pem and key.pem (default: no TLS)")
    return parser.parse_args()


def _progress(line: str) -> None:
    print(f"tryton: {line}", file=sys.stderr, flush=True)


def _result(arguments: argparse.Namespace, result: dict[str, object]) -> None:
    if arguments.json:
        print(json.dumps(result))


if __name__ == "__main__":
    sys.exit(main())
