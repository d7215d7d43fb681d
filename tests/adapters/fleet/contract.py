"""What every fleet adapter must keep. A test module inherits from `FleetAdapterContract` and gives its fixtures.

`fleet` is the adapter, with `samples.VEHICLES` and `samples.DRIVERS` registered and a clock that stands at
`samples.START`; `registering` is what describes the fleet to it.
"""

from __future__ import annotations

from tests.adapters.fleet.contract_booking import Booking
from tests.adapters.fleet.contract_changing import Changing


class FleetAdapterContract(Booking, Changing):
    """The whole suite."""
