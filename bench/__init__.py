"""Measurements as ratios: ours against the bare thing underneath, in one run, alternating."""
