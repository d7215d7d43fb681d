"""Who may do what on the bus of a local mesh: credentials and the server's authorization, made from the contract.

Everything is under `<home>/secure/bus`: a seed file for each identity, the readers that were created, and the file
that nats-server includes. Making it again changes nothing but what the contract changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from gladhand.bus.authorization import written
from gladhand.bus.credentials import SUFFIX, issue
from gladhand.bus.identities import SETUP, operator, readable, reader, rights_of_all, setup
from gladhand.bus.permissions import BusPolicy, Rights, policies_of, rights_of
from gladhand.bus.streams import standard_streams
from gladhand.cli.home import Home
from gladhand.cli.mesh.declared import ENVELOPES, SERVICES
from gladhand.errors import InvalidArgument
from gladhand.security.private_files import private_folder, write_private

__all__ = ["ERP_INSTANCE", "READABLE", "Access"]

ERP_INSTANCE: Final = "tryton-us"
"""The name of the ERP of a local mesh."""

READABLE: Final = readable(ENVELOPES)
"""What a reader may be given, with its subjects."""

_STREAMS: Final = {spec.name: spec.subjects for spec in standard_streams()}
_READER: Final = re.compile(r"[a-z][a-z0-9_-]{1,31}\Z")


class Access:
    """The bus credentials of one home."""

    def __init__(self, home: Home) -> None:
        self._secure = home.secure
        self._folder = home.secure / "bus"

    @property
    def authorization(self) -> Path:
        """What nats-server includes."""
        return self._folder / "authorization.conf"

    def credentials(self, identity: str) -> Path:
        """Where the seed of an identity is."""
        return self._folder / f"{identity}{SUFFIX}"

    def readers(self) -> dict[str, list[str]]:
        """Return the readers that were created, each with what it reads."""
        try:
            found: dict[str, list[str]] = json.loads(self._readers.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return found

    def prepare(self) -> None:
        """Make what is missing and bring the rest up to date. Raises ContractError, SettingsError, OSError."""
        self._write(self.readers())

    def add_reader(self, name: str, reads: Sequence[str]) -> Path:
        """Let a reader in, or change what it reads; return its credentials. The server has to reload.

        Raises InvalidArgument where the name is not usable or what it is to read does not exist.
        """
        if not _READER.match(name) or name in {SETUP, *(each.identity for each in self._own())}:
            raise InvalidArgument(
                f"{name!r} cannot be a reader's name",
                field="name",
                remedy="give 2 to 32 of a-z, 0-9, _ and -, not the name of an identity of the mesh",
            )
        reader(name, reads, READABLE, _STREAMS)
        readers = {**self.readers(), name: list(dict.fromkeys(reads))}
        self._keep(readers)
        return self.credentials(name)

    def remove_reader(self, name: str) -> None:
        """Let a reader in no more. The server has to reload. Raises InvalidArgument where there is none."""
        readers = self.readers()
        if readers.pop(name, None) is None:
            raise InvalidArgument(
                f"there is no reader {name!r}", field="name", remedy=f"give one of {', '.join(readers) or 'none'}"
            )
        self._keep(readers)
        self.credentials(name).unlink(missing_ok=True)

    def rights(self, readers: Mapping[str, Sequence[str]] | None = None) -> tuple[Rights, ...]:
        """Return the rights of everybody but who sets the mesh up."""
        guests = (self.readers() if readers is None else readers).items()
        return rights_of_all(
            [*self._own(), *(reader(name, reads, READABLE, _STREAMS) for name, reads in guests)], _STREAMS
        )

    def objects(self) -> tuple[str, ...]:
        """Return the object buckets that the contract declares."""
        return tuple(dict.fromkeys(name for each in self._own() for name in each.objects))

    @property
    def _readers(self) -> Path:
        return self._folder / "readers.json"

    def _own(self) -> list[BusPolicy]:
        return [*policies_of(SERVICES, {"erp_instance": ERP_INSTANCE}), operator(_STREAMS)]

    def _keep(self, readers: Mapping[str, Sequence[str]]) -> None:
        self._write(readers)
        text = json.dumps(readers, indent=1) + "\n"
        write_private(self._folder, {self._readers.name: text.encode("ascii")})

    def _write(self, readers: Mapping[str, Sequence[str]]) -> None:
        private_folder(self._secure)
        rights = self.rights(readers)
        first = rights_of(setup(), _STREAMS)
        keys = {each.identity: issue(self._folder, each.identity).public_key() for each in (*rights, first)}
        write_private(self._folder, {self.authorization.name: written(rights, keys, first).encode("ascii")})
