"""`python -m examples.denver`: what `gladhand demo` runs once the mesh is ready. The story is told on stderr."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from deploy.tryton.order_desk import UnknownNameError
from examples.denver.desk import DemoError
from examples.denver.driver import DriveError
from examples.denver.play import document, is_sound, play, show_account
from examples.denver.roads import TracksMissingError
from examples.denver.show import Teller
from examples.denver.stage import set_up
from gladhand.cli.home import Home
from gladhand.cli.mesh.start import current
from gladhand.cli.mesh.state import MeshState
from gladhand.cli.output import screen
from gladhand.errors import GladhandError
from services.erp_gateway.adapters.tryton_errors import TrytonError

_TROUBLE = (DemoError, DriveError, UnknownNameError, TracksMissingError, TrytonError, GladhandError, OSError)


async def run(home: Home, mesh: MeshState, arguments: argparse.Namespace) -> bool:
    """Play and tell; whether every order ended as it must."""
    teller = Teller(screen(stderr=True))
    async with set_up(home, mesh) as stage:
        results = await play(stage, teller, arguments.seed, arguments.orders)
        await show_account(stage, teller, results)
    if arguments.json:
        print(json.dumps(document(results), indent=2))
    return is_sound(results)


def main() -> int:
    """0 where every order ended in exactly one posted invoice or a refusal, else 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m examples.denver", description=__doc__)
    parser.add_argument("--home", type=Path, help="directory of the mesh (default: .gladhand of the clone)")
    parser.add_argument("--orders", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print the account as one JSON object on stdout")
    arguments = parser.parse_args()
    home = Home.chosen(arguments.home)
    mesh = current(home)
    if mesh is None:
        print("demo: no mesh runs here; start one with its orders: gladhand demo", file=sys.stderr)
        return 1
    try:
        return 0 if asyncio.run(run(home, mesh, arguments)) else 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("stopped; run it again to go on", file=sys.stderr)
        return 130
    except _TROUBLE as error:
        print(f"demo: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
