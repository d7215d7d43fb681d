"""Lays orders on vehicles: the problem in plain numbers, the optimiser behind it, and loads out of its answer."""
