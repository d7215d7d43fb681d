"""Checks the contract: lint, format, and that it breaks nobody.

    python -m tools.check_contract

Breaking changes are looked for against every released image in proto/released and, once there is a release, against
the parent of the current commit, so that what was merged but not yet released cannot be taken back unseen either.
Before the first release nothing has been promised and there is nothing to break.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tools.toolchain import run

MODULE = "proto"
RELEASED = Path("proto/released")


def released_images() -> list[Path]:
    """Images of the released contracts, oldest first."""

    def version(path: Path) -> list[int]:
        return [int(part) for part in path.stem.removeprefix("v").split(".")]

    return sorted(RELEASED.glob("v*.binpb"), key=version)


def _parent() -> str | None:
    """The commit before this one if it already had a contract; None in a shallow clone or at the start."""
    sha = run("git", "rev-parse", "--verify", "--quiet", "HEAD^").stdout.strip()
    return sha if sha and run("git", "cat-file", "-e", f"{sha}:buf.yaml").returncode == 0 else None


def against() -> Iterator[str]:
    """What the contract is compared with, as buf inputs."""
    images = released_images()
    yield from map(str, images)
    parent = _parent()
    if images and parent:
        yield f".git#ref={parent},subdir={MODULE}"


def main() -> int:
    """Runs every check, prints what each complains about, and returns the exit code of the process."""
    checks = [("buf", "lint"), ("buf", "format", "--diff", "--exit-code")]
    checks += [("buf", "breaking", MODULE, "--against", other) for other in against()]
    failed = 0
    for check in checks:
        done = run(*check)
        if done.returncode:
            failed += 1
            print(f"{' '.join(check)}:\n{done.stdout}{done.stderr}".rstrip())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
