"""Watches the temperatures of goods that must be kept cold while they are on board (domain reference 2.12, 3.6)."""
