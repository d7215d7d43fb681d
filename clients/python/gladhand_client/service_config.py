"""The gRPC service config that `gladhand-contracts` brings: what is repeated, how often, how long a call may take."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any


@cache
def service_config(package: str) -> str:
    """Return the service config of one package of the contract, for example `logistics.orchestrator.v1`.

    With `package` empty, of all packages in one: deadlines and repetition of every method, and no health checking,
    which is a matter of the one service that a channel leads to.
    """
    if package:
        return files(package).joinpath("service_config.json").read_text(encoding="utf-8")
    configs = [json.loads(found.read_text(encoding="utf-8")) for found in _found(files("logistics"))]
    merged: dict[str, Any] = {key: value for key, value in configs[0].items() if key != "healthCheckConfig"}
    merged["methodConfig"] = [method for config in configs for method in config["methodConfig"]]
    return json.dumps(merged)


def timeouts(config: str) -> dict[str, float]:
    """Return the seconds that each method may take, by its name on the wire, `/package.Service/Method`.

    gRPC for Python ends a call by the config's timeout but does not tell the server, which would work on in vain: so
    calls are given their deadline themselves.
    """
    return {
        f"/{name['service']}/{name['method']}": float(method["timeout"].removesuffix("s"))
        for method in json.loads(config)["methodConfig"]
        if "timeout" in method
        for name in method["name"]
    }


def _found(folder: Traversable) -> list[Traversable]:
    found: list[Traversable] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name == "service_config.json":
            found.append(entry)
        elif entry.is_dir():
            found += _found(entry)
    return found
