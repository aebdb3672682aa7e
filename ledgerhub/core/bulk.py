"""Writing many rows at once: plain INSERTs, several times faster than building them by the ORM."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any, TypeVar

from django.db import connection, models
from django.utils import timezone

T = TypeVar("T")
Row = TypeVar("Row", bound=models.Model)
Fields = Sequence["models.Field[Any, Any]"]
Values = tuple[Any, ...]
# Both databases take more, but longer statements are no faster.
MOST_PARAMETERS = 30_000


def insert(rows: Sequence[Row]) -> None:
    """Insert unsaved instances of one plain model and set their primary keys; constraints hold as ever.

    A JSON value that is text already is stored as it is. No signals, no multi-table models.
    """
    if not rows:
        return
    model = type(rows[0])
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    read = attrgetter(*(field.attname for field in fields))
    key = connection.ops.quote_name(str(model._meta.pk.column if model._meta.pk else "id"))
    with connection.cursor() as cursor:
        for chunk in chunks(rows, MOST_PARAMETERS // len(fields)):
            values = _adapted(fields, [read(row) for row in chunk])
            statement = f"{_statement(model, fields, len(chunk))} RETURNING {key}"
            cursor.execute(statement, [value for row in values for value in row])
            for row, (pk,) in zip(chunk, cursor.fetchall(), strict=True):
                row.pk = pk
                row._state.adding, row._state.db = False, connection.alias


def write(
    model: type[models.Model],
    names: Sequence[str],
    rows: Sequence[Values],
    *,
    ignore_conflicts: bool = False,
) -> None:
    """Insert rows whose keys nobody asks for, without making instances of them.

    `names` are the model's attribute names (`account_id`), every column without a default of the
    database's own among them; each row holds their values in that order.
    """
    if not rows:
        return
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    fields = [by_name[name] for name in names]
    ending = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    with connection.cursor() as cursor:
        cursor.executemany(_statement(model, fields, 1) + ending, list(_adapted(fields, rows)))


def update(rows: Sequence[Row], names: Sequence[str]) -> None:
    """Write these attributes (`account_id`) of saved instances of one model: plain UPDATEs, in one go."""
    if not rows:
        return
    model = type(rows[0])
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    fields = [*(by_name[name] for name in names), model._meta.pk]
    quote = connection.ops.quote_name
    *columns, key = [f"{quote(str(field.column))} = %s" for field in fields]
    statement = f"UPDATE {quote(model._meta.db_table)} SET {', '.join(columns)} WHERE {key}"
    read = attrgetter(*(field.attname for field in fields))
    with connection.cursor() as cursor:
        cursor.executemany(statement, list(_adapted(fields, [read(row) for row in rows])))


def stamp(rows: Sequence[models.Model], *names: str) -> None:
    """Set creation times, which `insert` does not do by itself."""
    now = timezone.now()
    for row in rows:
        for name in names:
            setattr(row, name, now)


def _statement(model: type[models.Model], fields: Fields, count: int) -> str:
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    marks = f"({', '.join(['%s'] * len(fields))})"
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES {', '.join([marks] * count)}"


def chunks(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """So many at a time, in order."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _adapted(fields: Fields, rows: Sequence[Values]) -> Iterable[Values]:
    """The rows as the database takes them, column by column: most need nothing."""
    adapters = [(place, adapt) for place, field in enumerate(fields) if (adapt := _adapter(field))]
    if not adapters:
        return rows
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for place, adapt in adapters:
        columns[place] = [None if value is None else adapt(value) for value in columns[place]]
    return zip(*columns, strict=True)


def _adapter(field: models.Field[Any, Any]) -> Callable[[Any], Any] | None:
    """How a Python value of this field goes to the database; None where it goes as it is."""
    operations = connection.ops
    if isinstance(field, models.JSONField):
        encoder = field.encoder
        return lambda value: value if isinstance(value, str) else json.dumps(value, cls=encoder)
    if isinstance(field, models.DateTimeField):
        return operations.adapt_datetimefield_value
    if isinstance(field, models.DateField):
        return operations.adapt_datefield_value
    if isinstance(field, models.DecimalField):
        digits, places = field.max_digits, field.decimal_places
        return lambda value: operations.adapt_decimalfield_value(value, digits, places)
    return None
