"""The runtime that every Gladhand service stands on: event store, bus, server, client and test kit.

It knows no logistics beyond the event envelope and the annotations that the contract carries.
"""
