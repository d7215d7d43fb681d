"""Runs the programs that were installed beside this interpreter: buf, protoc and its plugins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a program and returns what it printed. The environment's own programs win over the machine's."""
    own = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": os.pathsep.join([own, os.environ.get("PATH", os.defpath)])}
    found = Path(own, str(command[0]))
    program = str(found) if found.exists() else str(command[0])
    arguments = [program, *(str(part) for part in command[1:])]
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)


def must(*command: str | Path) -> str:
    """Runs a program that has to succeed and returns its standard output; else ends the process with what it said."""
    done = run(*command)
    if done.returncode:
        sys.exit(f"{' '.join(Path(str(part)).name for part in command[:3])} failed:\n{done.stdout}{done.stderr}")
    return done.stdout
