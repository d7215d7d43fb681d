"""Checks the contract: lint, format, and that it breaks nobody. What the checks are: gladhand/cli/contracts/checks.py.

python -m tools.check_contract
"""

from __future__ import annotations

import sys
from pathlib import Path

from gladhand.cli.contracts.checks import complaints

MODULE = Path("proto")


def main() -> int:
    """Runs every check, prints what each complains about, and returns the exit code of the process."""
    found = list(complaints(MODULE))
    for complaint in found:
        print(complaint)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
