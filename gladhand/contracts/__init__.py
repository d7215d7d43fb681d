"""The contract as a thing to look at: read from its image, compared with another one, checked by rules.

Nothing here serves or calls; `gladhand.policy` and `gladhand.lifecycle` are what the runtime enforces.
"""
