from __future__ import annotations

import pytest

from tests.adapters.erp.afterwards import AfterwardsContract
from tests.adapters.erp.contract import ErpContract
from tests.adapters.erp.tryton_harness import TrytonHarness

pytestmark = pytest.mark.tryton


class TestTryton(ErpContract, AfterwardsContract):
    @pytest.fixture
    def harness(self, tryton_harness: TrytonHarness) -> TrytonHarness:
        return tryton_harness
