"""What changed between two contracts: one module for each part of a contract, all of them pure."""
