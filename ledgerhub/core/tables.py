"""Listing: the one helper behind every list page: filter, search, sort, page and export a queryset.

A view says what the list is and hands the result to its template:

    listing = table(
        request,
        Document.objects.filter(organization=request.organization).select_related("contact"),
        name="documents",
        columns=[
            Column("date", "Date", order_by="date"),
            Column("contact__name", "Contact", order_by="contact__name"),
            Column("total", "Total", order_by="total", numeric=True, value=Document.major_total),
        ],
        filters=[
            Filter("kind", "Kind", choices=KIND_CHOICES),
            Filter("since", "From", "date__gte", kind="date"),
        ],
        search=["number", "contact__name"],
        default_sort="-date",
    )
    if listing.export:
        return listing.export
    return render(request, "ledger/documents.html", {"table": listing})

In the template, `components/table_controls.html`, `table_head.html` and `table_foot.html` draw everything
but the rows. URL parameters: `q`, `sort` (column key, `-` falls), one a filter, `page` or `after`, `export`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.paginator import Page, Paginator
from django.core.signing import BadSignature, loads
from django.core.signing import dumps as sign
from django.db import models
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest, QueryDict, StreamingHttpResponse

from ledgerhub.core.days import parse_day
from ledgerhub.core.exports import csv_response
from ledgerhub.core.money import from_minor

M = TypeVar("M", bound=models.Model)
Rows = QuerySet[Any]

COUNT_CAP = 10_000
PAGE_SIZE = 50
_EXPORT_CHUNK = 2_000
_LONGEST_SEARCH = 200
_RESERVED = ("page", "after", "export")


@dataclass(frozen=True)
class Column:
    """One column. `order_by`: the field path it sorts by, empty where it does not sort.

    `value(row)` is what the export writes (default: the attribute path `key`); `exported` False leaves
    the column out of the export.
    """

    key: str
    label: str
    order_by: str = ""
    numeric: bool = False
    value: Callable[[Any], Any] | None = None
    exported: bool = True

    def read(self, row: Any) -> Any:
        if self.value is not None:
            return self.value(row)
        for name in self.key.split("__"):
            row = getattr(row, name, None)
        return row


def money_column(key: str, label: str = "Amount") -> Column:
    """Minor units in `key`, of the row's `currency`: exported in major units."""

    def value(row: Any) -> Decimal:
        return from_minor(getattr(row, key), row.currency)

    return Column(key, label, order_by=key, numeric=True, value=value)


@dataclass(frozen=True)
class Filter:
    """One filter, on while its URL parameter `key` has a value.

    `lookup` is the queryset lookup (default `key`); `apply(rows, value)` replaces it where a lookup is not
    enough (a date filter's value is a date). `choices` are (value, label); several may be chosen at once.
    A hidden filter has no field above the table, only a chip: links set it.
    """

    key: str
    label: str
    lookup: str = ""
    kind: Literal["choice", "text", "date", "hidden"] = "choice"
    choices: Sequence[tuple[str, str]] = ()
    apply: Callable[[Rows, Any], Rows] | None = None

    def narrow(self, rows: Rows, values: list[Any]) -> Rows:
        if self.apply is not None:
            for value in values:
                rows = self.apply(rows, value)
            return rows
        lookup = self.lookup or self.key
        return rows.filter(**({lookup: values[0]} if len(values) == 1 else {f"{lookup}__in": values}))


class Head(NamedTuple):
    """A column as the head shows it; `url` is empty where it does not sort."""

    key: str
    label: str
    numeric: bool
    url: str
    direction: str


class Option(NamedTuple):
    value: str
    label: str
    selected: bool


class Control(NamedTuple):
    """A filter as the form above the table shows it."""

    key: str
    label: str
    kind: str
    value: str
    options: list[Option]


class Chip(NamedTuple):
    """A filter that is on, in words; `remove` is the URL without it."""

    label: str
    value: str
    remove: str


@dataclass
class Table(Generic[M]):
    """What a list page shows.

    `rows` is one page. Small lists (up to COUNT_CAP rows) have `page`, a Django Page with totals; longer
    ones have no total, only `next_url` and, off the first page, `first_url`. `problems` are filter values
    that could not be read, in words. `export` is the CSV to return where the URL asked for it.
    """

    rows: list[M]
    heads: list[Head]
    controls: list[Control]
    chips: list[Chip]
    problems: list[str]
    search: str
    searchable: bool
    sort: str
    order: str
    clear_url: str
    export_url: str
    page: Page[M] | None = None
    first_url: str = ""
    next_url: str = ""
    export: StreamingHttpResponse | None = None

    @property
    def narrowed(self) -> bool:
        """Whether an empty list is empty only because of the filters."""
        return bool(self.chips)

    @property
    def total(self) -> int | None:
        """How many rows there are in all; None where it is more than COUNT_CAP."""
        return self.page.paginator.count if self.page is not None else None


@dataclass
class _Narrowed:
    rows: Rows
    chips: list[Chip] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class _Order(NamedTuple):
    """What the rows are sorted by: a field path and the primary key, both falling or both rising."""

    key: str
    path: str
    falling: bool
    nullable: bool


def table(
    request: HttpRequest,
    queryset: QuerySet[M],
    *,
    columns: Sequence[Column],
    filters: Sequence[Filter] = (),
    search: Sequence[str] = (),
    default_sort: str = "",
    page_size: int = PAGE_SIZE,
    name: str = "export",
) -> Table[M]:
    """Filter, search, sort and page `queryset` as the URL asks.

    `search` are field paths in which every word must be found somewhere; `default_sort` a column key,
    with `-` to fall (default: newest primary key first). Never raises for what stands in the URL.
    """
    parameters = request.GET
    narrowed = _search(_narrow(_Narrowed(queryset), filters, parameters), search, parameters)
    order = _order(queryset.model, columns, parameters.get("sort", ""), default_sort)
    shown: Table[M] = Table(
        rows=[],
        heads=[_head(column, order, parameters) for column in columns],
        controls=[_control(one, parameters) for one in filters],
        chips=narrowed.chips,
        problems=narrowed.problems,
        search=_words(parameters),
        searchable=bool(search),
        sort=parameters.get("sort", ""),
        order=f"-{order.key}" if order.falling and order.key else order.key,
        clear_url=_url(parameters, drop=["q", *(one.key for one in filters)]),
        export_url=_url(parameters, export="csv"),
    )
    ordered = _sorted(narrowed.rows, order)
    if parameters.get("export") == "csv":
        shown.export = _export(name, columns, ordered)
    else:
        _page(shown, narrowed.rows, ordered, order, parameters, page_size)
    return shown


# Filters and search


def _narrow(narrowed: _Narrowed, filters: Sequence[Filter], parameters: QueryDict) -> _Narrowed:
    for one in filters:
        chosen: list[Any] = []
        for text in _texts(parameters, one.key):
            value, word, problem = _read(one, text)
            if problem:
                narrowed.problems.append(problem)
                continue
            chosen.append(value)
            narrowed.chips.append(Chip(one.label, word, _without(parameters, one.key, text)))
        if chosen:
            narrowed.rows = _safely(one, narrowed, chosen)
    return narrowed


def _safely(one: Filter, narrowed: _Narrowed, chosen: list[Any]) -> Rows:
    """Narrow; a value the field cannot take (text for a number) becomes a problem in words."""
    try:
        return one.narrow(narrowed.rows, chosen)
    except (ValueError, ValidationError):
        narrowed.problems.append(f"{one.label}: '{chosen[0]}' cannot be used here.")
        return narrowed.rows


def _read(one: Filter, text: str) -> tuple[Any, str, str]:
    """A parameter's text as (value, words for the chip, problem)."""
    if one.kind == "date":
        day = parse_day(text)
        problem = "" if day else f"{one.label}: '{text}' is not a date. Write it like 2026-03-31."
        return day, text, problem
    if one.kind == "choice":
        label = dict(one.choices).get(text)
        return text, label or text, "" if label is not None else f"{one.label}: there is no '{text}'."
    return text, text, ""


def _search(narrowed: _Narrowed, paths: Sequence[str], parameters: QueryDict) -> _Narrowed:
    words = _words(parameters)
    if not paths or not words:
        return narrowed
    for word in words.split():
        found = Q()
        for path in paths:
            found |= Q(**{f"{path}__icontains": word})
        narrowed.rows = narrowed.rows.filter(found)
    narrowed.chips.insert(0, Chip("Search", words, _url(parameters, drop=["q"])))
    return narrowed


def _words(parameters: QueryDict) -> str:
    return _clean(parameters.get("q", ""))


def _clean(text: str) -> str:
    # PostgreSQL refuses NUL in text.
    return text.replace("\0", "").strip()[:_LONGEST_SEARCH]


def _texts(parameters: QueryDict, key: str) -> list[str]:
    return list(dict.fromkeys(text for raw in parameters.getlist(key) if (text := _clean(raw))))


def _control(one: Filter, parameters: QueryDict) -> Control:
    chosen = _texts(parameters, one.key)
    options = [Option(value, label, value in chosen) for value, label in one.choices]
    return Control(one.key, one.label, one.kind, chosen[0] if chosen else "", options)


# Order


def _order(model: type[models.Model], columns: Sequence[Column], asked: str, default: str) -> _Order:
    paths = {column.key: column.order_by for column in columns if column.order_by}
    sort = next((one for one in (asked, default) if one.removeprefix("-") in paths), "")
    key = sort.removeprefix("-")
    path = paths.get(key, "pk")
    return _Order(key, path, sort.startswith("-") or not sort, _is_nullable(model, path))


def _is_nullable(model: type[models.Model], path: str) -> bool:
    """Whether a field path can be NULL; an annotation counts as never."""
    related: Any = model
    try:
        for name in path.split("__"):
            if name == "pk":
                return False
            found = related._meta.get_field(name)
            if found.null:
                return True
            related = found.related_model
    except (FieldDoesNotExist, AttributeError):
        return False
    return False


def _sorted(rows: Rows, order: _Order) -> Rows:
    by_key = "-pk" if order.falling else "pk"
    if order.path in ("pk", "id"):
        return rows.order_by(by_key)
    if not order.nullable:
        return rows.order_by(f"-{order.path}" if order.falling else order.path, by_key)
    path = F(order.path)
    last = path.desc(nulls_last=True) if order.falling else path.asc(nulls_last=True)
    return rows.order_by(last, by_key)


def _head(column: Column, order: _Order, parameters: QueryDict) -> Head:
    if not column.order_by:
        return Head(column.key, column.label, column.numeric, "", "")
    current = column.key == order.key
    direction = ("descending" if order.falling else "ascending") if current else ""
    sort = f"-{column.key}" if direction == "ascending" else column.key
    return Head(column.key, column.label, column.numeric, _url(parameters, sort=sort), direction)


# Pages


class _Counted(Paginator):  # type: ignore[type-arg]
    """A paginator that was told the count."""

    def __init__(self, rows: Rows, size: int, count: int) -> None:
        super().__init__(rows, size)
        self.count = count


def _page(
    shown: Table[M], narrowed: Rows, ordered: Rows, order: _Order, parameters: QueryDict, size: int
) -> None:
    """Fill in one page: by number where counting is cheap, else from the last row of the page before."""
    count = _light(narrowed.order_by())[: COUNT_CAP + 1].count()
    if count <= COUNT_CAP:
        shown.page = _Counted(ordered, size, count).get_page(parameters.get("page"))
        shown.rows = list(shown.page.object_list)
        return
    after = _cursor(parameters.get("after", ""), order)
    if after is not None:
        ordered = ordered.filter(_beyond(order, *after))
        shown.first_url = _url(parameters)
    rows = list(ordered.annotate(_sorted_by=F(order.path))[: size + 1])
    shown.rows = rows[:size]
    if len(rows) > size:
        last = rows[size - 1]
        shown.next_url = _url(parameters, after=_sign(order, last._sorted_by, last.pk))


def _light(rows: Rows) -> Rows:
    """The same rows without what is worked out for each: a limit keeps the database from leaving it out."""
    return rows if rows.query.group_by is not None else rows.values("pk")


def _beyond(order: _Order, value: Any, pk: Any) -> Q:
    """The rows after (value, pk) in the order; NULLs come last."""
    comparison = "lt" if order.falling else "gt"
    same = Q(**{f"pk__{comparison}": pk})
    if order.path in ("pk", "id"):
        return same
    if value is None:
        return Q(**{f"{order.path}__isnull": True}) & same
    further = Q(**{f"{order.path}__{comparison}": value}) | Q(**{order.path: value}) & same
    return further | Q(**{f"{order.path}__isnull": True}) if order.nullable else further


def _sign(order: _Order, value: Any, pk: Any) -> str:
    text = value.isoformat() if hasattr(value, "isoformat") else None if value is None else str(value)
    return sign([order.key, order.falling, text, str(pk)], salt="table", compress=True)


def _cursor(text: str, order: _Order) -> tuple[str | None, str] | None:
    """(value, pk) of the last row seen; None for a forged cursor or one of another order."""
    try:
        key, falling, value, pk = loads(text, salt="table")
    except (BadSignature, ValueError):
        return None
    return (value, pk) if (key, falling) == (order.key, order.falling) else None


def _export(name: str, columns: Sequence[Column], ordered: Rows) -> StreamingHttpResponse:
    kept = [column for column in columns if column.exported]
    header = [column.label for column in kept]
    rows = ordered.iterator(chunk_size=_EXPORT_CHUNK)
    return csv_response(name, header, rows, lambda row: [column.read(row) for column in kept])


# Addresses


def _url(parameters: QueryDict, *, drop: Sequence[str] = (), **changes: str) -> str:
    """The page's own query string with changes, back on the first page."""
    kept = parameters.copy()
    for name in (*_RESERVED, *drop):
        kept.pop(name, None)
    for name, value in changes.items():
        kept[name] = value
    return f"?{kept.urlencode()}"


def _without(parameters: QueryDict, key: str, text: str) -> str:
    kept = parameters.copy()
    kept.setlist(key, [value for value in parameters.getlist(key) if _clean(value) != text])
    return _url(kept)
