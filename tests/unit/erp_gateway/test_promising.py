from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.erp_gateway.promising import Demand, left_after

DEMANDS = st.lists(
    st.builds(Demand, st.integers(1, 6), st.sampled_from("AB"), st.integers(1, 5).map(Decimal)), max_size=12
)


def test_who_cannot_be_served_whole_takes_nothing() -> None:
    demands = [Demand(1, "A", Decimal(3)), Demand(2, "A", Decimal(2)), Demand(2, "B", Decimal(1))]
    stock = {"A": Decimal(2), "B": Decimal(0)}
    assert left_after(stock, demands) == stock
    assert left_after({"A": Decimal(2), "B": Decimal(1)}, demands) == {"A": 0, "B": 0}


def test_only_earlier_sales_come_first() -> None:
    demands = [Demand(1, "A", Decimal(2)), Demand(5, "A", Decimal(2))]
    assert left_after({"A": Decimal(3)}, demands, before_sale=5) == {"A": 1}


@given(DEMANDS, st.integers(0, 10), st.integers(0, 10))
def test_stock_is_never_promised_twice(demands: list[Demand], a: int, b: int) -> None:
    left = left_after({"A": Decimal(a), "B": Decimal(b)}, demands)
    assert 0 <= left["A"] <= a
    assert 0 <= left["B"] <= b
