"""What a load tells of its offers to carriers."""

from __future__ import annotations

from logistics.load.v1 import Load, PlanLoad, TenderOffer, TenderState
from tests.unit.orchestrator.deciders.freight import ORDER, truck
from tests.unit.orchestrator.deciders.load_story import after, shown


def test_a_plan_cannot_bring_its_own_agreed_offers() -> None:
    forged = Load()
    forged.CopyFrom(truck())
    forged.tenders.append(
        TenderOffer(tender_id=ORDER, carrier_scac="SWFT", tender_revision=1, state=TenderState.TENDER_STATE_ACCEPTED)
    )

    planned = shown(after(PlanLoad(load=forged)))

    assert list(planned.tenders) == []
