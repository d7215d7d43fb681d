"""From nothing to a live, seeded database: a template is built once and copied for each new home."""

from __future__ import annotations

import asyncio
import datetime as dt
import fcntl
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from deploy.tryton.credentials import Credentials
from deploy.tryton.environment import Progress, ensure_environment
from deploy.tryton.layout import ADMIN_EMAIL, DATABASE, MODULES, Home
from deploy.tryton.seed import seed
from deploy.tryton.server import Server, write_config
from gladhand.security.authority import Authority


class DatabaseInitError(Exception):
    """``trytond-admin`` failed; the message carries the end of its output."""


def prepare(home: Home, today: dt.date, progress: Progress) -> None:
    """Make ``home`` ready to be served: environment, template (both cached), live database, credentials.

    A live database that exists is kept. Raises ``EnvironmentBuildError``, ``DatabaseInitError``, ``ServerStartError``
    or a ``TrytonError`` of the seed.
    """
    template = ensure_template(home, today, progress)
    if home.database.exists() and home.credentials.exists():
        write_config(home)
        return
    progress("copying the seeded database")
    home.root.mkdir(parents=True, exist_ok=True)
    write_config(home)
    Credentials.load(template / "credentials.json").save(home.credentials)
    _install_database(template / f"{DATABASE}.sqlite", home.database)


def ensure_template(home: Home, today: dt.date, progress: Progress) -> Path:
    """The directory of the template for today's versions, built where it is missing. One builder at a time."""
    template = home.template(today.year)
    with _locked(home.cache, progress):
        ensure_environment(home, progress)
        if not (template / f"{DATABASE}.sqlite").exists():
            _build_template(home, template, today, progress)
    return template


def _build_template(home: Home, template: Path, today: dt.date, progress: Progress) -> None:
    for unfinished in home.cache.glob("build-*"):  # of a builder that was killed; we hold the lock
        shutil.rmtree(unfinished, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="build-", dir=home.cache) as scratch:
        building = Home(root=Path(scratch), cache=home.cache)
        passwords = Credentials.generate()
        started = time.monotonic()
        progress(f"initialising the ERP database ({len(MODULES)} modules and their dependencies)")
        _initialise(building, passwords.admin)
        progress(f"database initialised in {time.monotonic() - started:.1f} s")
        started = time.monotonic()
        with Server(building, tls_dir=_passing_certificate(building)) as server:
            asyncio.run(seed(server.url, DATABASE, passwords, today, server.trust()))
            finished = building.root / "template"
            finished.mkdir()
            _snapshot(building.database, finished / f"{DATABASE}.sqlite")
        progress(f"master data seeded in {time.monotonic() - started:.1f} s")
        passwords.save(finished / "credentials.json")
        shutil.rmtree(template, ignore_errors=True)
        finished.rename(template)


def _passing_certificate(home: Home) -> Path:
    """A certificate for as long as the template is built: it is made before a mesh has its own."""
    now, folder = dt.datetime.now(dt.UTC), home.root / "secure"
    Authority.opened(folder, now).provide(("tryton",), now)
    return folder / "tryton"


def _initialise(home: Home, admin_password: str) -> None:
    write_config(home)
    home.database.touch()  # Tryton refuses a missing SQLite file
    password_file = home.root / "password"
    descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(admin_password + "\n")
    done = subprocess.run(
        [
            str(home.script("trytond-admin")),
            "-c",
            str(home.config),
            "-d",
            DATABASE,
            "-u",
            *MODULES,
            "--activate-dependencies",
            "--email",
            ADMIN_EMAIL,
            "--password",
        ],
        env={**os.environ, "TRYTONPASSFILE": str(password_file)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise DatabaseInitError(f"trytond-admin failed with status {done.returncode}:\n{done.stderr[-2000:]}")


def _snapshot(source: Path, target: Path) -> None:
    """A consistent copy of a database that a server has open; its file alone would lack what is in the WAL."""
    with closing(sqlite3.connect(source)) as connection:
        connection.execute("vacuum into ?", (str(target),))


def _install_database(template: Path, live: Path) -> None:
    for suffix in ("-wal", "-shm"):  # leftovers would be replayed onto the new file
        live.with_name(live.name + suffix).unlink(missing_ok=True)
    partial = live.with_name(live.name + ".new")
    shutil.copyfile(template, partial)
    partial.replace(live)


@contextmanager
def _locked(cache: Path, progress: Progress) -> Iterator[None]:
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another build of the ERP template")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
