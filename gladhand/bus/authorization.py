"""nats-server's authorization, written from rights (pure).

Every identity lives in an account of its own, which sees of the mesh's account exactly the subjects of its grants. So
the reply subject of a request, which NATS checks against no permission, cannot name a stream's subject and have the
server publish there; and nobody can listen to another's answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

from gladhand.bus.permissions import API, API_WITHIN, Answers, Rights

__all__ = ["MESH_ACCOUNT", "written"]

MESH_ACCOUNT = "MESH"
"""The account that holds the streams."""


def written(rights: Sequence[Rights], keys: Mapping[str, str], setup: Rights) -> str:
    """Return the `accounts` block. `keys` gives each identity's public key; `setup` works inside the mesh's account.

    Raises KeyError where an identity has no key.
    """
    blocks = [_mesh_account(rights, keys, setup), *(_own_account(each, keys[each.identity]) for each in rights)]
    head = "# Written by `gladhand up` from the contract; changes are overwritten."
    return "\n".join((head, "accounts {", *blocks, "}", ""))


def _mesh_account(rights: Sequence[Rights], keys: Mapping[str, str], setup: Rights) -> str:
    takers: dict[tuple[str, Answers], list[str]] = {}
    for each in rights:
        for grant in each.grants:
            takers.setdefault((grant.subject, grant.answers), []).append(each.identity)
    services = (
        f"{{service: {_quoted(subject)}, response_type: {answers.value}, accounts: {_listed(who)}}}"
        for (subject, answers), who in sorted(takers.items(), key=lambda item: item[0][0])
    )
    inboxes = (f"{{stream: {_quoted(each.inbox + '.>')}, accounts: {_listed([each.identity])}}}" for each in rights)
    lines = "\n".join(f"      {line}" for line in (*services, *inboxes))
    user = _user(setup, keys[setup.identity])
    return f"  {MESH_ACCOUNT}: {{\n    jetstream: enabled\n    users: [{user}]\n    exports: [\n{lines}\n    ]\n  }}"


def _own_account(rights: Rights, key: str) -> str:
    imports = "\n".join(
        (
            *(f"      {_import(grant.subject)}" for grant in rights.grants),
            # What consumers push to the identity's inbox; ordered consumers of other clients work that way.
            f"      {{stream: {{account: {MESH_ACCOUNT}, subject: {_quoted(rights.inbox + '.>')}}}}}",
        )
    )
    # The account has a JetStream of its own, which is off and would answer that it is.
    mapping = f"{{{_quoted(API + '.>')}: {_quoted(API_WITHIN + '.>')}}}"
    return (
        f"  {_quoted(rights.identity)}: {{\n    mappings: {mapping}\n    users: [{_user(rights, key, _within)}]\n"
        f"    imports: [\n{imports}\n    ]\n  }}"
    )


def _import(subject: str) -> str:
    within = _within(subject)
    renamed = f", to: {_quoted(within)}" if within != subject else ""
    return f"{{service: {{account: {MESH_ACCOUNT}, subject: {_quoted(subject)}}}{renamed}}}"


def _within(subject: str) -> str:
    """What a subject is called inside an identity's own account, where permissions are checked after the mapping."""
    return API_WITHIN + subject.removeprefix(API) if subject.startswith(f"{API}.") else subject


def _user(rights: Rights, key: str, named: Callable[[str], str] = str) -> str:
    publish = f"allow: {_listed(named(grant.subject) for grant in rights.grants)}"
    if rights.denied:
        publish += f", deny: {_listed(map(named, rights.denied))}"
    subscribe = f"allow: {_listed([rights.inbox + '.>'])}"
    return f"{{nkey: {key}, permissions: {{publish: {{{publish}}}, subscribe: {{{subscribe}}}}}}}"


def _listed(values: Iterable[str]) -> str:
    return json.dumps(list(values))


def _quoted(value: str) -> str:
    return json.dumps(value)
