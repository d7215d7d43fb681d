"""Seeds through every fault: properties hold, the same seed is the same run, and what is broken on purpose is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from gladhand.envelope import EnvelopeType
from logistics.pod.v1 import PodState
from services.orchestrator.processes import inside, outside, proofs
from tests.simulation.outside import LedgerErp
from tests.simulation.seeded.world import simulate

SHORT = range(6)
LONG = range(6, 206)
HANDFUL = range(1, 13)


def forget_causes(patch: pytest.MonkeyPatch) -> None:
    stamped = EnvelopeType.stamp

    def careless(self: Any, decision: Any, stamp: Any, **more: Any) -> Any:
        return stamped(self, decision, replace(stamp, causation_id=""), **more)

    patch.setattr(EnvelopeType, "stamp", careless)


def leave_the_latch_open(patch: pytest.MonkeyPatch) -> None:
    async def careless(*_: Any) -> None:
        """Claim nothing."""

    patch.setattr(inside.InsideSteps, "_claim", careless)


def post_under_a_new_key_each_time(patch: pytest.MonkeyPatch) -> None:
    keys = iter(range(10_000))
    patch.setattr(outside, "posting_key", lambda _: f"GH-{next(keys)}")


def take_a_proof_at_its_word(patch: pytest.MonkeyPatch) -> None:
    """Let a proof that was only handed in, and never checked, complete its stop."""
    unchecked = SimpleNamespace(
        POD_STATE_CAPTURED=-1,
        POD_STATE_VALIDATED=PodState.POD_STATE_CAPTURED,
        POD_STATE_REJECTED=PodState.POD_STATE_REJECTED,
    )
    patch.setattr(proofs, "PodState", unchecked)


def take_more_than_was_accepted(patch: pytest.MonkeyPatch) -> None:
    posted = LedgerErp.post_invoice

    async def careless(self: Any, request: Any) -> Any:
        for line in request.invoice.lines:
            line.quantity.value = str(int(line.quantity.value) + 1)
        return await posted(self, request)

    patch.setattr(LedgerErp, "post_invoice", careless)


@pytest.mark.parametrize("seed", SHORT)
def test_every_property_holds_through_faults(seed: int) -> None:
    report = simulate(seed)
    assert not report.failure, f"make simulate SEED={seed}\n{report.failure}"
    assert report.orders == 10
    assert sum(report.faults.values()) > 10


@pytest.mark.slow
@pytest.mark.parametrize("seed", LONG)
def test_every_property_holds_through_many_faults(seed: int) -> None:
    report = simulate(seed)
    assert not report.failure, f"make simulate SEED={seed}\n{report.failure}"


def test_the_same_seed_is_the_same_run() -> None:
    once, again, other = simulate(3), simulate(3), simulate(4)
    assert (once.digest, once.steps, once.faults) == (again.digest, again.steps, again.faults)
    assert once.digest != other.digest


@pytest.mark.parametrize(
    ("broken", "property_"),
    [
        (forget_causes, "P7"),
        (leave_the_latch_open, "P2"),
        (post_under_a_new_key_each_time, "P2"),
        (take_a_proof_at_its_word, "P1"),
        (take_more_than_was_accepted, "P4"),
    ],
)
def test_what_is_broken_on_purpose_is_found(
    broken: Callable[[pytest.MonkeyPatch], None], property_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    failures = (report.failure for report in map(simulate, HANDFUL))
    assert any(f"{property_}:" in failure for failure in failures)
