"""How hard an optimiser tries; apart from the engine, so that services need not load it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard the engine tries. More shipments than a limit get the next lower level of exploration."""

    thorough_up_to: int = 40
    """Shipments up to which it explores at level 5; a plan of that size takes well under a second."""

    balanced_up_to: int = 120
    """Shipments up to which it explores at level 3; above, at level 1."""

    truck_cost_s: int = 1800
    """Seconds of driving that one truck more must save, so that orders share trucks."""

    guard_s: float = 45.0
    """Seconds after which the engine stops and gives the best it has. Only then may two runs differ."""

    def level(self, shipments: int) -> int:
        """Return VROOM's exploration level for a number of shipments."""
        if shipments <= self.thorough_up_to:
            return 5
        return 3 if shipments <= self.balanced_up_to else 1
