"""The certificates of a local mesh: made before its first start, replaced while it runs, and shown by the operator."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from gladhand.cli.home import Home
from gladhand.cli.mesh import declared
from gladhand.cli.mesh.state import MeshState, stamp
from gladhand.clock import SystemClock
from gladhand.errors import StartRefused
from gladhand.security.authority import Authority
from gladhand.security.credentials import TlsCredentials
from gladhand.security.folder import TlsFolder
from gladhand.security.names import OPERATOR

__all__ = ["IDENTITIES", "ends", "keep_fresh", "operator", "provide"]

IDENTITIES: Final = (OPERATOR, *declared.IDENTITIES, "nats", "tryton")
"""Who gets a certificate: the command line, the services, and the two servers that are not ours."""

_EVERY_S: Final = 3600.0


def provide(home: Home) -> list[str]:
    """Make or take up the authority and give everybody a certificate that is not due; return whose was replaced.

    Raises StartRefused where the secure folder is not ours alone or damaged; OSError where it cannot be written.
    """
    now = SystemClock().now()
    return Authority.opened(home.secure, now).provide(IDENTITIES, now)


async def keep_fresh(home: Home, replaced_those: Callable[[Sequence[str]], None], every_s: float = _EVERY_S) -> None:
    """Replace certificates that are due, for as long as the mesh runs, and tell whose were.

    Processes of ours take up their own by themselves.
    """
    while True:
        await asyncio.sleep(every_s)
        try:
            now = SystemClock().now()
            replaced = Authority.opened(home.secure, now, renew=False).provide(IDENTITIES, now)
        except (StartRefused, OSError) as error:
            print(f"{stamp()} certificates are not replaced: {error}", file=sys.stderr)
            continue
        if replaced:
            print(f"{stamp()} replaced the certificates of {', '.join(replaced)}", file=sys.stderr)
            replaced_those(replaced)


def operator(mesh: MeshState) -> TlsCredentials | None:
    """What the command line shows to the services of a mesh; None for a mesh without TLS. Raises StartRefused."""
    return None if mesh.secure is None else TlsCredentials(TlsFolder(mesh.secure / OPERATOR))


def ends(mesh: MeshState) -> Mapping[str, datetime]:
    """When each certificate ends, by identity; empty for a mesh without TLS. Raises StartRefused."""
    return {} if mesh.secure is None else {name: TlsFolder(mesh.secure / name).read().ends for name in IDENTITIES}
