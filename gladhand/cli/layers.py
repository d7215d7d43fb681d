"""What `gladhand policy` asks and shows."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import typer

from gladhand.cli.ask import Orchestrator
from gladhand.cli.failure import Exit, Failure
from gladhand.cli.home import clone_root
from gladhand.cli.output import as_dict, print_json, screen, table
from gladhand.cli.words import enum_word, moment
from gladhand.client import call
from gladhand.errors import GladhandError, InvalidArgument, NotFound, Unavailable
from logistics.orchestrator.v1 import orchestrator_service_pb2 as api
from logistics.process.v1 import PolicyLayer, PolicyLayerKind

_LARGEST = 65_536


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose effective policy is wanted: an order's, or that of an order that would come now."""

    order: str = ""
    region: str = ""
    erp: str = ""
    customer: str = ""
    cost_center: str = ""

    def told(self) -> bool:
        """Whether anything is said."""
        return bool(self.order or self.region or self.customer or self.cost_center)


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison as it was typed, and the file's text where it names a file."""

    text: str
    document: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one file."""

    file: str
    ok: bool
    words: str
    explored: tuple[str, ...] = ()
    faults: tuple[str, ...] = field(default_factory=tuple)


async def listed(client: Orchestrator, name: str) -> list[PolicyLayer]:
    """Layers in force, the lowest first; every version of one, the newest first, where it is named."""
    try:
        return list((await call(client.stub.ListPolicies(api.ListPoliciesRequest(name=name)))).policies)
    except NotFound as error:
        raise _unknown(name) from error


async def one(client: Orchestrator, label: str) -> PolicyLayer:
    """The version of a layer that `name@version` means, the one in force where no version is named."""
    name, _, version = label.partition("@")
    if version and not (version.isdigit() and int(version) > 0):
        raise typer.BadParameter(f"{label!r} is no layer; write name or name@version, for example us@2")
    try:
        return (await call(client.stub.GetPolicy(api.GetPolicyRequest(name=name, version=int(version or 0))))).policy
    except NotFound as error:
        raise _unknown(label) from error


async def effective(client: Orchestrator, whose: Whose) -> api.GetEffectivePolicyResponse:
    """What all layers together demand."""
    order_id = (await client.order(whose.order)).order_id if whose.order else ""
    request = api.GetEffectivePolicyRequest(
        order_id=order_id,
        region=whose.region,
        erp_instance=whose.erp,
        customer_code=whose.customer,
        cost_center=whose.cost_center,
    )
    return await call(client.stub.GetEffectivePolicy(request))


async def checked(client: Orchestrator, files: Sequence[Path]) -> list[Verdict]:
    """Check each file against what is in force."""
    return [await _sent(client, file, "checked only", check_only=True) for file in files]


async def applied(client: Orchestrator, files: Sequence[Path], reason: str, expect: int | None) -> list[Verdict]:
    """Put files in force, one after the other; the first that is refused ends it."""
    verdicts: list[Verdict] = []
    for file in files:
        verdicts.append(await _sent(client, file, reason, expect=expect))
        if not verdicts[-1].ok:
            break
    verdicts += [Verdict(str(file), ok=False, words="not tried") for file in files[len(verdicts) :]]
    return verdicts


def checked_offline(files: Sequence[Path]) -> list[Verdict]:
    """Check files together on top of the built-in default, with the code of this clone and no mesh."""
    command = [sys.executable, "-m", "services.orchestrator.policies", *(str(file.resolve()) for file in files)]
    done = subprocess.run(command, cwd=clone_root(), capture_output=True, text=True, check=False)
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if len(told) != len(files):
        raise Failure(f"the check broke: {done.stderr.strip()[-500:]}", "run: make setup")
    return [
        Verdict(
            str(file),
            ok=each["ok"],
            words=f"{each['name']} is fine" if each["ok"] else "refused",
            explored=tuple(each.get("explored", ())),
            faults=tuple(each.get("faults", ())),
        )
        for file, each in zip(files, told, strict=True)
    ]


async def _sent(
    client: Orchestrator, file: Path, reason: str, *, check_only: bool = False, expect: int | None = None
) -> Verdict:
    request = api.ApplyPolicyRequest(
        request_id=str(uuid.uuid4()),
        document=_document(file),
        reason=reason,
        expected_version=expect,
        check_only=check_only,
    )
    try:
        answer = await call(client.stub.ApplyPolicy(request))
    except Unavailable:
        raise
    except InvalidArgument as error:
        faults = tuple(found.description for found in error.violations) or (error.message,)
        return Verdict(str(file), ok=False, words="refused", faults=tuple(_in(file, fault) for fault in faults))
    except GladhandError as error:
        return Verdict(str(file), ok=False, words="refused", faults=(error.message,))
    label = f"{answer.policy.name}@{answer.policy.version}"
    if check_only:
        words = f"fine; it is in force as {label}" if answer.policy.in_force else f"fine; it would be {label}"
    else:
        words = f"{label} is in force" if answer.created else f"{label} is in force already; nothing changed"
    return Verdict(str(file), ok=True, words=words, explored=tuple(answer.explored))


def _document(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} cannot be read: {error}", "save it as UTF-8 text") from error
    if not text.strip() or len(text.encode()) > _LARGEST:
        raise Failure(f"{file} is no policy: it is empty or has more than 64 KiB", "begin with name:, for: and policy:")
    return text


def _in(file: Path, fault: str) -> str:
    """A fault as the service tells it, with the name of the file that it does not know."""
    return f"{file}{fault.removeprefix('policy')}" if fault.startswith("policy:") else fault


def side_of(text: str) -> Side:
    """Return what was typed as one side of a comparison: a file where there is one of that name."""
    file = Path(text)
    return Side(text, _document(file)) if file.is_file() else Side(text)


async def differences(
    client: Orchestrator, first: Side, second: Side | None
) -> tuple[str, str, list[tuple[str, str, str]]]:
    """Return how the two sides are called, and each path whose value differs, with both values.

    With one side, it is compared with what is in force of the same layer.
    """
    after = await _layer(client, second or first)
    before = await (_layer(client, first) if second else _in_force(client, after.name))
    told_before = {each.path: each.value for each in before.settings}
    told_after = {each.path: each.value for each in after.settings}
    found = [
        (path, told_before.get(path, ""), told_after.get(path, ""))
        for path in sorted(told_before.keys() | told_after.keys())
        if told_before.get(path) != told_after.get(path)
    ]
    return _called(first if second else None, before), _called(second or first, after), found


async def _in_force(client: Orchestrator, name: str) -> PolicyLayer:
    try:
        return await one(client, name)
    except Failure:
        return PolicyLayer(name=name)


async def _layer(client: Orchestrator, side: Side) -> PolicyLayer:
    if not side.document:
        return await one(client, side.text)
    request = api.ApplyPolicyRequest(
        request_id=str(uuid.uuid4()), document=side.document, reason="compared only", check_only=True
    )
    return (await call(client.stub.ApplyPolicy(request))).policy


def _called(side: Side | None, layer: PolicyLayer) -> str:
    if side is not None and side.document:
        return side.text
    return f"{layer.name}@{layer.version}" if layer.version else f"{layer.name} (not in force)"


def show_layers(found: Sequence[PolicyLayer], as_json: bool) -> None:
    """A table of layers, or one JSON document."""
    if as_json:
        print_json({"policies": [as_dict(each) for each in found]})
        return
    rows = [
        (
            f"{each.name}@{each.version}",
            _target(each),
            "yes" if each.in_force else "",
            "yes" if each.values.applies_to_running else "",
            len(each.sets),
            moment(each.apply_time) if each.HasField("apply_time") else "built in",
            each.applied_by.id,
            each.reason,
        )
        for each in found
    ]
    columns = ("layer", "for", "in force", "running too", "#values", "since", "by", "why")
    screen().print(table(columns, rows))


def show_layer(found: PolicyLayer, as_json: bool) -> None:
    """One layer as it was written, or its values where it is built in."""
    if as_json:
        print_json(as_dict(found))
        return
    show_layers([found], as_json=False)
    console = screen()
    if found.document:
        console.print(found.document.rstrip("\n"), markup=False, highlight=False)
        return
    for each in found.settings:
        console.print(f"{each.path}: {each.value}", markup=False, highlight=False)


def show_effective(found: api.GetEffectivePolicyResponse, as_json: bool) -> None:
    """What all layers together demand, and which layer says what."""
    if as_json:
        print_json(as_dict(found))
        return
    console = screen()
    console.print(f"policy {found.label}", markup=False, highlight=False)
    if found.recorded_label:
        console.print(
            f"the order came under {found.recorded_label}; a newer version that is for running orders took over",
            markup=False,
            highlight=False,
        )
    rows = [(each.path, each.value, each.layer) for each in found.origins]
    console.print(table(("value", "is", "because of"), rows))
    console.print("What is not listed is as the contract's default says.", highlight=False)


def show_verdicts(found: Sequence[Verdict], as_json: bool) -> None:
    """What became of each file. Leaves with 1 where one was refused."""
    if as_json:
        told = [
            {"file": each.file, "ok": each.ok, "outcome": each.words, "explored": each.explored, "faults": each.faults}
            for each in found
        ]
        print_json({"files": told})
    else:
        console = screen()
        for each in found:
            played = f" ({len(each.explored)} policies played through)" if each.explored else ""
            console.print(f"{each.file}: {each.words}{played}", markup=False, highlight=False)
            for fault in each.faults:
                console.print(f"  {fault}", markup=False, highlight=False)
    if not all(each.ok for each in found):
        raise typer.Exit(Exit.FAILED)


def show_differences(before: str, after: str, found: Sequence[tuple[str, str, str]], as_json: bool) -> None:
    """Which values differ."""
    if as_json:
        changes = [{"path": path, "before": old, "after": new} for path, old, new in found]
        print_json({"before": before, "after": after, "changes": changes})
        return
    console = screen()
    if not found:
        console.print(f"{before} and {after} set the same values", markup=False, highlight=False)
        return
    rows = [(path, old or "(not set)", new or "(not set)") for path, old, new in found]
    console.print(table(("value", before, after), rows))


def _target(layer: PolicyLayer) -> str:
    target = layer.target
    kind = enum_word(PolicyLayerKind, target.kind, "POLICY_LAYER_KIND_")
    if kind == "REGION":
        return f"region {target.region}"
    if kind == "BUSINESS_UNIT":
        return f"cost centre {target.cost_center} of {target.erp_instance}"
    if kind == "CUSTOMER":
        return f"customer {target.customer_code} of {target.erp_instance}"
    return "every order"


def _unknown(label: str) -> Failure:
    return Failure(f"no policy {label}", "list what there is: gladhand policy list", Exit.NOT_FOUND)
