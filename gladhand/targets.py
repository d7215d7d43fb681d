"""Where a service is: one address, a list of them, or a name that something else resolves (pure).

127.0.0.1:7051                       one address, or a host name
static:10.0.0.1:7051,10.0.0.2:7051   replicas, known in advance; `static:` may be left out
static://NAME/10.0.0.1:7051,…        the same, where their certificates are for NAME
dns:///orchestrator.internal:7051    as many replicas as the name has addresses, looked up again by gRPC
xds:///orchestrator                  as a control plane says; handed to gRPC untouched, as are unix: and ipv4:

A list is for replicas that stay where they are; a name is better wherever they come and go.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

__all__ = ["Target", "read_target", "target"]

_REMEDY = (
    "give host:port, several with a comma between (static:10.0.0.1:7051,10.0.0.2:7051), dns:///name:port or xds:///name"
)
_UNTOUCHED = frozenset({"ipv4", "ipv6", "unix", "unix-abstract", "vsock", "xds"})


@dataclass(frozen=True, slots=True)
class Target:
    """One service as gRPC finds it."""

    uri: str
    """The target in gRPC's own form."""

    replicated: bool
    """Whether there may be more than one replica, so that a call may find another one."""

    tls_name: str = ""
    """The name that the certificates of all replicas carry; empty where it is the host of `uri`."""

    tls_unnamed: bool = False
    """Whether TLS cannot work because nobody said what name the replicas' certificates carry."""


def target(text: str) -> str:
    """Return `text` if it is a target; for settings. Raises ValueError with the remedy."""
    read_target(text)
    return text


def read_target(text: str) -> Target:
    """Read a target as it stands in the settings. Raises ValueError with the remedy where it is none."""
    scheme, colon, rest = text.strip().partition(":")
    if colon and scheme in _UNTOUCHED and rest.strip("/"):
        return Target(text.strip(), replicated=scheme == "xds" or "," in rest)
    if colon and scheme == "dns":
        name = rest.split("/", 3)[-1] if rest.startswith("//") else rest
        _host_and_port(name, text)
        return Target(text.strip(), replicated=True)
    if scheme != "static":
        return _static(text.strip(), "", text)
    if not rest.startswith("//"):
        return _static(rest, "", text)
    name, _slash, addresses = rest.removeprefix("//").partition("/")
    return _static(addresses, name, text)


def _static(addresses: str, name: str, text: str) -> Target:
    pairs = [_host_and_port(address.strip(), text) for address in addresses.split(",")]
    if len(set(pairs)) < len(pairs):
        raise ValueError(f"{text!r} names an address twice; name each replica once")
    if len(pairs) == 1:
        host, port = pairs[0]
        return Target(f"{host}:{port}", replicated=False, tls_name=name)
    try:
        found = [ip_address(host.strip("[]")) for host, _port in pairs]
    except ValueError:
        raise ValueError(
            f"{text!r} lists host names; give IP addresses, or a name that has all of them: dns:///name:port"
        ) from None
    if len({address.version for address in found}) > 1:
        raise ValueError(f"{text!r} mixes IPv4 and IPv6; give the addresses of one kind")
    listed = ",".join(f"{host}:{port}" for host, port in pairs)
    local = all(address.is_loopback for address in found)
    return Target(
        f"ipv{found[0].version}:{listed}",
        replicated=True,
        tls_name=name or ("localhost" if local else ""),
        tls_unnamed=not (name or local),
    )


def _host_and_port(address: str, text: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    bare = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bare) or "/" in host or " " in address:
        raise ValueError(f"{text!r} is no target: {_REMEDY}")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"{text!r} has no port between 1 and 65535 after {host!r}: {_REMEDY}")
    return host, int(port)
