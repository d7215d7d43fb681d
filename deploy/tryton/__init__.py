"""A real Tryton ERP on SQLite, in its own environment, with the demo's master data.

``python -m deploy.tryton build --home DIR`` prepares it, ``python -m deploy.tryton serve --home DIR --port N`` runs it.
Tryton is GPL software: it is installed beside the product, run as a separate process and spoken to over its network
API only; nothing here imports it.
"""
