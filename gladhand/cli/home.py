"""Where the mesh of one clone keeps its state, logs and databases."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

VARIABLE: Final = "GLADHAND_HOME"


def clone_root() -> Path:
    """The root of the clone that this package was installed from; the working directory where there is none."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "services").is_dir() else Path.cwd()


@dataclass(frozen=True, slots=True)
class Home:
    """The directory of one mesh. `cache` holds what can be built again and may be shared between homes."""

    root: Path
    cache: Path

    @classmethod
    def chosen(cls, path: Path | None = None) -> Self:
        """The given directory, else GLADHAND_HOME, else `.gladhand` of the clone. GLADHAND_CACHE moves the cache."""
        root = (path or Path(os.environ.get(VARIABLE) or clone_root() / ".gladhand")).absolute()
        return cls(root, Path(os.environ.get("GLADHAND_CACHE") or root / "cache").absolute())

    @property
    def state(self) -> Path:
        """What runs: written by the supervisor, read by everybody else."""
        return self.root / "mesh.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.root / "mesh.lock"

    @property
    def ports(self) -> Path:
        """The ports taken the last time, so that a mesh keeps its addresses."""
        return self.root / "ports.json"

    @property
    def logs(self) -> Path:
        """One file for each process."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Ready files."""
        return self.root / "run"

    @property
    def secure(self) -> Path:
        """Keys and certificates, for this user's eyes only."""
        return self.root / "secure"

    @property
    def tokens(self) -> Path:
        """Signing key and key set of the tokens, the owner's alone."""
        return self.secure / "tokens"

    @property
    def key_set(self) -> Path:
        """The public keys that the services verify tokens with."""
        return self.tokens / "jwks.json"

    def log(self, name: str) -> Path:
        """Where the process of that name writes."""
        return self.logs / f"{name}.log"

    def ready_file(self, name: str) -> Path:
        """What the process of that name writes once it serves."""
        return self.run / f"{name}.json"

    def data(self, name: str) -> Path:
        """The directory that belongs to the process of that name alone."""
        return self.root / "data" / name

    def prepare(self) -> None:
        """Make the directories, for this user alone: databases and logs hold customers. Raises OSError.

        One that is there already keeps its mode: it may be shared on purpose.
        """
        for directory in (self.root, self.cache, self.logs, self.run):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
