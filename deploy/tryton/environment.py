"""Tryton's own virtual environment, made once per cache from hash-pinned requirements."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from deploy.tryton.layout import REQUIREMENTS, Home, requirements_digest

Progress = Callable[[str], None]
"""Receives one line for people per step."""


class EnvironmentBuildError(Exception):
    """The environment could not be made; the message carries the installer's own words."""


def ensure_environment(home: Home, progress: Progress) -> None:
    """Create or renew the environment where it is missing or of other requirements.

    Raises ``EnvironmentBuildError`` with the installer's output.
    """
    stamp = home.venv / "requirements.digest"
    wanted = requirements_digest()
    if stamp.is_file() and stamp.read_text("ascii") == wanted and home.script("trytond-admin").exists():
        return
    progress("installing Tryton into its own environment")
    shutil.rmtree(home.venv, ignore_errors=True)
    home.cache.mkdir(parents=True, exist_ok=True)
    uv = _find_uv()
    python = str(home.script("python"))
    install = ["install", "--quiet", "--require-hashes", "-r", str(REQUIREMENTS)]
    if uv is not None:
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(home.venv)])
        _run([uv, "pip", *install, "--python", python, "--compile-bytecode"])
    elif importlib.util.find_spec("pip") is not None:
        _run([sys.executable, "-m", "venv", "--without-pip", str(home.venv)])
        _run([sys.executable, "-m", "pip", "--python", python, *install])
    else:
        _run([sys.executable, "-m", "venv", str(home.venv)])
        _run([python, "-m", "pip", *install])
    stamp.write_text(wanted, "ascii")


def _find_uv() -> str | None:
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if beside.exists() else shutil.which("uv")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise EnvironmentBuildError(f"{' '.join(command[:4])} ... failed with status {done.returncode}:\n{said}")
