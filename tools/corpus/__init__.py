"""The golden corpus: what a released version of the contract once accepted and stored, kept to be read for ever.

Messages are kept as JSON by the contract's field names: people review them, and a renamed or removed field shows.
Events of logs are kept as the exact bytes that the log holds, for a log holds numbers and not names, and bytes alone
keep what a reader does not know; their JSON stands beside them for people. Decision 0016 says more.
"""
