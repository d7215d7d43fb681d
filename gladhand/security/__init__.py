"""Who a process is, proven by certificate: names, certificates, a local authority, and credentials that renew."""
