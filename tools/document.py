"""Writes the reference of the contract into docs/contract and docs/exceptions.md, or checks that they are fresh.

    python -m tools.document             writes what changed, removes what nothing writes any more
    python -m tools.document --check     writes nothing; exit 1 and a list of the pages that differ

Everything comes from one image with its comments, by buf; the same contract gives the same bytes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gladhand.contracts import released
from gladhand.contracts.lifecycles import lifecycles
from gladhand.contracts.mermaid import page
from tools.generate import build_image
from tools.reference.asyncapi import asyncapi_yaml
from tools.reference.contract import Contract
from tools.reference.errors import errors_page
from tools.reference.events import events_page
from tools.reference.findings import findings_page
from tools.reference.packages import index_page, package_page

TARGET = Path("docs/contract")
GUIDE = Path("docs/exceptions.md")
"""The one page for operators; it stands where they look, not in the reference."""


def read() -> Contract:
    """Returns the contract as its sources stand."""
    with tempfile.TemporaryDirectory() as folder:
        return Contract.read(build_image(Path(folder) / "image.binpb"))


def pages(contract: Contract) -> dict[str, str]:
    """Returns every page by the name of its file."""
    images = released.images(Path("proto/released"))
    version = images[-1].stem.removeprefix("v") if images else "0.0.0"
    return {
        "README.md": index_page(contract),
        "events.md": events_page(contract),
        "errors.md": errors_page(contract),
        "lifecycles.md": page(lifecycles(contract.files)),
        "asyncapi.yaml": asyncapi_yaml(contract, version),
        **{f"{package}.md": package_page(contract, package) for package in contract.packages},
    }


def differences(fresh: Mapping[str, str], folder: Path) -> list[str]:
    """Returns the names of pages that are missing, superfluous or different in `folder`."""
    committed = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*") if path.is_file()}
    return sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))


def main() -> int:
    """Returns the exit code of the process."""
    parser = argparse.ArgumentParser(description="Write the reference of the contract.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when something would change")
    check = parser.parse_args().check
    contract = read()
    fresh = pages(contract)
    changed = differences(fresh, TARGET)
    guide = findings_page(contract)
    stale = [TARGET / name for name in changed] + ([GUIDE] if _text(GUIDE) != guide else [])
    if check:
        for path in stale:
            print(f"stale: {path}; run make gen and commit what it writes")
        return 1 if stale else 0
    GUIDE.write_text(guide, encoding="utf-8")
    TARGET.mkdir(parents=True, exist_ok=True)
    for name in changed:
        if name in fresh:
            (TARGET / name).write_text(fresh[name], encoding="utf-8")
        else:
            (TARGET / name).unlink()
    print(f"{len(stale)} pages of the reference changed")
    return 0


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
