"""Showing: the tags and filters every page loads with {% load ledgerhub %}."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from typing import Any

from django import template
from django.core.paginator import Page
from django.forms import BoundField
from django.http import QueryDict
from django.template import Context
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from ledgerhub.core.money import exponent, from_minor
from ledgerhub.core.templatetags import charts, formats
from ledgerhub.core.templatetags.payloads import render_json
from ledgerhub.core.templatetags.states import State, describe_state

register = template.Library()

NOTHING = SafeString('<span class="nothing" title="nothing recorded">\N{EN DASH}</span>')
_PAGE = "page"
_CHECKBOXES = {"checkbox", "nullboolean"}


def _setting(context: Context, name: str, default: str) -> str:
    """An attribute of the page's organization, or the default where there is none."""
    return getattr(context.get("organization"), name, "") or default


def _locale(context: Context) -> str:
    return _setting(context, "locale", formats.DEFAULT_LOCALE)


# Money


@register.filter
def money(minor: int | None, currency: str) -> str:
    """`{{ minor|money:"USD" }}`: digits alone, in the active language's form; empty for None."""
    return "" if minor is None else formats.format_money(minor, currency, locale=get_language() or "en_US")


@register.simple_tag(takes_context=True)
def amount(
    context: Context, minor: int | None, currency: str, code: bool | None = None, signed: bool = False
) -> SafeString:
    """Minor units as a span; `code` None shows the currency only where it is not the base one.

    `signed` puts a plus before money in, for columns where direction is the point.
    """
    if minor is None:
        return NOTHING
    text = formats.format_money(minor, currency, locale=_locale(context))
    tone = "negative" if minor < 0 else "positive" if minor else "zero"
    shown = currency != _setting(context, "base_currency", currency) if code is None else code
    suffix = format_html('{}<abbr class="currency">{}</abbr>', formats.NO_BREAK, currency) if shown else ""
    plus = "+" if signed and minor > 0 else ""
    return format_html('<span class="amount {}">{}{}{}</span>', tone, plus, text, suffix)


@register.simple_tag(takes_context=True)
def number(context: Context, value: Decimal | int | None, decimals: int = 0) -> str:
    """A count or quantity with the organization's grouping."""
    if value is None:
        return NOTHING
    return formats.format_number(value, decimals=decimals, locale=_locale(context))


@register.simple_tag(takes_context=True)
def percent(context: Context, share: float | None) -> str:
    """A probability as `98.7%`; cut, not rounded, and never 100%: that is for people to say."""
    if share is None:
        return NOTHING
    tenths = Decimal(min(999, math.floor(share * 1000 + 1e-9))) / 10
    decimals = 0 if tenths == tenths.to_integral_value() else 1
    return f"{formats.format_number(tenths, decimals=decimals, locale=_locale(context))}%"


@register.simple_tag(takes_context=True)
def row_check(
    context: Context,
    value: object,
    label: str,
    minor: int | None = None,
    currency: str = "",
    name: str = "selected",
    form: str = "",
) -> SafeString:
    """The checkbox of a row; with an amount it takes part in the page's running sum.

    `form` is the id of the form it belongs to, where it does not stand inside it.
    """
    data = (
        format_html(
            ' data-amount="{}" data-currency="{}" data-exponent="{}"', minor, currency, exponent(currency)
        )
        if minor is not None
        else ""
    )
    owner = format_html(' form="{}"', form) if form else ""
    return format_html(
        '<input type="checkbox" name="{}" value="{}" aria-label="{}" data-check{}{}>',
        name, value, label, data, owner,
    )  # fmt: skip


# Dates


@register.simple_tag(takes_context=True)
def day(context: Context, value: date | datetime | None) -> SafeString:
    """A business date in the organization's format; an aware instant is put in its zone first."""
    if value is None:
        return NOTHING
    written = _setting(context, "date_format", formats.DEFAULT_DATE_FORMAT)
    if isinstance(value, datetime):
        return _time(
            context, value, formats.format_day(value.astimezone(_zone(context)), date_format=written)
        )
    return format_html(
        '<time datetime="{}">{}</time>', value.isoformat(), formats.format_day(value, date_format=written)
    )


@register.simple_tag(takes_context=True)
def moment(context: Context, value: datetime | None, seconds: bool = False) -> SafeString:
    """An instant in the organization's zone and format, the exact one on hover."""
    if value is None:
        return NOTHING
    written = _setting(context, "date_format", formats.DEFAULT_DATE_FORMAT)
    text = formats.format_moment(value, zone=_zone(context), date_format=written, seconds=seconds)
    return _time(context, value, text)


@register.simple_tag(takes_context=True)
def ago(context: Context, value: datetime | None) -> SafeString:
    """How far from now: "12 minutes ago", "in 2 hours"; the exact instant on hover."""
    if value is None:
        return NOTHING
    text = formats.format_distance(value, now=timezone.now(), locale=_locale(context))
    return _time(context, value, text)


def _zone(context: Context) -> tzinfo:
    return formats.parse_zone(_setting(context, "timezone", ""))


def _time(context: Context, value: datetime, text: str) -> SafeString:
    exact = formats.exact_instant(value, _zone(context))
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', value.astimezone(UTC).isoformat(), exact, text
    )


# Icons and states


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """A symbol of icons.svg in the text's colour; without `label` it is decoration."""
    source = f"{static('ledgerhub/icons.svg')}#{name}"
    if label:
        return format_html(
            '<svg class="icon" role="img" aria-label="{}"><use href="{}"></use></svg>', label, source
        )
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}"></use></svg>', source)


@register.inclusion_tag("components/pill.html")
def pill(state: str, label: str = "", tone: str = "", title: str = "") -> dict[str, object]:
    """A state as word, icon and colour; `label` replaces the word ("3 failed")."""
    known = describe_state(state)
    return {"state": State(tone or known.tone, known.icon, label or known.word), "title": title}


@register.simple_tag
def state_mark(state: str) -> SafeString:
    """The round mark of a state in a timeline; its word is read out, not shown."""
    known = describe_state(state)
    return format_html('<span class="timeline-mark {}">{}</span>', known.tone, icon(known.icon, known.word))


# Addresses and tables


def _parameters(context: Context) -> QueryDict:
    request = context.get("request")
    return request.GET.copy() if request is not None else QueryDict(mutable=True)


@register.simple_tag(takes_context=True)
def query(context: Context, **changes: object) -> str:
    """The page's own query string with changes: None removes, a list repeats.

    Whatever else changes, the reader is taken back to the first page.
    """
    return _changed(_parameters(context), changes)


def _changed(parameters: QueryDict, changes: Mapping[str, object]) -> str:
    parameters.pop(_PAGE, None)
    for name, value in changes.items():
        if value is None or value == "":
            parameters.pop(name, None)
        elif isinstance(value, (list, tuple)):
            parameters.setlist(name, [str(item) for item in value])
        else:
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}"


@register.inclusion_tag("components/sort_link.html", takes_context=True)
def sort_link(context: Context, field: str, label: str, parameter: str = "sort") -> dict[str, object]:
    """A column's sort link: the first click rises, the second falls."""
    parameters = _parameters(context)
    current = parameters.get(parameter, "")
    target = f"-{field}" if current == field else field
    return {
        "label": label,
        "url": _changed(parameters, {parameter: target}),
        "direction": {field: "ascending", f"-{field}": "descending"}.get(current, ""),
    }


@register.inclusion_tag("components/sort_header.html", takes_context=True)
def sort_header(
    context: Context, field: str, label: str, numeric: bool = False, parameter: str = "sort"
) -> dict[str, object]:
    """The whole <th> with aria-sort around a sort link."""
    return {**sort_link(context, field, label, parameter), "numeric": numeric}


@register.simple_tag(takes_context=True)
def page_query(context: Context, page: int) -> str:
    """The page's own query string on another of its pages."""
    parameters = _parameters(context)
    parameters[_PAGE] = str(page)
    return f"?{parameters.urlencode()}"


@register.inclusion_tag("components/pagination.html", takes_context=True)
def pagination(context: Context, page: Page[Any], noun: str = "rows") -> dict[str, object]:
    """Where one is in a list, and the way on; the URL keeps every filter."""
    return {
        "page": page,
        "pages": list(page.paginator.get_elided_page_range(page.number, on_each_side=2, on_ends=1)),
        "noun": noun,
        "request": context.get("request"),
        "organization": context.get("organization"),
    }


# Forms


@register.inclusion_tag("components/field.html")
def field(bound: BoundField, suffix: str = "", help: str | None = None, label: str = "") -> dict[str, object]:
    """One form field: label, input, its errors and help beside it; `help` "" leaves the help out."""
    kind = bound.widget_type
    return {
        "field": bound,
        "label": label or bound.label,
        "help": bound.help_text if help is None else help.strip(),
        "suffix": suffix,
        "kind": "check" if kind in _CHECKBOXES else "group" if bound.field.widget.use_fieldset else "input",
    }


@register.inclusion_tag("components/json_view.html")
def json_view(value: object, label: str = "Payload", open: bool = True) -> dict[str, object]:
    """A payload as indented JSON that wraps, in a box that scrolls and can be copied."""
    return {"body": render_json(value), "label": label, "open": open}


# Charts


@register.inclusion_tag("components/chart.html", takes_context=True)
def bar_chart(
    context: Context, title: str, labels: Sequence[str], values: Sequence[object], currency: str = ""
) -> dict[str, object]:
    """Stacked bars of a list of numbers, or of (name, numbers[, tone]); minor units with a currency."""
    series = _in_units(charts.as_series(title, values), currency)
    scale = charts.stacked_scale(series)
    drawn = {"bars": charts.bars(labels, series, scale), "marks": charts.axis(labels, slots=True)}
    return _chart(context, title, labels, series, scale, currency) | drawn


@register.inclusion_tag("components/chart.html", takes_context=True)
def line_chart(
    context: Context, title: str, labels: Sequence[str], values: Sequence[object], currency: str = ""
) -> dict[str, object]:
    """Lines over time, gaps where a value is None; arguments as for bar_chart."""
    series = _in_units(charts.as_series(title, values), currency)
    scale = charts.scale_of([value for one in series for value in one.values])
    lines = [charts.line(one, scale) for one in series]
    drawn = {"lines": lines, "marks": charts.axis(labels, slots=False), "filled": len(lines) == 1}
    return _chart(context, title, labels, series, scale, currency) | drawn


@register.inclusion_tag("components/sparkline.html")
def sparkline(values: Sequence[int | Decimal | None], label: str) -> dict[str, object]:
    """A word-sized line; `label` says in words what it shows ("Errors, last 14 days: 3 to 0")."""
    series = charts.Series(label, values, "accent")
    return {"line": charts.line(series, charts.scale_of(values)), "label": label}


def _in_units(series: list[charts.Series], currency: str) -> list[charts.Series]:
    """Minor units -> major units, so that the ticks are round in what people read."""
    if not currency:
        return series
    return [
        one._replace(
            values=[None if value is None else from_minor(int(value), currency) for value in one.values]
        )
        for one in series
    ]


def _chart(
    context: Context,
    title: str,
    labels: Sequence[str],
    series: list[charts.Series],
    scale: charts.Scale,
    currency: str,
) -> dict[str, object]:
    """What both charts share: frame, ticks and the table behind the picture."""
    locale, decimals = _locale(context), exponent(currency) if currency else 0
    columns = zip(*(one.values for one in series), strict=True)
    return {
        "title": f"{title}, {currency}" if currency else title,
        "series": series,
        "width": charts.WIDTH,
        "height": charts.HEIGHT,
        "ticks": [(scale.y(tick), formats.format_compact(tick, locale=locale)) for tick in scale.ticks],
        "organization": context.get("organization"),
        "decimals": decimals,
        "rows": [
            (
                label,
                [
                    "" if v is None else formats.format_number(v, decimals=decimals, locale=locale)
                    for v in row
                ],
            )
            for label, row in zip(labels, columns, strict=True)
        ],
    }
