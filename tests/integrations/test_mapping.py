"""Mapping: what rules make of records, what is wrong with rules, and that no record breaks it."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from integrations.mapping import (
    InvalidMapping,
    MappingContext,
    Result,
    RuleProblem,
    StepValue,
    check_mapping,
    compile_mapping,
    explain,
)
from integrations.rules import Condition, Output, Rule, outputs_from_dict, outputs_to_dict, rule, step
from ledgerhub.core.errors import ConfigError, FieldError
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
    run,
)

INVOICE_DRAFT = {
    "kind": "invoice",
    "external_id": "9007199254740993",
    "date": dt.date(2026, 3, 2),
    "occurred_at": dt.datetime(2026, 3, 2, 23, 14, 5, tzinfo=dt.timezone(dt.timedelta(hours=-5))),
    "currency": "USD",
    "status": "paid",
    "total": 10850,
    "tax": 850,
    "taxes_included": False,
    "customer": {"name": "Ann Lee", "email": "ann@x.test"},
    "lines": [
        {
            "description": "Mug",
            "sku": "M1",
            "quantity": Decimal(2),
            "unit_price": Decimal("45.00"),
            "amount": 9000,
            "tax": 765,
        },
        {
            "description": "Cup",
            "quantity": Decimal(1),
            "unit_price": Decimal(10),
            "amount": 1000,
            "tax": 0,
        },
    ],
}
COMMA = "'1,5' is not a number; if the comma is a decimal mark set 'Decimal mark' to ','"


def problems(*rules: Rule, **changes: Any) -> list[tuple[int | None, str, str]]:
    output = replace(Output("r", "refund", HEADER + rules), **changes)
    return [problem[1:] for problem in check_mapping([output])]


def test_an_order_becomes_an_invoice() -> None:
    assert only(ORDER_OUTPUT, order()) == Result("invoice", "invoice", INVOICE_DRAFT, ())


def test_rules_survive_being_stored() -> None:
    stored = outputs_from_dict(json.loads(json.dumps(outputs_to_dict((ORDER_OUTPUT,)))))
    assert stored == (ORDER_OUTPUT,)
    assert compile_mapping(stored, CONTEXT)(order()) == run(ORDER_OUTPUT, order())


def test_the_zone_decides_the_date() -> None:
    (result,) = run(ORDER_OUTPUT, order(), MappingContext("UTC"))
    assert result.draft is not None
    assert result.draft["date"] == dt.date(2026, 3, 3)


def test_money_takes_numbers_and_text_with_and_without_a_step() -> None:
    amounts = ("10.00", "10", 10, Decimal("10.0"), 10.0, " 10.00 ", "1e1")
    plain = [refund(total=amount).draft for amount in amounts]
    rules = (*HEADER[:3], rule("refund.total", "total", "decimal"))
    stepped = [only(Output("r", "refund", rules), REFUND | {"total": amount}).draft for amount in amounts]
    assert [draft and draft["total"] for draft in plain + stepped] == [1000] * 14


def test_the_currency_decides_the_minor_units() -> None:
    drafts = [refund(total="10", cur=currency).draft for currency in ("JPY", "USD", "KWD")]
    assert [draft and draft["total"] for draft in drafts] == [10, 1000, 10000]


def test_every_error_of_a_record_is_collected() -> None:
    record = order(
        id=None,
        created_at="yesterday",
        financial_status="voided",
        total_price="12.345",
        line_items=[{"title": "Mug", "quantity": "many"}, {"quantity": 1, "price": "1,5"}],
    )
    assert only(ORDER_OUTPUT, record) == Result(
        "invoice",
        "invoice",
        None,
        (
            FieldError(
                "invoice.external_id", "id", "Id at the source is required, but the record has nothing at id"
            ),
            FieldError(
                "invoice.date",
                "created_at",
                "'yesterday' is not an instant in ISO form (2026-03-02T23:14:05-05:00)",
            ),
            FieldError(
                "invoice.occurred_at",
                "created_at",
                "'yesterday' is not an instant in ISO form (2026-03-02T23:14:05-05:00)",
            ),
            FieldError("invoice.status", "financial_status", "'voided' is not in the list of 'Map values'"),
            FieldError(
                "invoice.total",
                "total_price",
                "12.345 has more decimals than USD allows (2); "
                "add the step 'Round' if cutting them off is right",
            ),
            FieldError(
                "lines[].quantity", "line_items[].quantity", "Item 1 of line_items[]: 'many' is not a number"
            ),
            FieldError(
                "lines[].description",
                "line_items[].title",
                "Item 2 of line_items[]: Description is required, "
                "but the record has nothing at line_items[].title",
            ),
            FieldError(
                "lines[].unit_price",
                "line_items[].price",
                f"Item 2 of line_items[]: {COMMA}",
            ),
            FieldError(
                "lines[].amount",
                "line_items[].price",
                f"Item 2 of line_items[]: {COMMA}",
            ),
        ),
    )


def test_an_unknown_currency_is_one_error_not_one_an_amount() -> None:
    assert refund(cur="XXX", tax="1").errors == (
        FieldError("refund.currency", "cur", "'XXX' is not a currency code we know (such as USD)"),
    )
    assert refund(cur=None).errors == (
        FieldError("refund.currency", "cur", "Currency is required, but the record has nothing at cur"),
    )


def test_an_amount_in_an_optional_currency_needs_it() -> None:
    rules = (rule("refund.settlement_currency", "scur"), rule("refund.settlement_total", "stotal"))
    assert refund(*rules, scur="jpy", stotal="700").draft == {
        "kind": "refund",
        "external_id": "r1",
        "date": dt.date(2026, 1, 2),
        "currency": "USD",
        "total": 500,
        "settlement_currency": "JPY",
        "settlement_total": 700,
    }
    assert refund(*rules, stotal="700").errors == (
        FieldError("refund.settlement_total", "stotal", "The amount has no currency; map the currency first"),
    )


def test_what_is_required_and_missing_is_explained() -> None:
    def message(date_rule: Rule, **values: Any) -> str:
        rules = (HEADER[0], date_rule, *HEADER[2:])
        (error,) = only(Output("r", "refund", rules), REFUND | values).errors
        return error.message

    assert message(HEADER[1], date="") == "Date is required, but the record has nothing at date"
    assert message(rule("refund.date", "date", step("split", separator="T", index=5))) == (
        "Date is required, but the steps leave nothing of date"
    )
    assert message(rule("refund.date", "", step("setting", name="start"))) == (
        "Date is required, but the setting 'start' is not filled in"
    )
    assert message(rule("refund.date", "", step("join", paths=["x"]))) == (
        "Date is required, but its rule gives nothing"
    )


def test_items_read_the_record_where_the_path_is_not_of_the_list() -> None:
    result = refund(
        rule("tenders[].external_id", "parts[].id"),
        rule("tenders[].gateway", "", step("setting", name="gateway")),
        rule("tenders[].amount", "parts[].amount"),
        rule("tenders[].date", "date"),
        parts=[{"id": 1, "amount": 2}, {"id": 2, "amount": 3}],
    )
    assert result.draft is not None
    assert result.draft["tenders"] == [
        {"external_id": "1", "gateway": "stripe", "amount": 200, "date": dt.date(2026, 1, 2)},
        {"external_id": "2", "gateway": "stripe", "amount": 300, "date": dt.date(2026, 1, 2)},
    ]


@pytest.mark.parametrize("record", [{}, {"parts": None}, {"parts": []}])
def test_an_empty_list_gives_an_empty_section(record: dict[str, Any]) -> None:
    draft = refund(rule("lines[].description", "parts[].title"), **record).draft
    assert draft is not None
    assert draft["lines"] == []


def test_several_lists_append_to_one_section_in_order() -> None:
    result = refund(
        rule("lines[].description", "goods[].title"),
        rule("lines[].amount", "goods[].price"),
        rule("lines[].line_kind", "", step("constant", value="product")),
        rule("lines[].description", "shipping[].method"),
        rule("lines[].amount", "shipping[].price"),
        rule("lines[].line_kind", "", step("constant", value="shipping")),
        rule("lines[].description", "", step("constant", value="Handling")),
        rule("lines[].amount", "handling"),
        goods=[{"title": "Mug", "price": 1}, {"title": "Cup", "price": 2}],
        shipping=[{"method": "Post", "price": 3}],
        handling="0.50",
    )
    assert result.draft is not None
    assert result.draft["lines"] == [
        {"description": "Mug", "amount": 100, "line_kind": "product"},
        {"description": "Cup", "amount": 200, "line_kind": "product"},
        {"description": "Post", "amount": 300, "line_kind": "shipping"},
        {"description": "Handling", "amount": 50},
    ]


def test_lists_in_lists_are_flattened() -> None:
    result = refund(
        rule("lines[].description", "fulfillments[].line_items[].title"),
        rule("lines[].tax", "fulfillments[].line_items[].taxes[].price", "decimal", "sum"),
        rule("lines[].sku", "fulfillments[].line_items[].codes[]", "first"),
        fulfillments=[
            {"line_items": [{"title": "A", "taxes": [{"price": "1"}, {"price": "0.5"}], "codes": ["x"]}]},
            {"line_items": [{"title": "B"}, {"title": "C"}]},
            {},
        ],
    )
    assert result.draft is not None
    assert result.draft["lines"] == [
        {"description": "A", "tax": 150, "sku": "x"},
        {"description": "B", "tax": 0},
        {"description": "C", "tax": 0},
    ]


def test_a_list_inside_an_item_can_be_summed_by_its_field() -> None:
    result = refund(
        rule("lines[].description", "goods[].title"),
        rule("lines[].tax", "goods[].taxes", step("sum", path="price")),
        goods=[{"title": "A", "taxes": [{"price": "1"}, {"price": "0.5"}]}],
    )
    assert result.draft is not None
    assert result.draft["lines"] == [{"description": "A", "tax": 150}]


def test_each_opens_one_document_an_item() -> None:
    record = {
        "id": 5,
        "currency": "EUR",
        "test": False,
        "line_items": [{"title": "Mug"}],
        "refunds": [
            {"id": 1, "at": "2026-01-02", "state": "done", "parts": [{"amount": "1.5"}, {"amount": 1}]},
            {"id": 2, "at": "2026-01-02", "state": "pending"},
            {"id": 3, "state": "done", "parts": []},
            "odd",
        ],
    }
    assert run(EACH, record) == [
        Result(
            "refunds",
            "refund",
            {
                "kind": "refund",
                "currency": "EUR",
                "external_id": "1",
                "date": dt.date(2026, 1, 2),
                "total": 250,
                "invoice": "5",
                "lines": [{"description": "Mug", "external_id": "1"}],
            },
            (),
        ),
        Result(
            "refunds",
            "refund",
            None,
            (FieldError("refund.date", "at", "Date is required, but the record has nothing at at"),),
        ),
        Result(
            "refunds",
            "refund",
            None,
            (FieldError("", "refunds[]", "The record should be a group of fields, but is text"),),
        ),
    ]
    assert run(EACH, record | {"test": True, "refunds": record["refunds"][:3]}) == []  # type: ignore[index]
    assert run(EACH, {"refunds": 7})[0].errors == (
        FieldError("", "refunds[]", "refunds[] should be a list, but the record has a number there"),
    )


@pytest.mark.parametrize(
    ("op", "values", "holding"),
    [
        ("equals", ("1",), [1, "1.00", [0, 1]]),
        ("not_equals", ("1",), [None, "", "x", {"a": 1}, [], True]),
        ("in", ("x", True), ["x", True]),
        ("not_in", ("x", "1"), [None, "", {"a": 1}, [], True]),
        ("exists", (), [1, "1.00", "x", {"a": 1}, [0, 1], True]),
        ("empty", (), [None, "", []]),
        ("greater", ("0.5",), [1, "1.00", [0, 1]]),
        ("less", (5,), [1, "1.00", [0, 1]]),
    ],
)
def test_conditions(op: str, values: tuple[Any, ...], holding: list[Any]) -> None:
    output = Output("r", "refund", HEADER, when=(Condition("x", op, values),))
    candidates = [1, "1.00", None, "", "x", {"a": 1}, [], [0, 1], True]
    found = [value for value in candidates if run(output, REFUND | {"x": value})]
    assert repr(found) == repr(holding)  # 1 == True, but not here


def test_problems_of_targets() -> None:
    assert problems(
        rule("refund.totl", "x"),
        rule("lines.description", "x"),
        rule("customer[].email", "x"),
        rule("supplier.name", "x"),
        rule("refund.total", "x"),
        rule("refund.memo"),
    ) == [
        (4, "refund.totl", "'refund.totl' is not a field of Refund; did you mean refund.total?"),
        (5, "lines.description", "Lines is a list: write lines[].description"),
        (6, "customer[].email", "Customer is one group of fields, not a list: write customer.email"),
        (7, "supplier.name", "'supplier.name' is not a field of Refund; did you mean customer.name?"),
        (8, "refund.total", "refund.total already has a rule"),
        (9, "refund.memo", "Pick a source, or begin with the step Constant, Setting, Default, Join or If"),
    ]


def test_problems_of_sources() -> None:
    assert problems(
        rule("refund.memo", "notes[].text"),
        rule("refund.number", "^name"),
        rule("refund.reference", "a..b"),
        rule("lines[].description", "goods[].title"),
        rule("lines[].sku", "goods[].codes[].value"),
        rule("lines[].tax", "shipping[].tax"),
    ) == [
        (
            4,
            "refund.memo",
            "notes[].text is a list; add Sum, Count, First, Last or Join to make it one value",
        ),
        (5, "refund.number", "^ reads the parent record, but this output opens no list"),
        (6, "refund.reference", "'a..b' has an empty step; write keys with single dots between them"),
        (
            None,
            "lines[].description",
            "Description is required for the items of goods[].codes[], but has no rule",
        ),
        (None, "lines[].description", "Description is required for the items of shipping[], but has no rule"),
    ]


def test_problems_of_outputs() -> None:
    assert problems(kind="parcel") == [(None, "", "'parcel' is not a kind of document")]
    assert problems(each="refunds") == [(None, "", "'refunds' must be the path of a list, ending in []")]
    assert problems(when=(Condition("x", "in"),)) == [
        (None, "", "The operator 'is one of' needs at least one value")
    ]
    assert problems(rules=HEADER[:3]) == [(None, "refund.total", "Amount is required, but has no rule")]
    twice = Output("r", "refund", HEADER)
    assert check_mapping([twice, twice]) == [RuleProblem("r", None, "", "Two outputs have the key 'r'")]


def test_all_problems_of_one_rule_are_named() -> None:
    assert problems(rule("refund.memo", "x", step("split", sep=","), "shout")) == [
        (4, "refund.memo", "'Split' has no parameter 'sep'"),
        (4, "refund.memo", "'Split' needs 'Separator'"),
        (4, "refund.memo", "'shout' is not a step we know"),
    ]


def test_compiling_refuses_with_every_problem() -> None:
    with pytest.raises(InvalidMapping) as caught:
        compile_mapping([Output("r", "refund", (*HEADER[:3], rule("refund.memo", "x", "shout")))], CONTEXT)
    assert caught.value.problems == [
        RuleProblem("r", 3, "refund.memo", "'shout' is not a step we know"),
        RuleProblem("r", None, "refund.total", "Amount is required, but has no rule"),
    ]
    with pytest.raises(ConfigError, match="'Mars/Olympus' is not a time zone we know"):
        compile_mapping([], MappingContext("Mars/Olympus"))


def test_explaining_a_rule_step_by_step() -> None:
    total, tax = ORDER_RULES[5], ORDER_RULES[15]
    assert explain(order(), ORDER_OUTPUT, total, CONTEXT) == [
        StepValue("source", "108.50"),
        StepValue("target", 10850),
    ]
    assert explain(order(), ORDER_OUTPUT, tax, CONTEXT) == [
        StepValue("source", ["7.65"]),
        StepValue("sum", Decimal("7.65")),
        StepValue("target", 765),
    ]
    assert explain(order(), ORDER_OUTPUT, tax, CONTEXT, item=1)[-1] == StepValue("target", 0)
    assert explain(order(created_at="soon"), ORDER_OUTPUT, ORDER_RULES[1], CONTEXT) == [
        StepValue("source", "soon"),
        StepValue("iso_date", None, "'soon' is not an instant in ISO form (2026-03-02T23:14:05-05:00)"),
    ]
    assert explain({}, ORDER_OUTPUT, total, CONTEXT) == [
        StepValue("source", None),
        StepValue("target", None, "Total is required, but the record has nothing at total_price"),
    ]
    assert explain({}, ORDER_OUTPUT, rule("invoice.memo", "a", "shout"), CONTEXT) == [
        StepValue("rule", None, "'shout' is not a step we know")
    ]
    assert explain({"refunds": [{"id": 1}, {"id": 2}]}, EACH, EACH.rules[0], CONTEXT, item=1) == [
        StepValue("source", 2),
        StepValue("target", "2"),
    ]
    assert explain({"refunds": []}, EACH, EACH.rules[0], CONTEXT) == [StepValue("source", None)]
