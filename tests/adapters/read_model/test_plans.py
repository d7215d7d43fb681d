"""Every question is answered by an index: what is stored grows, what is asked for does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite

from services.orchestrator.read_model import ReadModel, queries, schema
from services.orchestrator.read_model.paging import Key

AFTER = Key(1, "a")

QUESTIONS: dict[str, Any] = {
    "orders": queries.listing(schema.orders, [], None, 50),
    "orders behind": queries.listing(schema.orders, [], AFTER, 50),
    "orders by state": queries.listing(schema.orders, queries.order_filters([6], "", ""), AFTER, 50),
    "orders by region": queries.listing(schema.orders, queries.order_filters([6], "us", ""), AFTER, 50),
    "orders by reference": queries.listing(schema.orders, queries.order_filters([], "", "SO-1"), AFTER, 50),
    "loads by order": queries.listing(schema.loads, queries.load_filters([], "o", ""), AFTER, 50),
    "loads by vehicle": queries.listing(schema.loads, queries.load_filters([], "", "v"), AFTER, 50),
    "invoices by order": queries.listing(schema.invoices, queries.of_order(schema.invoices, [], "o"), AFTER, 50),
    "exceptions by state": queries.listing(schema.exceptions, queries.of_order(schema.exceptions, [1], ""), None, 50),
    "active holds": queries.listing(schema.holds, queries.hold_filters("", active_only=True), None, 50),
    "load of a stop": queries.load_of_stop("s"),
    "released orders": queries.released_orders("us", 10),
    "waiting regions": queries.waiting_regions(),
    "open orders": queries.open_orders(1, 10),
    "open loads": queries.open_loads(1, 10),
    "an order's names": queries.find_order("SO-1"),
    **{f"{kind} of a journey": statement for kind, statement in queries.related("o")},
    **{f"orders of a {kind}": queries.orders_of(kind, "x") for kind in schema.TABLES},
}


async def plan(path: Path, question: str) -> list[str]:
    compiled = QUESTIONS[question].compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    async with ReadModel.opened(f"sqlite:///{path / 'plans.sqlite'}") as model, model.database.reading() as connection:
        steps: Any = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")
        return [step[3] for step in steps]


@pytest.mark.parametrize("question", QUESTIONS)
async def test_no_table_is_read_whole(tmp_path: Path, question: str) -> None:
    steps = await plan(tmp_path, question)
    tables = {table.name for table in schema.metadata.sorted_tables}
    whole = [step for step in steps if step.startswith("SCAN") and step.split()[1] in tables]
    # Without a filter the list walks its index, newest first, and ends with the page.
    expected = ["SCAN orders USING INDEX orders_by_creation"] if question == "orders" else []
    assert whole == expected


async def test_open_orders_begin_with_the_few_unfinished_processes(tmp_path: Path) -> None:
    steps = await plan(tmp_path, "open orders")
    assert any("fulfilments USING INDEX fulfilments_by_end" in step for step in steps)


@pytest.mark.parametrize(("kind", "index"), [("exception", "exceptions_by_load"), ("hold", "holds_by_load")])
async def test_what_concerns_a_load_is_found_by_the_load(tmp_path: Path, kind: str, index: str) -> None:
    assert any(index in step for step in await plan(tmp_path, f"{kind} of a journey"))
