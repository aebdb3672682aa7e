"""The tags and components every page is made of: what they write, exactly."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django import forms
from django.contrib.staticfiles import finders
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import RequestFactory

from ledgerhub.core.templatetags import charts, formats
from ledgerhub.core.templatetags.payloads import render_json
from ledgerhub.core.templatetags.states import STATES, TONES, State, describe_state

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "ledgerhub" / "static" / "ledgerhub"
BERLIN = SimpleNamespace(
    name="Muster",
    pk=1,
    timezone="Europe/Berlin",
    date_format="DD.MM.YYYY",
    locale="de_DE",
    base_currency="EUR",
)
NIGHT = datetime(2026, 3, 2, 23, 14, 5, tzinfo=UTC)


def render(source: str, **context: Any) -> str:
    return Template("{% load ledgerhub %}" + source).render(Context(context)).strip()


def get(path: str) -> HttpRequest:
    return RequestFactory().get(path)


@pytest.mark.parametrize(
    ("minor", "currency", "locale", "shown"),
    [
        (-123450, "USD", "en_US", "\N{MINUS SIGN}1,234.50"),
        (123450, "EUR", "de_DE", "1.234,50"),
        (1234567, "JPY", "en_US", "1,234,567"),
        (1250500, "KWD", "en_US", "1,250.500"),
        (1234567890, "INR", "en_IN", "1,23,45,678.90"),
        (5, "USD", "en_US", "0.05"),
        (0, "CLF", "en_US", "0.0000"),
        (12345678901234567890, "USD", "en_US", "123,456,789,012,345,678.90"),
        (100, "USD", "xx_YY", "1.00"),
    ],
)
def test_money_has_the_currencys_decimals(minor: int, currency: str, locale: str, shown: str) -> None:
    assert formats.format_money(minor, currency, locale=locale) == shown


def test_amount_shows_the_code_only_where_it_is_not_the_base_currency() -> None:
    assert (
        render("{% amount 1050 'EUR' %}", organization=BERLIN) == '<span class="amount positive">10,50</span>'
    )
    assert render("{% amount -1050 'USD' %}", organization=BERLIN) == (
        '<span class="amount negative">\N{MINUS SIGN}10,50\N{NO-BREAK SPACE}'
        '<abbr class="currency">USD</abbr></span>'
    )
    assert render("{% amount 0 'EUR' code=True %}", organization=BERLIN) == (
        '<span class="amount zero">0,00\N{NO-BREAK SPACE}<abbr class="currency">EUR</abbr></span>'
    )
    assert render("{% amount 5 'USD' signed=True %}") == '<span class="amount positive">+0.05</span>'
    assert (
        render("{% amount None 'USD' %}")
        == '<span class="nothing" title="nothing recorded">\N{EN DASH}</span>'
    )


def test_the_money_filter_writes_digits_alone() -> None:
    assert render("{{ minor|money:'USD' }}", minor=-123450) == "\N{MINUS SIGN}1,234.50"
    assert render("{{ minor|money:'USD' }}", minor=None) == ""


def test_an_instant_is_shown_in_the_organizations_zone_with_the_exact_one_on_hover() -> None:
    assert render("{% moment at %}", at=NIGHT, organization=BERLIN) == (
        '<time datetime="2026-03-02T23:14:05+00:00" title="2026-03-03 00:14:05 +01:00 (Europe/Berlin)">'
        "03.03.2026 00:14</time>"
    )
    west = NIGHT.astimezone(timezone(timedelta(hours=-5)))
    assert render("{% day at %}", at=west) == (
        '<time datetime="2026-03-02T23:14:05+00:00" title="2026-03-02 23:14:05 +00:00 (UTC)">'
        "2026-03-02</time>"
    )


@pytest.mark.parametrize(
    ("date_format", "shown"),
    [
        ("YYYY-MM-DD", "2026-03-09"),
        ("DD.MM.YYYY", "09.03.2026"),
        ("DD/MM/YYYY", "09/03/2026"),
        ("MM/DD/YYYY", "03/09/2026"),
        ("nonsense", "2026-03-09"),
    ],
)
def test_a_business_date_is_never_moved_by_a_zone(date_format: str, shown: str) -> None:
    organization = SimpleNamespace(timezone="Pacific/Auckland", date_format=date_format)
    assert render("{% day on %}", on=date(2026, 3, 9), organization=organization) == (
        f'<time datetime="2026-03-09">{shown}</time>'
    )


def test_distance_from_now_in_words() -> None:
    assert formats.format_distance(NIGHT - timedelta(minutes=12), now=NIGHT) == "12 minutes ago"
    assert formats.format_distance(NIGHT + timedelta(hours=2), now=NIGHT) == "in 2 hours"
    assert formats.format_distance(NIGHT + timedelta(days=3), now=NIGHT, locale="de_DE") == "in 3 Tagen"


def test_states_have_a_known_tone_and_an_icon_of_the_sprite() -> None:
    assert {state.tone for state in STATES.values()} == set(TONES)
    assert {state.icon for state in STATES.values()} - sprite() == set()
    assert describe_state("Quarantined") == State("warning", "alert", "In quarantine")
    assert describe_state("in transit") == State("info", "clock", "In transit")
    assert describe_state("held_by_bank") == State("neutral", "circle", "Held by bank")


def test_a_pill_says_its_word_before_its_icon() -> None:
    assert render("{% pill 'failed' '3 failed' %}") == (
        '<span class="pill danger">3 failed<svg class="icon" aria-hidden="true">'
        '<use href="/static/ledgerhub/icons.svg#x-circle"></use></svg></span>'
    )


def test_query_keeps_filters_and_returns_to_the_first_page() -> None:
    request = get("/orders?state=open&page=4&tag=a&tag=b")
    assert (
        render("{% query sort='date' %}", request=request) == "?state=open&amp;tag=a&amp;tag=b&amp;sort=date"
    )
    assert render("{% query state=None tag=None %}", request=request) == "?"
    assert render("{% page_query 5 %}", request=request) == "?state=open&amp;page=5&amp;tag=a&amp;tag=b"
    assert render("{% query q='<b>' %}") == "?q=%3Cb%3E"


def test_a_sorted_column_turns_round() -> None:
    head = render("{% sort_header 'date' 'Date' %}", request=get("/?sort=date&q=x"))
    assert re.findall(r'href="([^"#]*)"|aria-sort="(\w+)"', head) == [
        ("", "ascending"),
        ("?sort=-date&amp;q=x", ""),
    ]
    head = render("{% sort_header 'date' 'Date' %}", request=get("/?sort=-date"))
    assert re.findall(r'href="([^"#]*)"|aria-sort="(\w+)"', head) == [("", "descending"), ("?sort=date", "")]


def test_pagination_counts_and_links() -> None:
    page = Paginator(range(1214), 25).page(3)
    shown = render("{% pagination page 'orders' %}", page=page, request=get("/?q=x&page=3"))
    assert "51–75 of 1,214 orders" in shown
    assert re.findall(r'<a href="([^"]+)"', shown)[0] == "?q=x&amp;page=2"
    assert "No orders" in render("{% pagination page 'orders' %}", page=Paginator([], 25).page(1))


def test_a_row_checkbox_carries_what_the_running_sum_needs() -> None:
    assert render("{% row_check 7 name -1250500 'KWD' %}", name='Invoice "7"') == (
        '<input type="checkbox" name="selected" value="7" aria-label="Invoice &quot;7&quot;" data-check'
        ' data-amount="-1250500" data-currency="KWD" data-exponent="3">'
    )


class OneField(forms.Form):
    shop = forms.CharField(help_text="Without spaces.")


def test_a_field_ties_its_errors_and_help_to_its_input() -> None:
    shown = render("{% field form.shop suffix='.shop' %}", form=OneField({"shop": ""}))
    assert re.findall(r'aria-(?:invalid|describedby)="([^"]+)"', shown) == [
        "true",
        "id_shop_helptext id_shop_error",
    ]
    assert sorted(re.findall(r'<(?:p|ul)[^>]* id="([^"]+)"', shown)) == ["id_shop_error", "id_shop_helptext"]
    assert '<label for="id_shop">Shop</label>' in shown


def test_json_is_escaped_and_nothing_is_lost() -> None:
    value = {"a": '</code><script>"', "b": [1, 1.5, None, True, [], {}], "ü": Decimal("1.10")}
    shown = str(render_json(value))
    assert "<script" not in shown
    text = re.sub(r"<[^>]+>", "", shown)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&#x27;", "'"), ("&amp;", "&")):
        text = text.replace(entity, character)
    assert json.loads(text) == {"a": '</code><script>"', "b": [1, 1.5, None, True, [], {}], "ü": "1.10"}


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([], [1, 0]),
        ([0, 0], [1, 0]),
        ([3], [3, 2, 1, 0]),
        ([260, 98], [300, 200, 100, 0]),
        ([-50, 150], [150, 100, 50, 0, -50]),
        ([Decimal("23145.08")], [30000, 20000, 10000, 0]),
        ([None, 9], [10, 5, 0]),
    ],
)
def test_chart_ticks_are_round_and_hold_every_value(values: list[Any], ticks: list[int]) -> None:
    assert [int(tick) for tick in charts.scale_of(values).ticks] == ticks


def test_stacked_bars_stand_on_one_another() -> None:
    series = charts.as_series("Records", [("Posted", [3, 0]), ("Failed", [1, 4], "danger")])
    assert charts.bars(["Mon", "Tue"], series, charts.stacked_scale(series)) == [
        charts.Bar(75, 100, 350, 300, "accent", "Mon", "Posted", 3),
        charts.Bar(75, 0, 350, 100, "danger", "Mon", "Failed", 1),
        charts.Bar(575, 0, 350, 400, "danger", "Tue", "Failed", 4),
    ]


def test_a_line_breaks_at_a_gap() -> None:
    one = charts.Series("Cash", [0, 4, None, 2, 4], "accent")
    assert charts.line(one, charts.scale_of(one.values)).points == ("0,400 250,0", "750,200 1000,0")


def test_axis_marks_stand_under_their_values() -> None:
    assert charts.axis(["a", "b", "c"], slots=False) == [
        charts.Mark("0.00%", "start", "a"),
        charts.Mark("50.00%", "middle", "b"),
        charts.Mark("100.00%", "end", "c"),
    ]
    assert [mark.text for mark in charts.axis([str(i) for i in range(14)], slots=True)] == [
        "0", "2", "4", "6", "8", "10", "13",
    ]  # fmt: skip
    assert charts.axis([], slots=True) == []


def test_a_chart_has_its_figures_in_a_table() -> None:
    shown = render("{% line_chart 'Cash' days values 'USD' %}", days=["Mon", "Tue"], values=[123450, -5])
    assert re.findall(r'<td class="num">([^<]+)</td>', shown) == ["1,234.50", "\N{MINUS SIGN}0.05"]
    shown = render("{% bar_chart 'Fees' days values 'USD' %}", days=["Mon"], values=[123450])
    assert re.findall(r"<title>([^<]+)</title>", shown) == ["Mon: 1,234.50 Fees"]
    assert "<svg" in render("{% bar_chart 'Empty' days values %}", days=[], values=[])


def test_every_component_renders_without_context() -> None:
    for path in sorted((ROOT / "templates" / "components").glob("*.html")):
        if path.name not in {"field.html", "field_notes.html", "pagination.html", "sparkline.html"}:
            render_to_string(f"components/{path.name}", request=None)


@pytest.mark.parametrize(
    "name", ["base.html", "auth_base.html", "400.html", "403.html", "404.html", "500.html"]
)
def test_frames_render_without_context_and_with_nothing_inline(name: str) -> None:
    assert inline_code(render_to_string(name)) == []


def test_the_style_page_has_nothing_inline_and_no_icon_missing() -> None:
    page = render_to_string("components/styleguide.html", request=get("/styleguide/"))
    assert inline_code(page) == []
    assert set(re.findall(r"icons\.svg#([\w-]+)", page)) - sprite() == set()
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert sorted(ids) == sorted(set(ids))


def test_the_frame_shows_navigation_counts_and_where_one_is() -> None:
    child = SimpleNamespace(label="Journal", url="/journal/", icon="", count=0, active=True, children=[])
    books = SimpleNamespace(
        label="Books", url="/accounts/", icon="book", count=0, active=True, children=[child]
    )
    errors = SimpleNamespace(label="Errors", url="/errors/", icon="alert", count=3, active=False, children=[])
    page = render_to_string("base.html", {"nav": [errors, books], "organization": BERLIN})
    assert re.findall(r'href="([^"]+)" aria-current="page"', page) == ["/journal/"]
    assert re.findall(r'nav-count danger">(\d+)<', page) == ["3"]
    assert "<title>LedgerHub · Muster</title>" in page


def test_every_icon_named_in_a_template_is_in_the_sprite() -> None:
    named = set()
    for path in (ROOT / "templates").rglob("*.html"):
        named |= set(re.findall(r"""{% icon "([\w-]+)\"""", path.read_text()))
    assert named - sprite() == set()


def test_every_stylesheet_is_imported_exists_and_is_short() -> None:
    css = STATIC / "css"
    imported = re.findall(r'@import url\("([^"]+)"\)', (css / "app.css").read_text())
    there = {str(path.relative_to(css)) for path in css.rglob("*.css")} - {"app.css"}
    assert sorted(imported) == sorted(there)
    assert [path.name for path in css.rglob("*.css") if len(path.read_text().splitlines()) > 100] == []
    assert finders.find("ledgerhub/css/app.css") is not None


def sprite() -> set[str]:
    root = ET.fromstring((STATIC / "icons.svg").read_text())
    return {str(symbol.get("id")) for symbol in root}


def inline_code(page: str) -> list[str]:
    """What a strict content security policy would refuse."""
    return re.findall(r"<style|<script(?![^>]* src=)|\sstyle=|\son\w+=|javascript:", page)
