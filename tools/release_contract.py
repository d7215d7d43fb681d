"""Freezes the contract as it stands: proto/released/<version>.binpb, an image that later changes may not break.

    python -m tools.release_contract v1.0.0

An image is never overwritten. Source positions and comments are left out, so the same contract gives the same bytes.
"""

from __future__ import annotations

import re
import sys

from tools import check_contract
from tools.toolchain import must

_VERSION = re.compile(r"v\d+\.\d+\.\d+")


def main(arguments: list[str]) -> int:
    """Returns the exit code of the process."""
    if len(arguments) != 1 or not _VERSION.fullmatch(arguments[0]):
        print("which version? for example: make release VERSION=v1.0.0")
        return 2
    image = check_contract.RELEASED / f"{arguments[0]}.binpb"
    if image.exists():
        print(f"{image} is released already and never changes; take the next version")
        return 1
    if check_contract.main():
        print("nothing released: the contract has to pass its checks first")
        return 1
    image.parent.mkdir(parents=True, exist_ok=True)
    must("buf", "build", check_contract.MODULE, "--exclude-source-info", "-o", image)
    print(f"released {image}; commit it, and tag the commit contracts/{arguments[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
