"""What happens to every call before and after its servicer, put together once per method at start.

It is one wrapper per method rather than a stack of gRPC interceptors, each of which would cost a lookup and an await
per call: `chain` composes the steps, `outcome` answers and records, `tally` counts, `admission` is the seam for steps
that may refuse a call (authentication, authorisation, throttling).
"""
