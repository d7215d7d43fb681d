"""How much repetition a system is worth while it fails (pure)."""

from __future__ import annotations

__all__ = ["Budget"]


class Budget:
    """Tokens, as gRPC's retry throttling counts them: a repetition costs one, a success earns a part of one back."""

    def __init__(self, tokens: float, ratio: float) -> None:
        """Begin full, with `tokens`; a success earns `ratio`."""
        self._most = self._tokens = tokens
        self._ratio = ratio

    def spend(self) -> bool:
        """Take a token for one repetition; whether there was one to take, above half of the budget."""
        if self._tokens <= self._most / 2:
            return False
        self._tokens -= 1
        return True

    def earn(self) -> None:
        """A call succeeded."""
        self._tokens = min(self._most, self._tokens + self._ratio)
