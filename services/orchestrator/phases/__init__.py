"""What each process needs next, as pure functions of state."""
