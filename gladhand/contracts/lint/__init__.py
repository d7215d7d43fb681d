"""What a contract must say to be held by the runtime: one module for each part of a contract, all of them pure."""
