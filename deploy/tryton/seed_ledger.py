"""Company, chart of accounts, fiscal years, payment term and sales tax."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from deploy.tryton.denver import COMPANY_NAME, COMPANY_POSTAL_CODE, COMPANY_STREET, CURRENCY, TIMEZONE
from services.erp_gateway.adapters.tryton_rpc import TrytonSession, WizardForm


@dataclass(frozen=True, slots=True)
class Company:
    """Ids of the company and of what its addresses need."""

    company: int
    party: int
    currency: int
    country: int
    subdivision: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """Ids of what products and customers refer to."""

    category: int
    payment_term: int


async def only(session: TrytonSession, model: str, domain: list[object]) -> int:
    """The one record that matches. Raises LookupError for none or several."""
    ids: list[int] = await session.model(model, "search", domain, 0, 2, None)
    if len(ids) != 1:
        raise LookupError(f"{len(ids)} records of {model} match {domain}")
    return ids[0]


async def module_record(session: TrytonSession, module: str, name: str) -> int:
    """Id of a record that a module ships, by its name in the module's files."""
    record: int = await session.model("ir.model.data", "get_id", f"{module}.{name}")
    return record


async def seed_company(session: TrytonSession) -> Company:
    """Country, currency and company; the admin user joins the company, and the context is read anew."""
    (country,) = await session.create("country.country", {"code": "US", "code3": "USA", "name": "United States"})
    (state,) = await session.create(
        "country.subdivision", {"country": country, "code": "US-CO", "name": "Colorado", "type": "state"}
    )
    (currency,) = await session.create(
        "currency.currency",
        {
            "code": CURRENCY,
            "numeric_code": "840",
            "name": "US Dollar",
            "symbol": "$",
            "rounding": Decimal("0.01"),
            "digits": 2,
        },
    )
    await session.create(
        "currency.currency.rate", {"currency": currency, "date": dt.date(2000, 1, 1), "rate": Decimal(1)}
    )
    address = {
        "street_unstructured": COMPANY_STREET,
        "postal_code": COMPANY_POSTAL_CODE,
        "city": "Denver",
        "country": country,
        "subdivision": state,
    }
    (party,) = await session.create("party.party", {"name": COMPANY_NAME, "addresses": [["create", [address]]]})
    (company,) = await session.create("company.company", {"party": party, "currency": currency, "timezone": TIMEZONE})
    await session.write("res.user", [session.user_id], {"companies": [["add", [company]]], "company": company})
    await session.refresh_preferences()
    return Company(company, party, currency, country, state)


async def seed_ledger(session: TrytonSession, company: Company, today: dt.date) -> Ledger:
    """Chart of accounts, fiscal years of last, this and next year, payment term, tax, product category."""
    root = await module_record(session, "account", "account_template_root_en")

    async def choose(form: WizardForm) -> None:
        await form.go("account")
        form.values["account"].update(account_template=root, company=company.company)
        await form.go("create_account")
        form.values["properties"].update(
            company=company.company,
            account_receivable=await _account(session, company, "receivable"),
            account_payable=await _account(session, company, "payable"),
            category_account_expense=await _account(session, company, "expense"),
            category_account_revenue=await _account(session, company, "revenue"),
        )
        await form.go("create_properties")

    await session.wizard("account.create_chart", choose)
    for year in (today.year - 1, today.year, today.year + 1):
        await _seed_fiscal_year(session, company.company, year)
    (term,) = await session.create(
        "account.invoice.payment_term",
        {
            "name": "Net 30 days",
            "lines": [["create", [{"type": "remainder", "relativedeltas": [["create", [{"days": 30}]]]}]]],
        },
    )
    return Ledger(await _seed_category(session, company), term)


async def _account(session: TrytonSession, company: Company, kind: str) -> int:
    domain = [(f"type.{kind}", "=", True), ("company", "=", company.company), ("closed", "!=", True)]
    ids: list[int] = await session.model("account.account", "search", domain, 0, 1, None)
    return ids[0]


async def _seed_fiscal_year(session: TrytonSession, company: int, year: int) -> None:
    move_type = await only(session, "ir.sequence.type", [("name", "=", "Account Move")])
    invoice_type = await only(session, "ir.sequence.type", [("name", "=", "Invoice")])
    (moves,) = await session.create(
        "ir.sequence.strict", {"name": f"Move {year}", "sequence_type": move_type, "company": company}
    )
    (invoices,) = await session.create(
        "ir.sequence.strict",
        {
            "name": f"Invoice {year}",
            "sequence_type": invoice_type,
            "company": company,
            "prefix": f"INV-{year}-",
            "padding": 5,
        },
    )
    kinds = ("out_invoice", "in_invoice", "out_credit_note", "in_credit_note")
    sequences = {"company": company, **{f"{kind}_sequence": invoices for kind in kinds}}
    (fiscal_year,) = await session.create(
        "account.fiscalyear",
        {
            "name": str(year),
            "start_date": dt.date(year, 1, 1),
            "end_date": dt.date(year, 12, 31),
            "company": company,
            "move_sequence": moves,
            "invoice_sequences": [["create", [sequences]]],
        },
    )
    await session.model("account.fiscalyear", "create_period", [fiscal_year])


async def _seed_category(session: TrytonSession, company: Company) -> int:
    tax_account = await only(session, "account.account", [("company", "=", company.company), ("code", "=", "6.3.6")])
    (tax,) = await session.create(
        "account.tax",
        {
            "name": "Denver sales tax",
            "description": "Denver sales tax 8.81 %",
            "type": "percentage",
            "rate": Decimal("0.0881"),
            "company": company.company,
            "invoice_account": tax_account,
            "credit_note_account": tax_account,
        },
    )
    (category,) = await session.create(
        "product.category",
        {
            "name": "Taxed goods",
            "accounting": True,
            "account_expense": await _account(session, company, "expense"),
            "account_revenue": await _account(session, company, "revenue"),
            "customer_taxes": [["add", [tax]]],
        },
    )
    return category
