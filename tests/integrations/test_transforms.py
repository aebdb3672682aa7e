"""Transforms: each on its own, through a rule, with its error in words."""

from __future__ import annotations

import datetime as dt
import time
from decimal import Decimal
from typing import Any

import pytest

from integrations.mapping import MappingContext, StepValue, check_mapping, explain
from integrations.rules import Output, Rule, Step, rule, step
from integrations.transforms import TRANSFORMS

NEW_YORK = "America/New_York"
CLOSED_LIST = (
    "as_is iso_date epoch_date iso_instant epoch_instant date_format decimal minor_units map_values constant "
    "default setting join split extract replace upper lower trim sum count first last multiply divide add "
    "subtract negate absolute round when lookup_contact lookup_item lookup_account default_currency "
    "lookup_account_there"
)


class Books:
    """Lookups of a small set of books."""

    def contact(self, by: str, value: str) -> str | None:
        return {("email", "ann@x.test"): "7"}.get((by, value))

    def account_there(self, at: str) -> str:
        return at.removeprefix("account:")

    def item(self, by: str, value: str) -> str | None:
        return {("sku", "M1"): "item-1"}.get((by, value))

    def account(self, by: str, value: str) -> str | None:
        return {("role", "sales"): "4000", ("code", "4000"): "4000"}.get((by, value))


CONTEXT = MappingContext(NEW_YORK, "USD", {"gateway": "stripe"}, Books())
BASE = (rule("invoice.external_id", "id"), rule("invoice.currency", "cur", step("default", value="USD")))


def last_step(value: Any, *via: Step | str, record: dict[str, Any] | None = None) -> StepValue:
    """What the last transform of `via` makes of `value` (at path `v`)."""
    tried = rule("invoice.memo", "v", *via)
    output = Output("o", "invoice", (*BASE, tried))
    values: list[StepValue] = explain({"v": value} | (record or {}), output, tried, CONTEXT)
    shown: StepValue = next(each for each in reversed(values) if each.step != "target" or each.error)
    return shown


def result(value: Any, *via: Step | str, record: dict[str, Any] | None = None) -> Any:
    shown = last_step(value, *via, record=record)
    assert shown.error == "" or shown.step == "target"
    return shown.value


def error(value: Any, *via: Step | str, record: dict[str, Any] | None = None) -> str:
    return last_step(value, *via, record=record).error


def problems(target: str, source: str, *via: Step | str) -> list[str]:
    tried: Rule = rule(target, source, *via)
    index = len(BASE)
    found = check_mapping([Output("o", "invoice", (*BASE, tried))])
    return [problem.message for problem in found if problem.rule == index]


def test_the_list_is_closed_and_described() -> None:
    assert sorted(TRANSFORMS) == sorted(CLOSED_LIST.split())
    for transform in TRANSFORMS.values():
        assert transform.label
        assert transform.help.endswith(".")
        assert all(param.label for param in transform.params)
        assert all(param.choices for param in transform.params if param.type == "choice")


@pytest.mark.parametrize(
    ("value", "date"),
    [
        ("2026-03-02T23:14:05-05:00", dt.date(2026, 3, 2)),
        ("2026-03-03T04:14:05Z", dt.date(2026, 3, 2)),
        ("2026-03-02T23:14:05", dt.date(2026, 3, 2)),
        ("2026-03-02 23:14:05.123456", dt.date(2026, 3, 2)),
        ("2026-03-02", dt.date(2026, 3, 2)),
        ("20260302", dt.date(2026, 3, 2)),
        ("  ", None),
        (None, None),
    ],
)
def test_iso_date_is_the_business_date_in_the_zone(value: Any, date: dt.date | None) -> None:
    assert result(value, "iso_date") == date


def test_dates_from_seconds() -> None:
    assert result(1_772_511_245, "epoch_date") == dt.date(2026, 3, 2)
    assert result("1772511245", "epoch_instant") == dt.datetime(2026, 3, 3, 4, 14, 5, tzinfo=dt.UTC)
    assert error(1_772_511_245_000, "epoch_date") == (
        "1772511245000 is no number of seconds since 1970; if it is in milliseconds, add the step "
        "'Divide' by 1000 before"
    )


def test_iso_instant_keeps_the_instant() -> None:
    assert result("2026-03-02T23:14:05-05:00", "iso_instant").isoformat() == "2026-03-02T23:14:05-05:00"
    assert result("2026-03-02T23:14:05", "iso_instant").isoformat() == "2026-03-02T23:14:05-05:00"
    assert error("2026-03-02", "iso_instant") == (
        "'2026-03-02' is not an instant in ISO form (2026-03-02T23:14:05-05:00)"
    )


def test_dates_in_error() -> None:
    assert error("02/03/2026", "iso_date") == (
        "'02/03/2026' is not an instant in ISO form (2026-03-02T23:14:05-05:00)"
    )
    assert error("2026-02-30", "iso_date") == "'2026-02-30' is not a date in ISO form (2026-03-02)"
    assert error(12, "iso_date") == "12 is not a date in ISO form (2026-03-02)"
    assert error("0001-01-01T00:00:00+14:00", "iso_date") == (
        "0001-01-01T00:00:00+14:00 is too far from today to be right"
    )


def test_date_by_format() -> None:
    assert result("31/12/2026", step("date_format", format="%d/%m/%Y")) == dt.date(2026, 12, 31)
    assert result(20261231, step("date_format", format="%Y%m%d")) == dt.date(2026, 12, 31)
    aware = result("2026-12-31 23:30 +0000", step("date_format", format="%Y-%m-%d %H:%M %z"))
    assert aware == dt.datetime(2026, 12, 31, 23, 30, tzinfo=dt.UTC)
    assert error("12/31/2026", step("date_format", format="%d/%m/%Y")) == (
        "'12/31/2026' is not a date of the form 02/03/2026 (%d/%m/%Y)"
    )
    assert problems("invoice.date", "v", step("date_format", format="%H:%M")) == [
        "'%H:%M' gives no full date; it needs at least a year and a day (%Y-%m-%d)"
    ]
    assert problems("invoice.date", "v", step("date_format", format="%Y-%Q")) == [
        "'%Y-%Q' is not a date format; use %Y %m %d %b %B %H %M %S and the like"
    ]
    assert problems("invoice.date", "v", step("date_format")) == ["'Date by format' needs 'Format'"]


@pytest.mark.parametrize(
    ("value", "params", "number"),
    [
        ("10.00", {}, "10.00"),
        (10, {}, "10"),
        (Decimal("10.10"), {}, "10.10"),
        (0.1, {}, "0.1"),
        (" -3.5 ", {}, "-3.5"),
        ("\u221212.00", {}, "-12.00"),
        ("(12.00)", {}, "-12.00"),
        ("12.00-", {}, "-12.00"),
        ("12,50", {"decimal_mark": ","}, "12.50"),
        ("1.234.567,50", {"decimal_mark": ",", "thousands_mark": "."}, "1234567.50"),
        ("1,234.50", {"thousands_mark": ","}, "1234.50"),
        ("12,34,567.00", {"thousands_mark": ","}, "1234567.00"),
        ("1\xa0234,50", {"decimal_mark": ",", "thousands_mark": " "}, "1234.50"),
        ("234.50", {"thousands_mark": ","}, "234.50"),
    ],
)
def test_decimal(value: Any, params: dict[str, str], number: str) -> None:
    found = result(value, step("decimal", **params))
    assert (type(found), str(found)) == (Decimal, number)


@pytest.mark.parametrize(
    ("value", "params", "message"),
    [
        (
            "12,50",
            {},
            "'12,50' is not a number; if the comma is a decimal mark set 'Decimal mark' to ','",
        ),
        (
            "1,234.50",
            {},
            "'1,234.50' is not a number; if it groups thousands set 'Thousands mark' in the step "
            "'Number from text'",
        ),
        ("12,50", {"thousands_mark": ","}, "'12,50' is not a number with ',' as thousands mark"),
        ("12.50", {"decimal_mark": ","}, "'12.50' is not a number with ',' as decimal mark"),
        ("abc", {}, "'abc' is not a number"),
        ("1_000", {}, "'1_000' is not a number"),
        ("NaN", {}, "'NaN' is not a number"),
        ("1e99", {}, "1E+99 is too large to be right"),
        ("9" * 70, {}, f"'{'9' * 40}…' is not a number"),
        (10**30, {}, f"1{'0' * 30} is too large to be right"),
        (float("inf"), {}, "Infinity is not a number"),
        (True, {}, "A number is needed here, not yes"),
        ({"a": 1}, {}, "A number is needed here, not a group of fields"),
        ("0." + "1" * 40, {}, f"0.{'1' * 38}… has too many decimals; add the step 'Round'"),
    ],
)
def test_decimal_says_what_is_wrong(value: Any, params: dict[str, str], message: str) -> None:
    assert error(value, step("decimal", **params)) == message


def test_equal_marks_are_refused() -> None:
    via = step("decimal", decimal_mark=",", thousands_mark=",")
    assert problems("invoice.total", "v", via) == ["'Decimal mark' and 'Thousands mark' must differ"]


@pytest.mark.parametrize(
    ("amount", "currency", "scheme", "number"),
    [
        (1050, "usd", "iso", "10.50"),
        ("1050", "JPY", "iso", "1050"),
        (1050, "KWD", "stripe", "1.050"),
        (500, "ISK", "stripe", "5.00"),
        (500, "MGA", "stripe", "500"),
        (500, "UGX", "stripe", "5.00"),
        (-99, "EUR", "stripe", "-0.99"),
    ],
)
def test_minor_units(amount: Any, currency: str, scheme: str, number: str) -> None:
    via = step("minor_units", currency="c", scheme=scheme)
    assert str(result(amount, via, record={"c": currency})) == number


def test_minor_units_of_the_document() -> None:
    assert result(1050, "minor_units", record={"cur": "JPY"}) == Decimal(1050)
    assert error("10.5", "minor_units") == "'10.5' is not a whole number"
    assert error(5, step("minor_units", currency="c")) == (
        "The amount needs its currency, but the record has nothing at c"
    )
    assert error(5, step("minor_units", currency="c"), record={"c": "XXX"}) == (
        "'XXX' is not a currency code we know (such as USD)"
    )


def test_map_values() -> None:
    values = {"paid": "paid", "pending": "draft", "": "open", "3": "void"}
    assert result("pending", step("map_values", values=values)) == "draft"
    assert result(None, step("map_values", values=values)) == "open"
    assert result(3, step("map_values", values=values)) == "void"
    assert result("new", step("map_values", values=values, otherwise="keep")) == "new"
    assert result("new", step("map_values", values=values, otherwise={"value": "open"})) == "open"
    assert error("new", step("map_values", values=values)) == "'new' is not in the list of 'Map values'"
    assert error(None, step("map_values", values={"a": "b"})) == (
        "An empty value is not in the list of 'Map values'"
    )
    assert problems("invoice.memo", "v", step("map_values", values={}, otherwise="guess")) == [
        "'Values' of 'Map values': needs at least one pair of values",
        '\'Any other value\' of \'Map values\': must be "error", "keep" or {"value": ...}',
    ]


def test_values_from_nowhere() -> None:
    assert result("x", step("constant", value="always")) == "always"
    assert result(None, step("default", value="none")) == "none"
    assert result(" ", step("default", value="none")) == "none"
    assert result("x", step("default", value="none")) == "x"
    assert result(None, step("setting", name="gateway")) == "stripe"
    assert result(None, step("setting", name="currency")) == "USD"
    assert result(None, step("setting", name="unset")) is None


def test_text_steps() -> None:
    assert result("  Ann ", "trim", "upper") == "ANN"
    assert result("Ann@X.Test", "lower") == "ann@x.test"
    assert result(12, "upper") == "12"
    assert result("a-b-c", step("split", separator="-", index=1)) == "b"
    assert result("a-b-c", step("split", separator="-", index=-1)) == "c"
    assert result("a-b-c", step("split", separator="-", index=3)) is None
    assert result("INV 12/7", step("replace", find="/", **{"with": "-"})) == "INV 12-7"
    assert result("aaa", step("replace", find="a")) is None
    assert error({"a": 1}, "upper") == (
        "One value is needed here, not a group of fields; pick a field inside it"
    )
    assert problems("invoice.memo", "v", step("split", separator="")) == ["'Split' needs 'Separator'"]


def test_join_leaves_out_what_is_empty() -> None:
    via = step("join", paths=["b", "c", "list[]"], separator=" ")
    record = {"b": None, "c": "Lee", "list": ["x", "", "y"]}
    assert result("Ann", via, record=record) == "Ann Lee x y"
    assert result(None, via, record={}) is None
    assert result(["a", "b"], step("join", separator="")) == "ab"


def test_extract() -> None:
    assert result("Re INV-1042 thanks", step("extract", pattern=r"INV-(\d+)")) == "1042"
    assert result("Re INV-1042 thanks", step("extract", pattern=r"INV-(\d+)", group=0)) == "INV-1042"
    assert result("nothing", step("extract", pattern=r"INV-(\d+)")) is None
    assert problems("invoice.memo", "v", step("extract", pattern="(a")) == [
        "'(a' is not a pattern we can use: missing ): (a"
    ]
    assert problems("invoice.memo", "v", step("extract", pattern="(a)", group=2)) == [
        "the pattern has 1 groups in parentheses, so not group 2"
    ]


def test_a_pattern_that_would_backtrack_takes_linear_time() -> None:
    start = time.perf_counter()
    assert result("a" * 50_000 + "!", step("extract", pattern=r"^(a+)+$")) is None
    assert time.perf_counter() - start < 1


def test_lists() -> None:
    prices = [{"price": "1.10"}, {"price": None}, {"price": "0.20"}]
    assert result(prices, step("sum", path="price")) == Decimal("1.30")
    assert result([1, "2.5", None], "sum") == Decimal("3.5")
    assert result([], "sum") == 0
    assert result(None, "sum") is None
    assert result([1, 2], "count") == 2
    assert result(None, "count") == 0
    assert result(["a", "b"], "first") == "a"
    assert result(["a", "b"], "last") == "b"
    assert result([], "first") is None
    assert error("x", "sum") == "A list is needed here, not 'x'"
    assert error([1, "x"], "sum") == "'x' is not a number"


def test_reckoning() -> None:
    record = {"q": "3", "empty": None}
    assert result("1.10", step("multiply", by=2)) == Decimal("2.20")
    assert result("1.10", step("multiply", by="q"), record=record) == Decimal("3.30")
    assert result("1.10", step("multiply", by={"path": "q"}), record=record) == Decimal("3.30")
    assert result("150", step("divide", by="100")) == Decimal("1.5")
    assert result("1", step("add", path="q"), record=record) == 4
    assert result("1", step("add", path="empty"), record=record) == 1
    assert result("1", step("subtract", value="0.5")) == Decimal("0.5")
    assert result("1.50", "negate") == Decimal("-1.50")
    assert result("-1.50", "absolute") == Decimal("1.50")
    assert error("1", step("multiply", by="empty"), record=record) == "The record has no number at empty"
    assert error("1", step("divide", by="zero"), record={"zero": 0}) == (
        "1 and 0 give a number that is out of bounds; nothing can be divided by 0"
    )
    assert problems("invoice.total", "v", step("divide", by=0)) == ["Nothing can be divided by 0"]
    assert problems("invoice.total", "v", "add") == ["needs either a path or a number"]
    assert problems("invoice.total", "v", step("multiply", by="a[].b")) == [
        "a[].b is a list; pick a single value"
    ]


@pytest.mark.parametrize(
    ("value", "decimals", "mode", "rounded"),
    [
        ("2.345", 2, "half_up", "2.35"),
        ("2.345", 2, "half_even", "2.34"),
        ("-2.345", 2, "half_up", "-2.35"),
        ("2.349", 2, "down", "2.34"),
        ("2.341", 2, "up", "2.35"),
        ("2.5", 0, "half_up", "3"),
    ],
)
def test_round(value: str, decimals: int, mode: str, rounded: str) -> None:
    assert str(result(value, step("round", decimals=decimals, mode=mode))) == rounded


def test_a_third_can_be_rounded() -> None:
    assert result("10", step("divide", by=3), "round") == Decimal("3.33")


def test_when() -> None:
    via = step(
        "when",
        condition={"path": "kind", "op": "in", "values": ["refund", "chargeback"]},
        then={"path": "other"},
        otherwise="plain",
    )
    assert result("x", via, record={"kind": "refund", "other": "y"}) == "y"
    assert result("x", via, record={"kind": "sale", "other": "y"}) == "plain"
    own = step("when", condition={"path": "", "op": "greater", "values": ["9"]}, then="many", otherwise="few")
    assert result(10, own) == "many"
    assert result(None, own) == "few"
    assert problems("invoice.memo", "", step("when", condition={"path": "a", "op": "like"})) == [
        "'like' is not an operator; use one of equals, not_equals, in, not_in, exists, empty, greater, less"
    ]


def test_lookups() -> None:
    assert result("ann@x.test", step("lookup_contact", by="email")) == "7"
    assert result("M1", "lookup_item") == "item-1"
    assert result(4000, "lookup_account") == "4000"
    assert error("bob@x.test", step("lookup_contact", by="email")) == (
        "The books have no contact with the e-mail 'bob@x.test'"
    )
    assert problems("invoice.memo", "v", step("lookup_account", by="colour")) == [
        "'Find by' of 'Look up account': must be one of 'code', 'name', 'role'"
    ]


def test_unknown_steps_and_parameters() -> None:
    assert problems("invoice.memo", "v", "shout") == ["'shout' is not a step we know"]
    assert problems("invoice.memo", "v", step("trim", hard=True)) == ["'Trim' has no parameter 'hard'"]
