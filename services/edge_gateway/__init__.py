"""What pushes at the mesh: trackers and phones. Keeps what came raw, then normalises, filters, matches and detects."""
