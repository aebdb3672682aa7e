"""Orders, rules and short runs the mapping tests share."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from integrations.mapping import MappingContext, Result, compile_mapping
from integrations.rules import Condition, Output, Rule, rule, step

CONTEXT = MappingContext("America/New_York", "USD", {"gateway": "stripe"})
ORDER_RULES = (
    rule("invoice.external_id", "id"),
    rule("invoice.date", "created_at", "iso_date"),
    rule("invoice.occurred_at", "created_at", "iso_instant"),
    rule("invoice.currency", "currency"),
    rule(
        "invoice.status", "financial_status", step("map_values", values={"paid": "paid", "pending": "draft"})
    ),
    rule("invoice.total", "total_price"),
    rule("invoice.tax", "tax_lines[].price", "sum"),
    rule("invoice.taxes_included", "taxes_included"),
    rule("customer.name", "customer.first_name", step("join", paths=["customer.last_name"])),
    rule("customer.email", "customer.email"),
    rule("lines[].description", "line_items[].title"),
    rule("lines[].sku", "line_items[].sku"),
    rule("lines[].quantity", "line_items[].quantity"),
    rule("lines[].unit_price", "line_items[].price", "decimal"),
    rule("lines[].amount", "line_items[].price", step("multiply", by="line_items[].quantity")),
    rule("lines[].tax", "line_items[].tax_lines[].price", "sum"),
)
ORDER_OUTPUT = Output("invoice", "invoice", ORDER_RULES)
ORDER_JSON = """{
  "id": 9007199254740993, "created_at": "2026-03-02T23:14:05-05:00", "currency": "usd",
  "financial_status": "paid", "total_price": "108.50", "taxes_included": false,
  "tax_lines": [{"price": "8.00"}, {"price": 0.50}],
  "customer": {"first_name": "Ann", "last_name": "Lee", "email": "ann@x.test"},
  "line_items": [
    {"title": "Mug", "sku": "M1", "quantity": 2, "price": "45.00", "tax_lines": [{"price": "7.65"}]},
    {"title": "Cup", "sku": "", "quantity": 1, "price": 10, "tax_lines": []}
  ]
}"""
HEADER = (
    rule("refund.external_id", "id"),
    rule("refund.date", "date"),
    rule("refund.currency", "cur"),
    rule("refund.total", "total"),
)
REFUND: dict[str, Any] = {"id": "r1", "date": "2026-01-02", "cur": "USD", "total": "5"}


EACH = Output(
    "refunds",
    "refund",
    (
        rule("refund.external_id", "id"),
        rule("refund.date", "at", "iso_date"),
        rule("refund.currency", "^currency"),
        rule("refund.total", "parts[].amount", "sum"),
        rule("refund.invoice", "^id"),
        rule("lines[].description", "^line_items[].title"),
        rule("lines[].external_id", "id"),
    ),
    each="refunds[]",
    when=(Condition("state", "equals", ("done",)), Condition("^test", "not_equals", (True,))),
)


def order(**changes: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(ORDER_JSON, parse_float=Decimal)
    return loaded | changes


def run(output: Output, record: Any, context: MappingContext = CONTEXT) -> list[Result]:
    return compile_mapping([output], context)(record)


def only(output: Output, record: Any) -> Result:
    (result,) = run(output, record)
    return result


def refund(*rules: Rule, **values: Any) -> Result:
    return only(Output("r", "refund", HEADER + rules), REFUND | values)
