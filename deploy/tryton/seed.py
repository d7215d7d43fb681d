"""Fill a freshly initialised Tryton with the demo's master data, over its network API only.

Order of steps and wizard protocol: ERP reference A.2. Runs once per template, on a database nobody else uses.
"""

from __future__ import annotations

import datetime as dt
import ssl

from deploy.tryton.credentials import Credentials
from deploy.tryton.seed_goods import seed_products, seed_stock, seed_warehouses
from deploy.tryton.seed_ledger import seed_company, seed_ledger
from deploy.tryton.seed_parties import seed_carriers, seed_customers, seed_users
from services.erp_gateway.adapters.tryton_rpc import TrytonLogin, TrytonSession


async def seed(url: str, database: str, passwords: Credentials, today: dt.date, trust: ssl.SSLContext | None) -> None:
    """Seed ``database`` at ``url``, which shows a certificate that ``trust`` vouches for.

    Raises a ``TrytonError`` as soon as the server refuses something.
    """
    async with TrytonSession(TrytonLogin(url, database, "admin", passwords.admin, trust=trust)) as session:
        company = await seed_company(session)
        ledger = await seed_ledger(session, company, today)
        warehouses = await seed_warehouses(session, company)
        products = await seed_products(session, ledger)
        await seed_stock(session, company, warehouses, products, today)
        await seed_customers(session, company, ledger)
        await seed_carriers(session, company)
        await seed_users(session, company, warehouses, passwords)
