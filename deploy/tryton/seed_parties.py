"""Customers and carriers with their addresses, and the two restricted ERP users."""

from __future__ import annotations

from deploy.tryton.credentials import Credentials
from deploy.tryton.denver import CARRIERS, CUSTOMERS, HAMPDEN
from deploy.tryton.seed_goods import create_address
from deploy.tryton.seed_ledger import Company, Ledger, module_record, only
from services.erp_gateway.adapters.tryton_rpc import TrytonSession


async def seed_customers(session: TrytonSession, company: Company, ledger: Ledger) -> None:
    """Each customer with one billing address and its delivery addresses; the first delivery address is the default."""
    for customer in CUSTOMERS:
        billing = {
            "street_unstructured": customer.billing_street,
            "postal_code": customer.billing_postal_code,
            "city": "Denver",
            "country": company.country,
            "subdivision": company.subdivision,
            "invoice": True,
        }
        values: dict[str, object] = {
            "name": customer.name,
            "code": customer.code,
            "customer_payment_term": ledger.payment_term,
            "addresses": [["create", [billing]]],
        }
        if customer.credit_limit is not None:
            values["credit_limit_amount"] = customer.credit_limit
        (party,) = await session.create("party.party", values)
        for number, place in enumerate(customer.deliveries):
            await create_address(session, company, party, place, delivery=number == 0)


async def seed_carriers(session: TrytonSession, company: Company) -> None:
    """Each carrier under its SCAC, with an address for its invoices."""
    for scac, name in CARRIERS.items():
        address = {"city": "Denver", "country": company.country, "subdivision": company.subdivision, "invoice": True}
        await session.create("party.party", {"name": name, "code": scac, "addresses": [["create", [address]]]})


async def seed_users(
    session: TrytonSession, company: Company, warehouses: dict[str, int], passwords: Credentials
) -> None:
    """``order_clerk`` sells and arranges shipments; ``gateway`` also posts invoices. Neither administers anything."""
    groups = {name: await module_record(session, name, f"group_{name}") for name in ("sale", "stock", "account")}
    groups["recovery"] = await _recovery_group(session)
    users = (
        ("order_clerk", "Order desk", passwords.order_clerk, ("sale", "stock")),
        ("gateway", "Integration gateway", passwords.gateway, ("sale", "stock", "account", "recovery")),
    )
    for login, name, password, memberships in users:
        await session.create(
            "res.user",
            {
                "name": name,
                "login": login,
                "password": password,
                "companies": [["add", [company.company]]],
                "company": company.company,
                "groups": [["add", [groups[group] for group in memberships]]],
                "warehouse": warehouses[HAMPDEN.code],
            },
        )


async def _recovery_group(session: TrytonSession) -> int:
    """A group with one right more: to process a sale that a crash left in "confirmed" (ERP reference A.6).

    Otherwise that button asks for administration of sales, which the gateway must not have.
    """
    (group,) = await session.create("res.group", {"name": "Order recovery"})
    button = await only(session, "ir.model.button", [("model", "=", "sale.sale"), ("name", "=", "process")])
    await session.write("ir.model.button", [button], {"groups": [["add", [group]]]})
    return group
