"""Mapping: nothing a source sends breaks it, and the fused rules do what their steps do one by one."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.mapping import compile_mapping, explain
from integrations.rules import Condition, Output, rule, step
from ledgerhub.core.errors import FieldError
from tests.integrations.orders import (
    CONTEXT,
    EACH,
    HEADER,
    ORDER_OUTPUT,
    ORDER_RULES,
    REFUND,
    only,
    order,
    refund,
)

ODD_TEXTS = [
    *("10.00", "", " ", "1e999999", "NaN", "sNaN", "USD", "usd", "paid", "2026-03-02", "2026-13-99"),
    *("9999-12-31T23:59:59-14:00", "2026-03-02T23:14:05Z", "١٢", "x" * 5_000, "\x00", "0" * 400, "\ud800"),
]
ODD_NUMBERS = [10**4_000, Decimal("sNaN"), Decimal("1E+999999"), Decimal("1E-999999"), b"bytes"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**18),
    st.floats(),
    st.decimals(),
    st.text(max_size=12),
    st.sampled_from(ODD_TEXTS),
    st.sampled_from(ODD_NUMBERS),
)
KEYS = st.sampled_from(
    [
        *("id", "created_at", "currency", "financial_status", "total_price", "taxes_included", "tax_lines"),
        *("price", "customer", "first_name", "last_name", "email", "line_items", "title", "sku", "quantity"),
        *("refunds", "at", "state", "parts", "amount", "other"),
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=8),
    max_leaves=25,
)
TRIED = Output(
    "many",
    "payment",
    (
        rule("payment.external_id", "id", "trim"),
        rule("payment.date", "created_at", "epoch_date"),
        rule("payment.occurred_at", "created_at", "epoch_instant"),
        rule("payment.currency", "currency", "upper"),
        rule("payment.total", "total_price", step("minor_units", scheme="stripe"), "absolute"),
        rule("payment.settlement_currency", "state"),
        rule(
            "payment.settlement_total",
            "other",
            step("divide", by="amount"),
            step("multiply", by="price"),
            "round",
        ),
        rule("payment.gateway", "parts[].title", "first"),
        rule("payment.status", "state", step("default", value="pending")),
        rule(
            "payment.invoice",
            "title",
            step("extract", pattern="(x+)+"),
            step("replace", find="x", **{"with": "yy"}),
        ),
        rule("payment.reference", "parts", "count"),
        rule("payment.memo", "parts[].title", "lower", step("join", paths=["other", "parts[].sku"])),
        rule("payment.number", "sku", step("date_format", format="%d/%m/%Y")),
        rule(
            "customer.name",
            "state",
            step("when", condition={"path": "other", "op": "greater", "values": [3]}, then={"path": "title"}),
        ),
        rule("customer.email", "parts", step("sum", path="price"), "negate"),
    ),
    when=(Condition("other.price", "not_in", ("1", "x")),),
)
MAPPING = compile_mapping([ORDER_OUTPUT, EACH, TRIED], CONTEXT)
UNCONDITIONAL = [replace(output, when=()) for output in (ORDER_OUTPUT, TRIED)]
COMPILED = [compile_mapping([output], CONTEXT) for output in UNCONDITIONAL]


def order_like() -> st.SearchStrategy[Any]:
    """Orders with any of their values replaced by anything."""
    return st.dictionaries(KEYS, VALUES, max_size=12).map(lambda changes: order(**changes))


@settings(max_examples=100, deadline=None)
@given(st.one_of(VALUES, order_like()))
def test_no_record_raises_and_mapping_is_pure(record: Any) -> None:
    before = repr(record)
    first, second = MAPPING(record), MAPPING(record)
    assert first == second
    assert repr(record) == before
    for result in first:
        assert (result.draft is None) == bool(result.errors)


@settings(max_examples=60, deadline=None)
@given(st.one_of(VALUES, order_like()), st.sampled_from([0, 1]))
def test_the_fused_rules_do_what_the_steps_do_one_by_one(record: Any, which: int) -> None:
    """`explain` runs a rule step by step: the reference for the function made of all rules."""
    (result,) = COMPILED[which](record)
    if not isinstance(record, dict):
        return
    last = {
        each.target: explain(record, UNCONDITIONAL[which], each, CONTEXT)[-1]
        for each in UNCONDITIONAL[which].rules
    }
    for target, shown in last.items():
        section, _, name = target.partition(".")
        if section.endswith("[]"):
            continue
        found = [error.message for error in result.errors if error.target == target]
        if result.draft is not None:
            values = result.draft if section == result.kind else result.draft.get(section, {})
            assert (values.get(name), shown.error) == (shown.value, "")
        elif found or "currency" not in shown.error:
            assert found == ([shown.error] if shown.error else [])


ODD_VALUES = [
    *(*ODD_TEXTS, *ODD_NUMBERS, None, True, False, 0, 1, 2**63, 1.5, float("nan"), [], [1], {}, {"a": 1}),
    *("true", "No", "open", "0.10", "-3", "+7.00", ".5", "5.", "1.005", "12\n", "\u00a0", "1,5", "(3)"),
    *(
        dt.date(2026, 3, 2),
        dt.datetime.fromisoformat("2026-03-02T23"),
        dt.datetime(2026, 3, 3, tzinfo=dt.UTC),
    ),
]
ITEM = Output(
    "item", "item", (rule("item.external_id", "id"), rule("item.name", "id"), rule("item.price", "v"))
)


@pytest.mark.parametrize(
    "target",
    [
        *("invoice.external_id", "invoice.date", "invoice.occurred_at", "invoice.currency", "invoice.status"),
        *("invoice.total", "invoice.taxes_included", "invoice.memo", "item.price"),
    ],
)
def test_fused_casts_are_the_casts(target: str) -> None:
    tried = rule(target, "v")
    rules = tuple(each for each in ORDER_RULES if each.target != target)
    output = ITEM if target == "item.price" else Output("invoice", "invoice", (*rules, tried))
    compiled = compile_mapping([output], CONTEXT)
    for value in ODD_VALUES:
        record = order(v=value)
        (result,) = compiled(record)
        shown = explain(record, output, tried, CONTEXT)[-1]
        assert [error.message for error in result.errors] == ([shown.error] if shown.error else [])
        if result.draft is not None:
            assert repr(result.draft.get(target.partition(".")[2])) == repr(shown.value)


def test_a_number_python_cannot_write_is_an_error() -> None:
    assert [error.message for error in refund(id=10**5_000, total=10**5_000).errors] == [
        "a very large number is too large to be right",
        "a very large number is too large to be right",
    ]


def test_deep_nesting_and_huge_lists_are_only_errors() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    result = only(ORDER_OUTPUT, order(tax_lines=deep, total_price=deep, customer=deep))
    assert [(error.target, error.message) for error in result.errors] == [
        ("invoice.total", "A number is needed here, not a list"),
        ("invoice.tax", "the record should be a group of fields, but is a list; add [] to read inside it"),
        ("customer.name", "customer should be a group of fields, but is a list; add [] to read inside it"),
        ("customer.email", "customer should be a group of fields, but is a list; add [] to read inside it"),
    ]
    many = only(ORDER_OUTPUT, order(line_items=[{}] * 10_000))
    assert len(many.errors) == 100
    summed = Output("r", "refund", (*HEADER[:3], rule("refund.total", "total", "sum")))
    assert only(summed, REFUND | {"total": deep}).errors == (
        FieldError("refund.total", "total", "The list is nested too deep to sum"),
    )
