"""The checks of a contract by buf and its plugin: lint, format, and that it breaks nobody.

Breaking changes are looked for against every released image and, once there is a release, against the parent of the
current commit, so that what was merged but not yet released cannot be taken back unseen either. Before the first
release nothing has been promised and there is nothing to break.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from gladhand.contracts import image, released


def complaints(proto: Path) -> Iterator[str]:
    """Yield what each check complains about; nothing where the contract in the folder is well."""
    root = workspace(proto)
    module = proto.resolve().relative_to(root)
    checks: list[list[str | Path]] = [["lint"], ["format", "--diff", "--exit-code"]]
    checks += [["breaking", module, "--against", other] for other in against(root, module)]
    for check in checks:
        done = _run(root, image.buf(), *check)
        if done.returncode:
            command = " ".join(str(part) for part in ("buf", *check))
            yield f"{command}:\n{done.stdout}{done.stderr}".rstrip()


def workspace(proto: Path) -> Path:
    """The root of the buf workspace around a folder of protos; the folder itself where there is none."""
    folder = proto.resolve()
    return next((place for place in (folder, *folder.parents) if (place / "buf.yaml").exists()), folder)


def against(root: Path, module: Path) -> Iterator[str]:
    """What the contract is compared with, as buf inputs."""
    images = released.images(root / module / "released")
    yield from (str(path.relative_to(root)) for path in images)
    parent = _parent(root)
    if images and parent:
        yield f".git#ref={parent},subdir={module}"


def _parent(root: Path) -> str | None:
    """The commit before this one if it already had a contract; None in a shallow clone or at the start."""
    if not (root / ".git").exists():
        return None
    sha = _run(root, "git", "rev-parse", "--verify", "--quiet", "HEAD^").stdout.strip()
    return sha if sha and _run(root, "git", "cat-file", "-e", f"{sha}:buf.yaml").returncode == 0 else None


def _run(root: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program at the root; buf finds the plugin beside this interpreter."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    arguments = [str(part) for part in command]
    environment = {**os.environ, "PATH": path}
    return subprocess.run(arguments, cwd=root, env=environment, capture_output=True, text=True, check=False)
