"""Reads a policy file, YAML, into one layer of policy (pure). Every fault is told, each with its line and remedy."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, cast

import yaml
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gladhand.errors import InvalidArgument, Violation
from gladhand.validation import violations
from logistics.process.v1 import PolicyLayer, PolicyLayerKind, PolicyTarget, ProcessPolicy
from services.orchestrator.policies.spelling import Misspelled, is_value, nearest, parsed

_OURS = frozenset({"name", "version", "layers"})
"""Fields of a policy that no file sets."""

_TARGETS = {
    frozenset({"region"}): PolicyLayerKind.POLICY_LAYER_KIND_REGION,
    frozenset({"erp_instance", "cost_center"}): PolicyLayerKind.POLICY_LAYER_KIND_BUSINESS_UNIT,
    frozenset({"erp_instance", "customer_code"}): PolicyLayerKind.POLICY_LAYER_KIND_CUSTOMER,
}
_TARGET_KEYS = frozenset({"region", "erp_instance", "cost_center", "customer_code"})
DEFAULT = "default"
"""Name of the one layer that is for every order."""


class PolicyInvalid(InvalidArgument):
    """A file that is no policy; `violations` hold each fault."""


@dataclass(slots=True)
class _Faults:
    file: str
    found: list[Violation] = field(default_factory=list)
    first_line: int = 0

    def add(self, node: yaml.Node | int, path: str, what: str) -> None:
        line = node if isinstance(node, int) else node.start_mark.line + 1
        self.first_line = self.first_line or line
        self.found.append(Violation(path, f"{self.file}:{line}: {path}: {what}"))

    def refusal(self) -> PolicyInvalid:
        more = f" (and {len(self.found) - 1} more)" if len(self.found) > 1 else ""
        first = self.found[0]
        return PolicyInvalid(
            first.description + more,
            violations=self.found[:32],
            reason="POLICY_INVALID",
            metadata={"field": first.field, "line": str(self.first_line)},
        )


def read_policy(document: str, *, file: str = "policy") -> PolicyLayer:
    """Return the layer that a file describes; its version is for whoever keeps it to give.

    `file` is what errors call it. Raises PolicyInvalid.
    """
    faults = _Faults(file)
    root = _root(document, faults)
    layer = PolicyLayer(document=document)
    entries = _entries(root, "", faults)
    for key, (node, _) in entries.items():
        if key not in {"name", "for", "policy"}:
            faults.add(node, key, f"no such key; {nearest(key, ('name', 'for', 'policy'))}")
    layer.name = _word(entries, "name", "give the layer a name, for example name: us", root, faults)
    _read_target(entries, layer, root, faults)
    if "policy" in entries:
        sets: list[str] = []
        _fill(entries["policy"][1], layer.values, "", sets, faults)
        layer.sets.extend(sorted(sets))
    else:
        faults.add(root, "policy", "it is missing; say what the policy demands below policy:")
    _check_rules(layer, entries, root, faults)
    if faults.found:
        raise faults.refusal()
    layer.content_sha256 = content_sha256(layer)
    return layer


def content_sha256(layer: PolicyLayer) -> str:
    """Return the digest by which the same content is known again, whatever its comments."""
    content = PolicyLayer(name=layer.name, target=layer.target, values=layer.values, sets=layer.sets)
    return hashlib.sha256(content.SerializeToString(deterministic=True)).hexdigest()


def _root(document: str, faults: _Faults) -> yaml.Node:
    try:
        node = yaml.compose(document, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        faults.add(mark.line + 1 if mark else 1, "policy", f"no YAML: {error.problem}; mend the line")
        raise faults.refusal() from error
    except (yaml.YAMLError, RecursionError) as error:
        faults.add(1, "policy", "no YAML; look for strange characters and needless brackets")
        raise faults.refusal() from error
    if not isinstance(node, yaml.MappingNode):
        faults.add(1, "policy", "no keys; begin with name:, for: and policy:")
        raise faults.refusal()
    return node


def _entries(node: yaml.Node, path: str, faults: _Faults) -> dict[str, tuple[yaml.Node, yaml.Node]]:
    """Return keys and values of a mapping; anything else is a fault and has none."""
    if not isinstance(node, yaml.MappingNode):
        faults.add(node, path, "it has keys of its own; write them below it, indented")
        return {}
    found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
    for key, value in node.value:
        name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
        if name in found:
            faults.add(key, _below(path, name), "it is there twice; keep one")
        found[name] = (key, value)
    return found


def _word(
    entries: dict[str, tuple[yaml.Node, yaml.Node]], key: str, remedy: str, root: yaml.Node, faults: _Faults
) -> str:
    if key not in entries:
        faults.add(root, key, f"it is missing; {remedy}")
        return ""
    node = entries[key][1]
    if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
        faults.add(node, key, f"it is no word; {remedy}")
        return ""
    return str(node.value)


def _read_target(
    entries: dict[str, tuple[yaml.Node, yaml.Node]], layer: PolicyLayer, root: yaml.Node, faults: _Faults
) -> None:
    remedy = "write for: {region: us}, or erp_instance with customer_code or cost_center"
    if "for" not in entries:
        if layer.name != DEFAULT:
            faults.add(root, "for", f"it is missing, and only {DEFAULT} is for every order; {remedy}")
        layer.target.kind = PolicyLayerKind.POLICY_LAYER_KIND_DEFAULT
        return
    key, node = entries["for"]
    if layer.name == DEFAULT:
        faults.add(key, "for", f"{DEFAULT} is for every order; leave it out, or give the layer another name")
    told = _entries(node, "for", faults)
    kind = _TARGETS.get(frozenset(told))
    for name, (where, value) in told.items():
        if name not in _TARGET_KEYS:
            faults.add(where, f"for.{name}", f"no such key; {nearest(name, _TARGET_KEYS)}")
        elif not isinstance(value, yaml.ScalarNode) or not value.value.strip():
            faults.add(value, f"for.{name}", f"it is no word; {remedy}")
        else:
            setattr(layer.target, name, str(value.value))
    if kind is None:
        faults.add(key, "for", f"it names no group of orders; {remedy}")
    else:
        layer.target.kind = kind


def _fill(node: yaml.Node, message: Message, path: str, sets: list[str], faults: _Faults) -> None:
    """Set the fields of a message as a mapping says; `sets` gets the path of each field that has no fields of its own.

    `path` is relative to the policy.
    """
    fields = cast("list[FieldDescriptor]", list(message.DESCRIPTOR.fields))
    known = {each.name: each for each in fields if path or each.name not in _OURS}
    for name, (key, value) in _entries(node, _shown(path), faults).items():
        below = _below(path, name)
        if name not in known:
            faults.add(key, _shown(below), f"no such key; {nearest(name, known)}")
            continue
        each = known[name]
        if each.is_repeated:
            _fill_list(value, each, message, below, faults)
            sets.append(below)
        elif is_value(each):
            _set_value(value, each, message, below, faults)
            sets.append(below)
        else:
            _fill(value, getattr(message, name), below, sets, faults)


def _fill_list(node: yaml.Node, each: FieldDescriptor, message: Message, path: str, faults: _Faults) -> None:
    if not isinstance(node, yaml.SequenceNode):
        faults.add(node, _shown(path), "it is a list; write [one, another], or [] for none")
        return
    target = getattr(message, each.name)
    for number, item in enumerate(node.value):
        where = f"{path}[{number}]"
        if is_value(each):
            value = _value(item, each, where, faults)
            if value is not None:
                target.append(value)
        else:
            _fill(item, target.add(), where, [], faults)


def _set_value(node: yaml.Node, each: FieldDescriptor, message: Message, path: str, faults: _Faults) -> None:
    value = _value(node, each, path, faults)
    if value is None:
        return
    if each.message_type is not None:
        getattr(message, each.name).CopyFrom(value)
    else:
        setattr(message, each.name, value)


def _value(node: yaml.Node, each: FieldDescriptor, path: str, faults: _Faults) -> Any:
    if not isinstance(node, yaml.ScalarNode):
        faults.add(node, _shown(path), "it is one value; write it behind the colon")
        return None
    try:
        return parsed(each, str(node.value))
    except Misspelled as error:
        faults.add(node, _shown(path), str(error))
        return None


def _check_rules(
    layer: PolicyLayer, entries: dict[str, tuple[yaml.Node, yaml.Node]], root: yaml.Node, faults: _Faults
) -> None:
    """Check what the contract's rules say about the values, which know no lines."""
    if faults.found:
        return
    whole = ProcessPolicy()
    whole.CopyFrom(layer.values)
    whole.name, whole.version = layer.name, 1
    target = PolicyTarget()
    target.CopyFrom(layer.target)
    at = entries["policy"][1] if "policy" in entries else root
    for found in violations(whole):
        if found.field == "name":
            faults.add(entries["name"][1], "name", "begin with a letter or digit, then a-z, 0-9, _ and -, at most 40")
        else:
            faults.add(_line_of(at, found.field), _shown(found.field), found.description)
    for found in violations(target):
        faults.add(entries["for"][1], f"for.{found.field}", found.description)
    if len(layer.name) > 40 and not faults.found:
        faults.add(entries["name"][1], "name", "it is longer than 40 characters; shorten it")


def _line_of(node: yaml.Node, path: str) -> int:
    """Return the line of the deepest node along a path."""
    for part in path.replace("[", ".[").split("."):
        if isinstance(node, yaml.MappingNode):
            below = {str(key.value): value for key, value in node.value}.get(part)
        elif isinstance(node, yaml.SequenceNode) and part.strip("[]").isdigit():
            below = node.value[int(part.strip("[]"))]
        else:
            below = None
        if below is None:
            break
        node = below
    return int(node.start_mark.line) + 1


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shown(path: str) -> str:
    return f"policy.{path}" if path else "policy"
