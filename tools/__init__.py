"""Tools of the repository: generation, checks and releases of the contract. Nothing here is imported by a service."""
