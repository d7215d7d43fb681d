"""The processes: the only code that performs what phases ask for."""
