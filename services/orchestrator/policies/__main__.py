"""Checks policy files without a mesh: `python -m services.orchestrator.policies FILE…`.

All files are taken together on top of the built-in default, each as version 1 of its layer, so that what is harmless
alone and harmful together is found as it would be at the moment of applying. Ends with 1 where one is refused.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from gladhand.errors import GladhandError
from services.orchestrator.policies.book import PolicyBook, built_in, default_policy
from services.orchestrator.policies.reading import DEFAULT, PolicyInvalid, read_policy
from services.orchestrator.policies.safety import examine
from services.orchestrator.policies.store import check_alone


def main(arguments: list[str]) -> int:
    """Check the files; tell each verdict on stdout as one JSON object per line."""
    book = PolicyBook({DEFAULT: [built_in(default_policy())]})
    refused = False
    for name in arguments:
        file = Path(name)
        verdict: dict[str, object] = {"file": name, "ok": True}
        try:
            layer = read_policy(file.read_text(encoding="utf-8"), file=file.name)
            layer.version = len(book.versions(layer.name)) + 1
            check_alone(book, layer)
            explored = examine(book.with_layer(layer), layer)
            book = book.with_layer(layer)
            verdict |= {"name": layer.name, "sets": list(layer.sets), "explored": list(explored)}
        except (OSError, UnicodeDecodeError) as error:
            verdict |= {"ok": False, "faults": [f"{name}: cannot be read: {error}"]}
        except PolicyInvalid as error:
            faults = [found.description for found in error.violations] or [error.message]
            verdict |= {"ok": False, "reason": error.reason, "faults": faults}
        except GladhandError as error:
            verdict |= {"ok": False, "reason": error.reason, "faults": [error.message]}
        refused = refused or not verdict["ok"]
        sys.stdout.write(json.dumps(verdict, ensure_ascii=False) + "\n")
    return 1 if refused else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
